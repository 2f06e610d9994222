"""Activates a generation and tidies up after it. By then the change has taken effect, so failures are warnings."""

from __future__ import annotations

import contextlib

from d8_installer.errors import D8Error, DiskError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from d8_installer.store.paths import ProfilePaths
    from d8_installer.store.switch import Switch

    Warn = Callable[[str], None]


def activate(switch: Switch, paths: ProfilePaths, number: int, warn: Warn) -> None:
    """Make generation *number* the active one. Raise DiskError if it is not active afterwards.

    A failure once it is active, such as that of an fsync, is passed to *warn*.
    """
    try:
        switch.activate(paths, number)
    except DiskError as error:
        if _active(switch, paths) != number:
            raise
        warn(f"generation {number} is active, and a power cut may undo that: {error}")


def _active(switch: Switch, paths: ProfilePaths) -> int | None:
    try:
        return switch.active(paths)
    except DiskError:
        return None


@contextlib.contextmanager
def warned_of(consequence: str, warn: Warn) -> Iterator[None]:
    """Turn a D8Error of the context into a warning that names its *consequence*."""
    try:
        yield
    except D8Error as error:
        warn(f"{consequence}: {error}")

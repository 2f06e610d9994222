"""What follows the switch to a new generation: the change took effect, so nothing there makes a command fail."""

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
    """Make generation *number* the active one; a DiskError means that it is not.

    What the disk refuses once it is active, such as to make that durable, is told to *warn*.
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
    """Tell *warn* what goes wrong in the context, and what that means; no D8Error is raised."""
    try:
        yield
    except D8Error as error:
        warn(f"{consequence}: {error}")

"""How long a command waits: for a source, and for other processes that are at work in the same home."""

from __future__ import annotations

from d8_installer.errors import ConfigError
from d8_installer.store.flock import WaitPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_PATIENCE = 30.0
OTHERS_PATIENCE = 60
"""So many times the patience with a source is the patience with another process."""
_MOST_PATIENCE = 3600


def network_timeout(text: str) -> float:
    """Read D8_PATIENCE: seconds, above zero and up to an hour; empty is the usual patience."""
    try:
        seconds = float(text) if text else DEFAULT_PATIENCE
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _MOST_PATIENCE:
        raise ConfigError(
            f"D8_PATIENCE={text[:40]!r} is not a number of seconds up to {_MOST_PATIENCE}",
            hint="unset it, or set it to 30",
        )
    return seconds


def wait_policy(note: Callable[[str], None], timeout: float) -> WaitPolicy:
    """Return the patience with another process that holds a lock, from that with a source; *note* says that we wait."""

    def say(holder: str) -> None:
        note(f"waiting for another d8-installer (process {holder})")

    return WaitPolicy(say, OTHERS_PATIENCE * timeout)

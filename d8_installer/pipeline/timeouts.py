"""How long a command waits: for a source, and for other processes that are at work in the same home."""

from __future__ import annotations

from d8_installer.errors import ConfigError
from d8_installer.store.flock import WaitPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_NETWORK_TIMEOUT = 30.0
_LONGEST = 3600
LOCK_TIMEOUT = 60
"""Lock timeout, as a multiple of the network timeout."""


def network_timeout(text: str) -> float:
    """Read D8_PATIENCE: a number of seconds up to an hour. Empty is the default."""
    try:
        seconds = float(text) if text else _NETWORK_TIMEOUT
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST:
        raise ConfigError(
            f"D8_PATIENCE={text[:40]!r} is not a number of seconds up to {_LONGEST}",
            hint="unset it, or set it to 30",
        )
    return seconds


def wait_policy(note: Callable[[str], None], timeout: float) -> WaitPolicy:
    """Return how long to wait for a lock of another process, given the network *timeout*; *note* hears of a wait."""

    def say(holder: str) -> None:
        note(f"waiting for another d8-installer (process {holder})")

    return WaitPolicy(say, LOCK_TIMEOUT * timeout)

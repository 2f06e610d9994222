"""How long a command waits: for a source, and for other processes that are at work in the same home."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.store.flock import Patience

if TYPE_CHECKING:
    from d8_installer.ops.reporter import Reporter

DEFAULT_PATIENCE = 30.0
OTHERS_PATIENCE = 60
"""So many times the patience with a source is the patience with another process."""
_MOST_PATIENCE = 3600
_MOMENT = 2.0
"""Seconds for which a lock that is held for moments only is waited for without a word."""


def typed_patience(text: str) -> float:
    """Read D8_PATIENCE: seconds, above zero and up to an hour; empty is the usual patience."""
    try:
        seconds = float(text) if text else DEFAULT_PATIENCE
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _MOST_PATIENCE:
        raise ConfigError(
            f"D8_PATIENCE={text[:40]!r} is no number of seconds up to {_MOST_PATIENCE}",
            hint="unset it, or set it to 30",
        )
    return seconds


def with_others(reporter: Reporter, patience: float, *, of_moments: bool = False) -> Patience:
    """Return the patience with another process that holds a lock; *of_moments*: one that nobody holds for long."""
    return Patience(
        lambda holder: reporter.note(f"waiting for another d8-installer (process {holder})"),
        OTHERS_PATIENCE * patience,
        _MOMENT if of_moments else 0.0,
    )

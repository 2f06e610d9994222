"""How long the head of an answer may take, counted from the request's last byte. No I/O but the clock."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class HeadLimit(threading.local):
    """The limit of the request that this thread waits for, in seconds.

    A time-out for each read is not enough: a server that sends a byte now and then, or interim answers (1xx) without
    end, would hold a command forever.
    """

    _patience: float | None = None
    _until: float | None = None

    @contextmanager
    def of(self, patience: float) -> Iterator[None]:
        """Hold what is read while the context lasts to *patience* seconds."""
        self._patience = patience
        self._until = None
        try:
            yield
        finally:
            self._patience = self._until = None

    def restart(self) -> None:
        """Count from here: a part of the request was sent."""
        if self._patience is not None:
            self._until = time.monotonic() + self._patience

    def left(self, timeout: float | None) -> float | None:
        """Return the seconds that a read may take: at most *timeout* (None: no limit); 0 or less when it is over."""
        if self._until is None:
            return timeout
        left = self._until - time.monotonic()
        return left if timeout is None else min(left, timeout)

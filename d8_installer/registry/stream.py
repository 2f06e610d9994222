"""An answer whose body is still arriving: its chunks, and the limits after which its sender counts as stalled.

``client`` opens it; ``rpp_errors`` and ``oci_errors`` know what its status means.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, MismatchError, TryAgainError
from d8_installer.model.secrets import SHORTEST, UNMISTAKABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx2

    from d8_installer.model.secrets import Secrets

ERROR_BODY = 64 << 10
"""The most bytes of an error's body that are read."""
SLOWEST = 1024
"""Bytes per second. A transfer that is slower over a whole read timeout counts as stalled."""


class HeadLimit(threading.local):
    """How long the head of an answer may take, for the request that this thread waits for.

    The time counts from the request's last byte. A timeout for each read is not enough: a server that sends an
    occasional byte, or interim answers (1xx) without end, would hold a command forever.
    """

    _seconds: float | None = None
    _until: float | None = None
    _end: float | None = None

    @contextmanager
    def of(self, seconds: float) -> Iterator[None]:
        """Limit what is read in this context to *seconds*."""
        self._seconds = seconds
        self._until = None
        try:
            yield
        finally:
            self._seconds = self._until = None

    @contextmanager
    def all_within(self, seconds: float) -> Iterator[None]:
        """Limit everything in this context to *seconds*, several requests and their bodies included."""
        self._end = time.monotonic() + seconds
        try:
            yield
        finally:
            self._end = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time in this context for ``all_within``: a person is asked who they are."""
        begun = time.monotonic()
        try:
            yield
        finally:
            if self._end is not None:
                self._end += time.monotonic() - begun

    @property
    def is_running(self) -> bool:
        """Whether the head of an answer is expected."""
        return self._seconds is not None

    def restart(self) -> None:
        """Count from now, after a part of the request was sent."""
        if self._seconds is not None:
            self._until = time.monotonic() + self._seconds

    def left(self, timeout: float | None) -> float | None:
        """Return the seconds that a read may take, at most *timeout* (None: no limit); 0 or less when time is up."""
        ends = [end for end in (self._until, self._end) if end is not None]
        if not ends:
            return timeout
        left = min(ends) - time.monotonic()
        return left if timeout is None else min(left, timeout)


class _Pace:
    """How fast bytes arrive while we wait for them; the time that we spend on processing them does not count."""

    def __init__(self, period: float) -> None:
        self._period = period
        self._waited = 0.0
        self._got = 0
        self.begin()

    def begin(self) -> None:
        self._since = time.monotonic()

    def is_too_slow(self, amount: int) -> bool:
        """Count bytes that arrived; once per period, return whether they were too few."""
        self._got += amount
        self._waited += time.monotonic() - self._since
        if self._waited < self._period:
            return False
        slow = self._got < SLOWEST * self._waited
        self._waited, self._got = 0.0, 0
        return slow


class Stream:
    """An answer whose body is still arriving, as raw chunks of at most 256 KiB. Header names are in lower case.

    It is a Body (``model.source``), and Traced: a caller that opened it by a tag sets ``by_tag`` and ``detour``.
    """

    path: str | None = None
    by_tag = False
    detour: D8Error | None = None

    def __init__(self, raw: httpx2.Response, call: str, read_timeout: float, secrets: Secrets) -> None:
        self._raw = raw
        self._read_timeout = read_timeout
        self._secrets = secrets
        self._call = call
        self.url = str(raw.request.url)
        """The URL that the answer came from; it may hold a signature."""
        self.status = raw.status_code
        # Some servers repeat what they were sent, and headers and bodies of errors are shown to people.
        self.headers: Mapping[str, str] = {name: secrets.hide(value) for name, value in raw.headers.items()}

    @property
    def size(self) -> int | None:
        """The bytes that ``Content-Length`` promises, or None."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def etag(self) -> str | None:
        """The text of ``ETag``, or None."""
        return self.headers.get("etag")

    def require_plain(self, size: int | None = None) -> None:
        """Raise MismatchError if the body was compressed in transit, though we ask for ``identity`` (RFC 9110 §8.4).

        A body of *size* bytes passes: some stores send the header with a file that is itself compressed.
        """
        coding = self.headers.get("content-encoding", "").strip().lower()
        if coding in ("", "identity") or (size is not None and self.size == size):
            return
        raise MismatchError(
            f"{self._call}: the answer was compressed in transit (Content-Encoding {coding[:20]!r}), so it cannot be"
            " compared with a digest",
            hint="switch compression off for this address in the proxy or gateway in between (nginx: `gzip off`)",
            code="compressed-in-transit",
        )

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body, not decoded. A body that is cut, stalls or is too slow is a TryAgainError."""
        import httpx2

        got = 0
        pace = _Pace(self._read_timeout)
        try:
            for chunk in self._raw.iter_raw():
                got += len(chunk)
                if pace.is_too_slow(len(chunk)):
                    raise self._ended("stalled", got)
                yield chunk
                pace.begin()
        except httpx2.TransportError as error:
            why = "stalled" if isinstance(error, httpx2.TimeoutException) else "was cut"
            raise self._ended(why, got) from error

    def _ended(self, why: str, got: int) -> TryAgainError:
        promised = "" if self.size is None else f" of {self.size}"
        return TryAgainError(
            f"{self._call}: the transfer {why} after {got}{promised} bytes",
            hint="run the same command again",
            code="transfer-cut",
        )

    def read(self, cap: int) -> bytes:
        """Return the whole body. More than *cap* bytes are a MismatchError; the body of an error is only cut.

        A secret that the sender repeats is hidden; in a document only one that cannot be there by chance.
        """
        if self.status < 400:
            self.require_plain()
        limit = cap if self.status < 400 else min(cap, ERROR_BODY)
        body = bytearray()
        for chunk in self:
            body += chunk
            if len(body) > limit:
                break
        if len(body) > limit and self.status < 400:
            raise MismatchError(
                f"{self._call}: the answer is longer than {cap} bytes",
                hint="check the address: no registry or proxy sends an answer of that length",
                code="not-a-manifest",
            )
        whole = self._secrets.hide_in(bytes(body), SHORTEST if self.status >= 400 else UNMISTAKABLE)
        return whole[:limit]

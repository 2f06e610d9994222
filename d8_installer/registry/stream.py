"""An answer whose body is still on its way: its chunks, and when its sender counts as cut off or stalled.

Opening it, and what its status means, are others' (``client``, ``rpp_wire``, ``oci_registry``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, MismatchError, TryAgainError
from d8_installer.model.secrets import SHORTEST, UNMISTAKABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx2

    from d8_installer.model.secrets import Secrets

ERROR_BODY = 64 << 10
"""This much of an error's body is read, in bytes."""
SLOWEST = 1024
"""Bytes a second; fewer, over a read time-out, are a stall: else a byte now and then would hold a command forever."""


class _Pace:
    """How quickly bytes come, while we wait for them: what we do with them does not count."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._waited = 0.0
        self._got = 0
        self.begin()

    def begin(self) -> None:
        self._since = time.monotonic()

    def is_too_slow(self, amount: int) -> bool:
        """Count bytes that came, and say once a patience whether they were too few."""
        self._got += amount
        self._waited += time.monotonic() - self._since
        if self._waited < self._patience:
            return False
        slow = self._got < SLOWEST * self._waited
        self._waited, self._got = 0.0, 0
        return slow


class Stream:
    """An answer whose body is still on its way, as raw chunks of at most 64 KiB. Header names are in lower case.

    It is a Body (``model.source``), and Traced: who opened it by a tag says so in ``by_tag`` and ``detour``.
    """

    path: str | None = None
    by_tag = False
    detour: D8Error | None = None

    def __init__(self, raw: httpx2.Response, call: str, patience: float, secrets: Secrets) -> None:
        self._raw = raw
        self._patience = patience
        self._secrets = secrets
        self._call = call
        self.url = str(raw.request.url)
        """Where the answer came from; it may hold a signature."""
        self.status = raw.status_code
        # Some servers say what they were sent; headers and bodies of errors are shown to people.
        self.headers: Mapping[str, str] = {name: secrets.hide(value) for name, value in raw.headers.items()}

    @property
    def size(self) -> int | None:
        """The bytes that ``Content-Length`` promises, or None."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def etag(self) -> str | None:
        """What ``ETag`` calls the body, or None."""
        return self.headers.get("etag")

    def require_plain(self, size: int | None = None) -> None:
        """Raise MismatchError if the body was compressed on its way, though we ask for ``identity`` (RFC 9110 §8.4).

        A body of *size* bytes passes: some stores keep the header with a file that is compressed itself.
        """
        coding = self.headers.get("content-encoding", "").strip().lower()
        if coding in ("", "identity") or (size is not None and self.size == size):
            return
        raise MismatchError(
            f"{self._call}: the answer is compressed on its way (Content-Encoding {coding[:20]!r}), so nothing can be"
            " compared with a digest",
            hint="switch compression off for this address in the proxy or box in between (nginx: `gzip off`)",
        )

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body, not decoded; one that is cut, stalls or only drips is a TryAgainError (got, promised)."""
        import httpx2

        got = 0
        pace = _Pace(self._patience)
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
            f"{self._call}: the transfer {why} after {got}{promised} bytes", hint="run the same command again"
        )

    def read(self, cap: int) -> bytes:
        """Return the whole body; more than *cap* bytes is a MismatchError, but an error's body is only cut.

        A secret that the sender says back is hidden: in a document only one that cannot be there by chance.
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
                hint="check the address: no registry or proxy gives an answer of that length",
            )
        whole = self._secrets.hide_in(bytes(body), SHORTEST if self.status >= 400 else UNMISTAKABLE)
        return whole[:limit]

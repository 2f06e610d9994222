"""Resuming a blob with an HTTP range (RFC 9110 §14): the request's headers, and whether the answer matches them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from d8_installer.registry.stream import Stream

_CONTENT_RANGE = r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)"
_STRONG = r'"[!#-~]{0,200}"'


class BlobRest:
    """A blob from byte ``start`` on, as a registry sends it. It is a Rest (``model.source``)."""

    path: str | None = None

    def __init__(self, stream: Stream, start: int) -> None:
        self._stream = stream
        self.start = start
        self.etag = strong_etag(stream.headers)

    @property
    def size(self) -> int | None:
        """The size of the whole blob as announced, or None."""
        rest = self._stream.size
        return None if rest is None else self.start + rest

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes from ``start`` on, as ``Stream`` does."""
        return iter(self._stream)


def strong_etag(headers: Mapping[str, str]) -> str | None:
    """Return the answer's strong ETag, or None; a weak one does not promise equal bytes (RFC 9110 §8.8.3)."""
    etag = headers.get("etag", "").strip()
    return etag if re.fullmatch(_STRONG, etag, re.ASCII) else None


def range_headers(start: int, etag: str | None) -> dict[str, str]:
    """Return the headers that ask for the bytes from *start* on, or for the whole file if it is no longer *etag*."""
    headers = {"Range": f"bytes={start}-"}
    return headers if etag is None else {**headers, "If-Range": etag}


def continues(stream: Stream, size: int, start: int, etag: str | None) -> bool:
    """Whether an answer holds the bytes from *start* on of the *size* bytes that were called *etag*.

    False for the whole file (200: no ranges here), another range, total or ETag, and every error: repeating the request
    without a range then shows what is wrong.
    """
    if stream.status != 206:
        return False
    match = re.fullmatch(_CONTENT_RANGE, stream.headers.get("content-range", "").strip(), re.ASCII)
    if match is None or (int(match[1]), int(match[2])) != (start, size - 1) or match[3] not in ("*", str(size)):
        return False
    now = strong_etag(stream.headers)
    return stream.size in (None, size - start) and (etag is None or now is None or now == etag)

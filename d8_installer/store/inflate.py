"""Decompression of a layer as it streams: gzip, zstd or plain tar, distinguished by their first bytes.

Each step takes and gives a bounded number of bytes, whatever the input. ``tar`` reads the result; ``unpack`` compares
the bytes with the promised digest, and decides which threads do the work.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, Protocol, cast

from d8_installer.errors import MismatchError
from d8_installer.model.plurals import sized
from d8_installer.model.value import Struct
from d8_installer.store.tar_header import BLOCK, is_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

Format = Literal["gzip", "zstd", "tar"]
ANY_FORMAT: frozenset[Format] = frozenset({"gzip", "zstd", "tar"})

STEP_IN = 256 << 10
STEP_OUT = 256 << 10
"""Bytes that one step takes and gives: it runs some hundred microseconds without the GIL, within a core's cache."""

_SNIFF = BLOCK
# A layer may consist of several gzip members or zstd frames (bgzip: one for every 64 KiB). Empty ones take time, and
# yield nothing that a limit would count.
_MAX_MEMBERS = 65_536
# zstd lets a stream ask for a window of 128 MiB and more. `zstd -19` and the best level of Go's encoder need less.
_WINDOW_LOG_MAX = 25


class CutShortError(MismatchError):
    """The stream ends early: its content is incomplete."""

    code = "damaged-image"


class TooLongError(MismatchError):
    """The stream holds more than the limit."""

    code = "damaged-image"


class UnknownFormatError(MismatchError):
    """The first bytes belong to none of the accepted formats."""

    code = "damaged-image"


def inflate(body: Iterable[bytes], limit: int, formats: frozenset[Format] = ANY_FORMAT) -> Iterator[bytes]:
    """Yield the content of *body* in non-empty pieces of at most STEP_OUT bytes.

    Raises TooLongError after *limit* bytes, CutShortError if the body ends early, UnknownFormatError, and MismatchError
    for a corrupt stream. Memory stays at some steps and zstd's window (32 MiB), whatever the input.
    """
    left = limit
    for piece in _pieces(iter(body), formats):
        yield piece if len(piece) <= left else piece[:left]
        left -= len(piece)
        if left < 0:
            raise TooLongError(
                f"this layer unpacks to more than {sized(limit)}", hint="tell the image's author: no client takes it"
            )


def _pieces(body: Iterator[bytes], formats: frozenset[Format]) -> Iterator[bytes]:
    start = b""
    while len(start) < _SNIFF and (chunk := next(body, None)) is not None:
        start += chunk
    found = _sniff(start)
    if found is None or found not in formats:
        raise _unknown(start, formats)
    steps = _steps(start, body)
    return steps if found == "tar" else _members(steps, _gzip() if found == "gzip" else _zstd())


# Files that people push without an archive around them: `oras push` makes a layer of any file.
_PLAIN_FILES = {
    b"PK\x03\x04": "a zip archive",
    b"\x7fELF": "a plain executable",
    b"#!": "a plain script",
    b"MZ": "a plain executable",
    b"\xcf\xfa\xed\xfe": "a plain executable",
    b"\xca\xfe\xba\xbe": "a plain executable",
}
_OTHER_COMPRESSIONS = {b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x04\x22\x4d\x18": "lz4"}


def _unknown(start: bytes, formats: frozenset[Format]) -> UnknownFormatError:
    known = f"neither {' nor '.join(sorted(formats))}"
    what = next((what for magic, what in _PLAIN_FILES.items() if start.startswith(magic)), None)
    compression = next((name for magic, name in _OTHER_COMPRESSIONS.items() if start.startswith(magic)), None)
    if compression is not None:
        return UnknownFormatError(
            f"this layer is {known}: it is compressed with {compression}",
            hint="ask the image's author for a layer with gzip, zstd or no compression: no other is in image-spec",
        )
    if what is None:
        return UnknownFormatError(
            f"this layer is {known}",
            hint="check that the address belongs to a registry-packages-proxy or a registry",
        )
    return UnknownFormatError(
        f"this layer is {known}: it is {what}",
        hint="publish it with `d8-installer publish`: `oras push` puts no archive around a file",
    )


def _sniff(start: bytes) -> Format | None:
    if start.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if start.startswith(b"\x28\xb5\x2f\xfd") or (b"\x50" <= start[:1] <= b"\x5f" and start[1:4] == b"\x2a\x4d\x18"):
        return "zstd"  # the second is a skippable frame, which may come first (RFC 8878 §3.1.2)
    return "tar" if is_header(start[:_SNIFF]) else None


def _steps(start: bytes, body: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the stream again in steps of at most STEP_IN bytes, which bounds the input that a decoder keeps aside."""
    chunk: bytes | None = start
    while chunk is not None:
        if len(chunk) <= STEP_IN:
            if chunk:
                yield chunk
        else:
            for at in range(0, len(chunk), STEP_IN):
                yield chunk[at : at + STEP_IN]
        chunk = next(body, None)


class _Decoder(Protocol):
    """One gzip member or zstd frame: it recognizes its own end, and keeps the bytes behind it."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield everything that *data* unpacks to, in pieces of at most STEP_OUT bytes, of which some may be empty."""
        ...


class _Codec(Struct, frozen=True):
    name: str
    start: Callable[[], _Decoder]
    errors: tuple[type[Exception], ...]


def _members(steps: Iterator[bytes], codec: _Codec) -> Iterator[bytes]:
    decoder, count = codec.start(), 1
    try:
        for step in steps:
            data = step
            while data:
                if decoder.eof:
                    decoder, count = codec.start(), count + 1
                if count > _MAX_MEMBERS:
                    raise MismatchError(
                        f"this layer has more than {_MAX_MEMBERS} {codec.name} streams", code="damaged-image"
                    )
                yield from filter(None, decoder.feed(data))
                data = decoder.unused_data if decoder.eof else b""
    except codec.errors as error:
        raise MismatchError(f"this layer is not valid {codec.name}: {error}", code="damaged-image") from error
    if not decoder.eof:
        raise CutShortError(f"this layer's {codec.name} stream is cut short")


class _ZlibDecompress(Protocol):
    """The part of zlib's and isal's decompression objects that is used here."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _GzipDecoder:
    def __init__(self, raw: _ZlibDecompress) -> None:
        self._raw = raw

    @property
    def eof(self) -> bool:
        return self._raw.eof

    @property
    def unused_data(self) -> bytes:
        return self._raw.unused_data

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data and not self._raw.eof:
            yield self._raw.decompress(data, STEP_OUT)
            data = self._raw.unconsumed_tail


def _gzip() -> _Codec:
    import zlib

    wbits = 16 + zlib.MAX_WBITS  # 16: the gzip wrapper and nothing else
    try:
        from isal import isal_zlib
    except ImportError:  # no wheel for this machine: zlib gives the same bytes, at a third of the speed
        return _Codec("gzip", lambda: _GzipDecoder(zlib.decompressobj(wbits)), (zlib.error,))
    isal_error = cast("type[Exception]", isal_zlib.IsalError)  # its stub says that this is an instance
    return _Codec("gzip", lambda: _GzipDecoder(isal_zlib.decompressobj(wbits)), (isal_error,))


class _ZstdDecoder:
    def __init__(self, raw: zstd.ZstdDecompressor) -> None:
        self._raw = raw

    @property
    def eof(self) -> bool:
        return self._raw.eof

    @property
    def unused_data(self) -> bytes:
        return self._raw.unused_data

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._raw.decompress(data, STEP_OUT)
        while not (self._raw.eof or self._raw.needs_input):
            yield self._raw.decompress(b"", STEP_OUT)


def _zstd() -> _Codec:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG_MAX}
    return _Codec("zstd", lambda: _ZstdDecoder(zstd.ZstdDecompressor(options=options)), (zstd.ZstdError,))

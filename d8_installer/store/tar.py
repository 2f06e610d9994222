"""The walk through a tar archive as it streams: its members and their bytes, once and in order.

This module reads headers, the extension records that change a name or a size, and the end of the archive. ``unpack``
decides which member is wanted and where its bytes go. A member's name never becomes a path here.

What tools interpret differently is refused: two extension records that name one file, and a global record that names
files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from d8_installer.errors import MismatchError
from d8_installer.model.value import Struct
from d8_installer.store import tar_header
from d8_installer.store.inflate import CutShortError
from d8_installer.store.tar_header import BLOCK, ENCODING, Header, parse_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAX_EXTENSION_BYTES = 1 << 20
"""The limit for one extension record."""
# A header costs 20 µs and a pax record 3 µs: without limits a small layer could keep a processor busy for minutes.
_MAX_HEADERS = 100_000
_MAX_EXTENSIONS_BYTES = 8 << 20

_END = bytes(BLOCK)
_TYPE_AT = 156
# Whatever the size field of these types means, no data follow the header.
_HEADER_ONLY = frozenset(
    {
        tar_header.HARD_LINK,
        tar_header.SYMBOLIC_LINK,
        tar_header.CHARACTER_DEVICE,
        tar_header.BLOCK_DEVICE,
        tar_header.DIRECTORY,
        tar_header.FIFO,
    }
)
_REGULAR = frozenset({tar_header.REGULAR, tar_header.OLD_REGULAR})
_PAX_SPARSE = "GNU.sparse."

MemberKind = Literal["file", "sparse", "hard link", "symbolic link", "other"]
_LINKS: Mapping[bytes, MemberKind] = {tar_header.HARD_LINK: "hard link", tar_header.SYMBOLIC_LINK: "symbolic link"}


class InvalidArchiveError(MismatchError):
    """A header or an extension record is malformed, is too long, or can be read in more than one way."""

    code = "damaged-image"


class TarMember(Struct, frozen=True):
    """One member: its name as archived (only for comparing), its kind, its size in bytes, and its bytes.

    ``data`` may be read once, and only until the next member is asked for; of a sparse file it is the stored part.
    ``link`` is a link's target as archived; the target of a hard link is relative to the archive's root.
    """

    name: str
    kind: MemberKind
    size: int
    data: Iterator[memoryview]
    link: str = ""


class _Extension(Struct, kw_only=True):
    """The extension records before a header, which apply to it."""

    name: str | None = None
    link: str | None = None
    size: int | None = None
    sparse: bool = False
    sparse_name: str | None = None

    def set_name(self, name: str) -> None:
        if self.name is not None:
            raise _invalid("two extension records name one file")
        self.name = name


def members(chunks: Iterable[bytes]) -> Iterator[TarMember]:
    """Yield the archive's members in order, and read *chunks* to their end.

    Raises InvalidArchiveError, or CutShortError if the chunks end inside a member. An archive may end without its zero
    blocks, and then without the padding of its last member too: `umoci insert` makes such layers. Bytes behind the
    zero blocks are ignored.
    """
    stream = _Stream(chunks)
    extension = _Extension()
    for block in _header_blocks(stream):
        header = _header(block)
        if header.type in _EXTENSIONS:
            _EXTENSIONS[header.type](stream.small(header.size), extension)
            continue
        member = _member(block, header, extension, stream)
        if header.type == tar_header.GNU_SPARSE:
            _skip_sparse_map(block, stream)
        yield member
        stream.skip(member.data)
        if not stream.is_at_end():
            stream.skip(stream.take(-member.size % BLOCK))
        extension = _Extension()
    stream.drain()


def _header_blocks(stream: _Stream) -> Iterator[bytes]:
    count = 0
    while (block := stream.block()) is not None and block != _END:
        count += 1
        if count > _MAX_HEADERS:
            raise _invalid(f"it has more than {_MAX_HEADERS} headers")
        yield block


class _Stream:
    """Chunks of any sizes, read by count without joining them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._view = memoryview(b"")
        self._extensions = 0

    def take(self, count: int) -> Iterator[memoryview]:
        """Yield the next *count* bytes; CutShortError if there are fewer."""
        while count:
            if not self._view and not self._next():
                raise CutShortError("this layer's tar archive is cut short")
            part = self._view[:count]
            self._view = self._view[count:]
            count -= len(part)
            yield part

    def is_at_end(self) -> bool:
        """Whether no byte is left."""
        return not self._view and not self._next()

    def block(self) -> bytes | None:
        """Return the next block, or None at the stream's end."""
        return None if self.is_at_end() else b"".join(self.take(BLOCK))

    def small(self, size: int) -> bytes:
        """Return the data of an extension record; MismatchError if one record, or all together, are too long."""
        self._extensions += size
        if size > MAX_EXTENSION_BYTES or self._extensions > _MAX_EXTENSIONS_BYTES:
            raise _invalid(f"its extension records are too long (one may have {MAX_EXTENSION_BYTES} bytes)")
        data = b"".join(self.take(size))
        self.skip(self.take(-size % BLOCK))
        return data

    def skip(self, views: Iterator[memoryview]) -> None:
        for _ in views:
            pass

    def drain(self) -> None:
        while self._next():
            pass

    def _next(self) -> bool:
        chunk = next(filter(None, self._chunks), None)
        self._view = memoryview(chunk or b"")
        return chunk is not None


def _header(block: bytes) -> Header:
    try:
        header = parse_header(block)
    except ValueError as error:
        raise _invalid(str(error)) from error
    if header.size < 0:
        raise _invalid("a member's size is negative")
    return header


def _member(block: bytes, header: Header, extension: _Extension, stream: _Stream) -> TarMember:
    name = extension.sparse_name or (header.name if extension.name is None else extension.name)
    size = header.size if extension.size is None else extension.size
    flag = header.type
    # In old archives a slash at the end of the name means a directory. An extension record has the whole name, while
    # the header's may be cut off just behind a slash.
    if block[_TYPE_AT] == 0 and extension.name is not None:
        flag = tar_header.DIRECTORY if name.endswith("/") else tar_header.OLD_REGULAR
    if flag in _HEADER_ONLY:
        link = header.link if extension.link is None else extension.link
        return TarMember(name, _LINKS.get(flag, "other"), 0, stream.take(0), link)
    kind: MemberKind = "file" if flag in _REGULAR else "other"
    if flag == tar_header.GNU_SPARSE or (extension.sparse and kind == "file"):
        kind = "sparse"
    return TarMember(name, kind, size, stream.take(size))


def _skip_sparse_map(block: bytes, stream: _Stream) -> None:
    """Skip the rest of a sparse map: in GNU tar's old format it goes on before the data while a flag is set."""
    more = block[482]
    while more:
        following = stream.block()
        if following is None:
            raise CutShortError("this layer's tar archive is cut short")
        more = following[504]


def _gnu_long_name(data: bytes, extension: _Extension) -> None:
    extension.set_name(data.split(b"\0", 1)[0].decode(*ENCODING))


def _gnu_long_link(data: bytes, extension: _Extension) -> None:
    """Note a link's target. Links are never followed: the target is only shown to people."""
    extension.link = data.split(b"\0", 1)[0].decode(*ENCODING)


def _pax_local(data: bytes, extension: _Extension) -> None:
    for key, value in _pax_records(data):
        if key == "path":
            extension.set_name(value)
        elif key == "linkpath":
            extension.link = value
        elif key == "size":
            extension.size = _decimal(value)
        elif key.startswith(_PAX_SPARSE):
            extension.sparse = True
            if key == "GNU.sparse.name":  # then "path" is a made-up name, for tools that do not know sparse files
                extension.sparse_name = value


def _pax_global(data: bytes, _extension: _Extension) -> None:
    for key, _ in _pax_records(data):
        if key in ("path", "size") or key.startswith(_PAX_SPARSE):
            raise _invalid(f"a global extension record sets {key!r}")


_EXTENSIONS = {
    tar_header.GNU_LONG_NAME: _gnu_long_name,
    tar_header.GNU_LONG_LINK: _gnu_long_link,
    tar_header.PAX_LOCAL: _pax_local,
    tar_header.SOLARIS_PAX: _pax_local,
    tar_header.PAX_GLOBAL: _pax_global,
}


def _pax_records(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the records ``<length> <key>=<value>\\n``; the length counts the whole record (POSIX pax)."""
    at = 0
    while at < len(data):
        length = _decimal(data[at : at + 20].split(b" ", 1)[0].decode("latin-1"))
        record = data[at : at + length]
        at += length
        key, equals, value = record[record.find(b" ") + 1 : -1].partition(b"=")
        if len(record) != length or not (key and equals and record.endswith(b"\n")):
            raise _invalid("a pax record is malformed")
        yield key.decode(*ENCODING), value.decode(*ENCODING)


def _decimal(text: str) -> int:
    # int() alone would also accept signs, blanks, underscores and the digits of other scripts.
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise _invalid("a pax record is malformed")
    return int(text)


def _invalid(problem: str) -> InvalidArchiveError:
    return InvalidArchiveError(f"this layer's tar archive is invalid: {problem}")

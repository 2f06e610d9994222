"""The walk through a tar archive as it streams: which files it holds, and their bytes, once and in order.

Lives here: headers, the extension records that change a name or a size, and the end of the archive. Which
member is wanted and where its bytes go (``unpack``) does not. Nothing here makes a path of a member's name.

What tools read in different ways is refused: two extension records that name one file, and a global record
that names files.
"""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Literal

from d8_installer.errors import MismatchError
from d8_installer.model.value import Struct
from d8_installer.store.inflate import CutShortError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAX_EXTENSION_BYTES = 1 << 20
"""Of one extension record."""
# A header costs 40 µs and a pax record 3 µs: without these a small layer could keep a processor busy for minutes.
_MAX_HEADERS = 100_000
_MAX_EXTENSIONS_BYTES = 8 << 20

_BLOCK = tarfile.BLOCKSIZE
_END = bytes(_BLOCK)
_TYPE_AT = 156
_ENCODING = ("utf-8", "surrogateescape")
# POSIX ustar, "typeflag": of these the size field means nothing, no data follow.
_HEADER_ONLY = frozenset(
    {tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE}
)
_REGULAR = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})
_PAX_SPARSE = "GNU.sparse."

MemberKind = Literal["file", "sparse", "hard link", "symbolic link", "other"]
_LINKS: Mapping[bytes, MemberKind] = {tarfile.LNKTYPE: "hard link", tarfile.SYMTYPE: "symbolic link"}


class InvalidArchiveError(MismatchError):
    """A header or an extension record is none, is too long, or can be read in more than one way."""


class TarMember(Struct, frozen=True):
    """One member: its name as archived (trust it for comparing only), its kind, size in bytes, and its bytes.

    ``data`` may be read once, and only until the next entry is asked for. Of a sparse file it is what is stored.
    ``link`` is where a link leads, as archived: from the archive's root if it is a hard one.
    """

    name: str
    kind: MemberKind
    size: int
    data: Iterator[memoryview]
    link: str = ""


class _Extension(Struct, kw_only=True):
    """What the records before a header say of it."""

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
    blocks, as everywhere, and then without the padding of its last member too: `umoci insert` makes such layers. What
    follows the zero blocks is not looked at.
    """
    stream = _Stream(chunks)
    extension = _Extension()
    for block in _header_blocks(stream):
        header = _header(block)
        if header.type in _EXTENSIONS:
            _EXTENSIONS[header.type](stream.small(header.size), extension)
            continue
        entry = _entry(block, header, extension, stream)
        if header.type == tarfile.GNUTYPE_SPARSE:
            _skip_sparse_map(block, stream)
        yield entry
        stream.skip(entry.data)
        if not stream.is_at_end():
            stream.skip(stream.take(-entry.size % _BLOCK))
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
        """Whether nothing more comes."""
        return not self._view and not self._next()

    def block(self) -> bytes | None:
        """Return the next block, or None at the stream's end."""
        return None if self.is_at_end() else b"".join(self.take(_BLOCK))

    def small(self, size: int) -> bytes:
        """Return the data of an extension record; MismatchError if it, or all of them together, are not small."""
        self._extensions += size
        if size > MAX_EXTENSION_BYTES or self._extensions > _MAX_EXTENSIONS_BYTES:
            raise _invalid(f"its extension records are too long (one may have {MAX_EXTENSION_BYTES} bytes)")
        data = b"".join(self.take(size))
        self.skip(self.take(-size % _BLOCK))
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


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        header = tarfile.TarInfo.frombuf(block, *_ENCODING)
    except tarfile.HeaderError as error:
        raise _invalid(str(error)) from error
    if header.size < 0:
        raise _invalid("a member's size is negative")
    return header


def _entry(block: bytes, header: tarfile.TarInfo, extension: _Extension, stream: _Stream) -> TarMember:
    name = extension.sparse_name or (header.name if extension.name is None else extension.name)
    size = header.size if extension.size is None else extension.size
    kind_byte = header.type
    # Of old a slash at the end made a directory; frombuf saw the slash of a name that the header had to cut.
    if block[_TYPE_AT] == 0 and extension.name is not None:
        kind_byte = tarfile.DIRTYPE if name.endswith("/") else tarfile.AREGTYPE
    if kind_byte in _HEADER_ONLY:
        link = header.linkname if extension.link is None else extension.link
        return TarMember(name, _LINKS.get(kind_byte, "other"), 0, stream.take(0), link)
    kind: MemberKind = "file" if kind_byte in _REGULAR else "other"
    if kind_byte == tarfile.GNUTYPE_SPARSE or (extension.sparse and kind == "file"):
        kind = "sparse"
    return TarMember(name, kind, size, stream.take(size))


def _skip_sparse_map(block: bytes, stream: _Stream) -> None:
    """GNU tar, "old GNU format": the map goes on in blocks before the data while a flag says so."""
    more = block[482]
    while more:
        following = stream.block()
        if following is None:
            raise CutShortError("this layer's tar archive is cut short")
        more = following[504]


def _gnu_long_name(data: bytes, extension: _Extension) -> None:
    extension.set_name(data.split(b"\0", 1)[0].decode(*_ENCODING))


def _gnu_long_link(data: bytes, extension: _Extension) -> None:
    """Links are never followed; where one leads is only said to a person."""
    extension.link = data.split(b"\0", 1)[0].decode(*_ENCODING)


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
            if key == "GNU.sparse.name":  # "path" is then a made-up one, for tools that know no sparse files
                extension.sparse_name = value


def _pax_global(data: bytes, _extension: _Extension) -> None:
    for key, _ in _pax_records(data):
        if key in ("path", "size") or key.startswith(_PAX_SPARSE):
            raise _invalid(f"a global extension record sets {key!r}")


_EXTENSIONS = {
    tarfile.GNUTYPE_LONGNAME: _gnu_long_name,
    tarfile.GNUTYPE_LONGLINK: _gnu_long_link,
    tarfile.XHDTYPE: _pax_local,
    tarfile.SOLARIS_XHDTYPE: _pax_local,
    tarfile.XGLTYPE: _pax_global,
}


def _pax_records(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the records ``<length> <key>=<value>\\n``, the length counting all of it (POSIX pax, "Extended Header")."""
    at = 0
    while at < len(data):
        length = _decimal(data[at : at + 20].split(b" ", 1)[0].decode("latin-1"))
        record = data[at : at + length]
        at += length
        key, equals, value = record[record.find(b" ") + 1 : -1].partition(b"=")
        if len(record) != length or not (key and equals and record.endswith(b"\n")):
            raise _invalid("a pax record is malformed")
        yield key.decode(*_ENCODING), value.decode(*_ENCODING)


def _decimal(text: str) -> int:
    # int() would also take signs, blanks, underscores and the digits of other scripts.
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise _invalid("a pax record is malformed")
    return int(text)


def _invalid(problem: str) -> InvalidArchiveError:
    return InvalidArchiveError(f"this layer's tar archive is invalid: {problem}")

"""One header block of a tar archive: its fields, and whether it is a header at all. No streams.

It accepts and refuses what ``tarfile.TarInfo.frombuf`` does (a property test compares the two). ``tarfile`` itself is
not imported, since it loads shutil with all compressors and an install has no other use for it.
"""

from __future__ import annotations

from d8_installer.model.value import Struct

BLOCK = 512
ENCODING = "utf-8", "surrogateescape"
"""The encoding of names, and the error handler that keeps all bytes."""

REGULAR, OLD_REGULAR, HARD_LINK, SYMBOLIC_LINK = b"0", b"\0", b"1", b"2"
CHARACTER_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO = b"3", b"4", b"5", b"6"
GNU_LONG_NAME, GNU_LONG_LINK, GNU_SPARSE = b"L", b"K", b"S"
PAX_LOCAL, PAX_GLOBAL, SOLARIS_PAX = b"x", b"g", b"X"

_NO_PREFIX = frozenset({GNU_LONG_NAME, GNU_LONG_LINK, GNU_SPARSE})
"""GNU's own types, which keep other data where ustar has the name's prefix."""
_NUMBERS = ((100, 108), (108, 116), (116, 124), (136, 148), (329, 337), (337, 345))
"""Mode, owner, group, time and device: never used, but a header with a malformed one is invalid."""
_SPARSE_NUMBERS = (*((at, at + 12) for at in range(386, 482, 12)), (483, 495))


class Header(Struct, frozen=True, kw_only=True):
    """A header's fields, names as archived: ``type`` is its type flag, ``link`` the target of a link."""

    name: str
    link: str
    size: int
    type: bytes


def parse_header(block: bytes) -> Header:
    """Return the header in *block*; a ValueError if the block is not a header (POSIX ustar, or GNU tar's variant)."""
    if len(block) != BLOCK:
        raise ValueError("truncated header")
    if not _has_checksum(block, _number(block[148:156])):
        raise ValueError("bad checksum")
    kind = block[156:157]
    for start, end in (*_NUMBERS, *(_SPARSE_NUMBERS if kind == GNU_SPARSE else ())):
        _number(block[start:end])
    name = _text(block[:100])
    if kind == OLD_REGULAR and name.endswith("/"):
        kind = DIRECTORY
    if kind == DIRECTORY:
        name = name.rstrip("/")
    prefix = _text(block[345:500])
    if prefix and kind not in _NO_PREFIX:
        name = f"{prefix}/{name}"
    return Header(name=name, link=_text(block[157:257]), size=_number(block[124:136]), type=kind)


def is_header(block: bytes) -> bool:
    """Whether *block* is a header. Its checksum decides: old archives have no magic number."""
    try:
        parse_header(block)
    except ValueError:
        return False
    return True


def _has_checksum(block: bytes, checksum: int) -> bool:
    """Compare with the sum of all bytes, the checksum's own counting as blanks; some tools summed signed bytes."""
    unsigned = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    if checksum == unsigned:
        return True
    covered = block[:148] + block[156:]
    return checksum == unsigned - 256 * sum(byte > 127 for byte in covered)


def _number(field: bytes) -> int:
    """Return a field in octal digits, or, with the top bit set, in GNU's base 256; ValueError for any other."""
    if field[0] == 0o200:
        return int.from_bytes(field[1:], "big")
    if field[0] == 0o377:
        return int.from_bytes(field[1:], "big") - (1 << 8 * (len(field) - 1))
    try:
        return int(field.partition(b"\0")[0].decode("ascii").strip() or "0", 8)
    except ValueError as error:
        raise ValueError("invalid header") from error


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(*ENCODING)

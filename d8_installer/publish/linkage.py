"""The requirements of an executable: an ELF file's loader, libraries and symbol versions, a Mach-O file's oldest macOS.

Offsets and counts in the file are hostile: each read is bounded, and a value that does not fit is a MismatchError.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from d8_installer.errors import MismatchError
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_VERNEED, _DT_VERNEEDNUM = 1, 5, 10, 0x6FFF_FFFE, 0x6FFF_FFFF
_MAX_SEGMENTS = 1024
_MAX_TABLE = 16 << 20
_MAX_ENTRIES = 1 << 16
_LC_VERSION_MIN_MACOSX, _LC_BUILD_VERSION = 0x24, 0x32
_MACOS = 1
_MACH_CPUS = {"amd64": 0x0100_0007, "arm64": 0x0100_000C}


class Linkage(Struct, frozen=True):
    """The requirements of an ELF file: its loader (None: static), its libraries, and its symbol versions."""

    interpreter: str | None
    needed: frozenset[str]
    versions: frozenset[str]


class _Reader:
    """Bounded reads of one file. A short read means that the file is damaged."""

    def __init__(self, file: BinaryIO, what: str) -> None:
        self._file = file
        self._what = what
        self.order = "<"

    def at(self, offset: int, size: int) -> bytes:
        if not 0 <= offset < 1 << 62 or not 0 <= size <= _MAX_TABLE:
            raise self.damaged()
        self._file.seek(offset)
        data = self._file.read(size)
        if len(data) < size:
            raise self.damaged()
        return data

    def numbers(self, form: str, offset: int) -> tuple[int, ...]:
        form = self.order + form
        return struct.unpack(form, self.at(offset, struct.calcsize(form)))

    def damaged(self) -> MismatchError:
        return MismatchError(
            f"{self._what} has a damaged header", hint="tell the image's author", code="wrong-executable"
        )


def elf_linkage(file: BinaryIO, what: str) -> Linkage:
    """Return the requirements of the ELF file (System V ABI, ch. 5; symbol versions by the LSB)."""
    reader = _Reader(file, what)
    wide, order = reader.at(4, 2)
    reader.order = "<" if order == 1 else ">"
    (table,) = reader.numbers("Q", 32) if wide == 2 else reader.numbers("I", 28)
    entry_size, count = reader.numbers("HH", 54 if wide == 2 else 42)
    if count > _MAX_SEGMENTS or entry_size < (56 if wide == 2 else 32):
        raise reader.damaged()
    segments = [_segment(reader, table + number * entry_size, wide == 2) for number in range(count)]
    interpreter = None
    for kind, offset, _, size in segments:
        if kind == _PT_INTERP:
            interpreter = reader.at(offset, min(size, 4096)).rstrip(b"\0").decode("utf-8", "replace")
    return Linkage(interpreter, *_dynamic(reader, segments, wide == 2))


def _segment(reader: _Reader, at: int, wide: bool) -> tuple[int, int, int, int]:
    """Return the segment's type, offset in the file, address, and size in the file."""
    if wide:
        kind, _, offset, address, _, size = reader.numbers("IIQQQQ", at)
    else:
        kind, offset, address, _, size = reader.numbers("IIIII", at)
    return kind, offset, address, size


def _dynamic(
    reader: _Reader, segments: list[tuple[int, int, int, int]], wide: bool
) -> tuple[frozenset[str], frozenset[str]]:
    found = next(((offset, size) for kind, offset, _, size in segments if kind == _PT_DYNAMIC), None)
    if found is None:
        return frozenset(), frozenset()
    form = reader.order + ("qQ" if wide else "iI")
    step = struct.calcsize(form)
    entries: list[tuple[int, int]] = []
    for tag, value in struct.iter_unpack(form, reader.at(found[0], found[1] - found[1] % step)):
        if tag == 0 or len(entries) > _MAX_ENTRIES:
            break
        entries.append((tag, value))
    table = dict(entries)
    needed = [value for tag, value in entries if tag == _DT_NEEDED]
    if not needed and _DT_VERNEED not in table:
        return frozenset(), frozenset()
    strings = reader.at(_offset(reader, segments, table.get(_DT_STRTAB, -1)), table.get(_DT_STRSZ, 0))
    names = frozenset(_name(reader, strings, value) for value in needed)
    if _DT_VERNEED not in table:
        return names, frozenset()
    start = _offset(reader, segments, table[_DT_VERNEED])
    return names, frozenset(_versions(reader, strings, start, table.get(_DT_VERNEEDNUM, 0)))


def _offset(reader: _Reader, segments: list[tuple[int, int, int, int]], address: int) -> int:
    for kind, offset, begin, size in segments:
        if kind == _PT_LOAD and begin <= address < begin + size:
            return address - begin + offset
    raise reader.damaged()


def _name(reader: _Reader, strings: bytes, at: int) -> str:
    end = strings.find(b"\0", at)
    if not 0 <= at < len(strings) or end < 0 or end - at > 4096:
        raise reader.damaged()
    return strings[at:end].decode("utf-8", "replace")


def _versions(reader: _Reader, strings: bytes, at: int, count: int) -> Iterator[str]:
    """Yield the names in the chains of Verneed and Vernaux. Each link leads forward, so the walk ends."""
    left = _MAX_ENTRIES
    for _ in range(min(count, _MAX_ENTRIES)):
        _, inner, _, first, following = reader.numbers("HHIII", at)
        auxiliary = at + first
        for _ in range(inner):
            left -= 1
            if left < 0:
                raise reader.damaged()
            _, _, _, name, step = reader.numbers("IHHII", auxiliary)
            yield _name(reader, strings, name)
            if not step:
                break
            auxiliary += step
        if not following:
            return
        at += following


def oldest_macos(file: BinaryIO, architecture: str, what: str) -> tuple[int, int] | None:
    """Return the oldest macOS that the Mach-O file declares (mach-o/loader.h), or None if it declares none."""
    reader = _Reader(file, what)
    begin = _slice(reader, architecture)
    magic, _, _, _, commands, size = reader.numbers("IIIIII", begin)
    at = begin + (32 if magic == 0xFEED_FACF else 28)
    end = at + size
    for _ in range(min(commands, _MAX_ENTRIES)):
        command, step = reader.numbers("II", at)
        if step < 8 or at + step > end:
            raise reader.damaged()
        if command == _LC_VERSION_MIN_MACOSX:
            return _version(reader.numbers("I", at + 8)[0])
        if command == _LC_BUILD_VERSION and reader.numbers("I", at + 8)[0] == _MACOS:
            return _version(reader.numbers("I", at + 12)[0])
        at += step
    return None


def _slice(reader: _Reader, architecture: str) -> int:
    """Return the offset of the build for *architecture*: 0, except in a universal file (mach-o/fat.h, big-endian)."""
    magic = reader.at(0, 4)
    if magic not in (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"):
        return 0
    narrow = magic == b"\xca\xfe\xba\xbe"
    reader.order = ">"
    (count,) = reader.numbers("I", 4)
    for number in range(min(count, 16)):
        at = 8 + number * (20 if narrow else 32)
        cpu, _, begin = reader.numbers("III" if narrow else "IIQ", at)
        if cpu == _MACH_CPUS.get(architecture):
            reader.order = "<"
            return begin
    raise reader.damaged()


def _version(number: int) -> tuple[int, int]:
    return number >> 16, number >> 8 & 0xFF

"""Summary: what a rollback needs of a generation, as plain lines beside ``generation.json``, which they answer for.

Reading JSON costs more time than all else that a rollback does, and so would a dataclass here. A summary only counts
while both its own lines and the record are, byte for byte, what they were when it was written: for any doubt there is
the record.
"""

from __future__ import annotations

from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_KIND = "d8-installer summary 1"


class SummedUp:
    """One binary: its name, version, the executable's digest (64 hex digits), its file's name, and where that is.

    ``directories`` are those within the generation: ``bin``, and ``req/<hash>`` for launchers.
    """

    __slots__ = ("binary", "digest", "directories", "file", "version")

    def __init__(self, binary: str, version: str, digest: str, file: str, directories: Iterable[str]) -> None:
        self.binary = binary
        self.version = version
        self.digest = digest
        self.file = file
        self.directories = tuple(directories)

    @property
    def in_bin(self) -> bool:
        """Whether it is on PATH."""
        return "bin" in self.directories


class Summary:
    """A generation's number, its binaries, and the text of the lock that it was made from."""

    __slots__ = ("binaries", "lock", "number")

    def __init__(self, number: int, binaries: Iterable[SummedUp], lock: str) -> None:
        self.number = number
        self.binaries = tuple(binaries)
        self.lock = lock

    @property
    def in_bin(self) -> Mapping[str, tuple[str, str]]:
        """The version and the digest of each binary in ``bin``."""
        return {one.binary: (one.version, one.digest) for one in self.binaries if one.in_bin}

    def render(self, record: bytes) -> bytes:
        """Return the bytes of the summary of the generation whose ``generation.json`` is *record*."""
        rows = ["\t".join((one.binary, one.version, one.digest, one.file, *one.directories)) for one in self.binaries]
        said = "\n".join([str(self.number), str(len(rows)), *rows, self.lock]).encode()
        rest = _mark(record).encode() + b"\n" + said
        return f"{_KIND}\n{_mark(rest)}\n".encode() + rest

    @classmethod
    def parse(cls, raw: bytes, record: bytes) -> Summary | None:
        """Read a summary that answers for *record*; anything else, a newer tool's included, is None."""
        of_record, said = _sound(raw)
        if of_record != _mark(record).encode():
            return None
        try:
            number, count, rows = said.decode().split("\n", 2)
            *lines, lock = rows.split("\n", int(count))
            if len(lines) != int(count):
                return None
            return cls(int(number), [_row(*line.split("\t")) for line in lines], lock)
        except (ValueError, TypeError):
            return None


def _row(binary: str, version: str, digest: str, file: str, *directories: str) -> SummedUp:
    return SummedUp(binary, version, digest, file, directories)


def speaks_against(raw: bytes, record: bytes) -> bool:
    """Whether a summary that is sound itself was written of another record than *record*, which is damaged then."""
    of_record, _ = _sound(raw)
    return of_record not in (None, _mark(record).encode())


def _sound(raw: bytes) -> tuple[bytes | None, bytes]:
    """Return the mark of the record that a summary answers for, and what it says; None where it is damaged itself."""
    kind, _, rest = raw.partition(b"\n")
    of_both, _, rest = rest.partition(b"\n")
    of_record, _, said = rest.partition(b"\n")
    if kind != _KIND.encode() or of_both != _mark(rest).encode():
        return None, b""
    return of_record, said


def _mark(data: bytes) -> str:
    """Tell damage, not malice: whoever writes into a home can write all of it."""
    return f"{len(data)} {crc32(data):08x}"

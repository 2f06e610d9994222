"""A wheel as a file: reading a hostile zip archive, verified by its RECORD, and writing one reproducibly.

The output depends only on the members and SOURCE_DATE_EPOCH: names are sorted, metadata come last and RECORD at the
end, with two file modes and one time. It is compressed as ``image`` compresses layers. The meaning of the members is
not known here.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, DocumentError, MismatchError, UsageError
from d8_installer.model.plurals import sized
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from d8_installer.model.digest import Digest

MAX_MEMBERS = 1 << 16
MAX_MEMBER_BYTES = 128 << 20
MAX_WHEEL_BYTES = 256 << 20
"""The limit for an input wheel, uncompressed: a plugin's wheel has Python and text, and is read into memory."""

_HINT = "name a wheel that your build back end made"
_BUILD = "build the wheel first (`uv build --wheel`, or `python -m build`), and name the file, which is in dist"
_CHANGED = "build the wheel again; this one was changed"
_SPACE = "check the space there, or name another -o DIR"
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
_HASHES = frozenset({"sha256", "sha384", "sha512"})
_COPY = 1 << 20
_LEVEL = 6
_FIRST_SECOND, _LAST_SECOND = 315_532_800, 4_354_819_198  # the dates of a zip archive: 1980 to 2107
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError),
    *(NotImplementedError, RuntimeError, UnicodeError),
)


class StoredFile(Struct, frozen=True):
    """A file of the store: its path, and the digest and size that it must have."""

    path: str
    digest: Digest
    size: int


class Member(Struct, frozen=True):
    """One file in a wheel: its path, its bytes or the file with them, and whether it is executable."""

    name: str
    content: bytes | StoredFile
    executable: bool = False

    @property
    def data(self) -> bytes:
        """The bytes of a member that is in memory; empty for a stored file."""
        return self.content if isinstance(self.content, bytes) else b""


class Wheel(Struct, frozen=True, kw_only=True):
    """A wheel that was read: its path, its ``<name>-<version>`` and tags, and its files except RECORD."""

    path: str
    stem: str
    build: str
    python: str
    abi: str
    platform: str
    members: tuple[Member, ...]

    @property
    def dist_info(self) -> str:
        """The directory of the metadata."""
        return f"{self.stem}.dist-info"

    @property
    def scripts(self) -> str:
        """The directory of the files that are installed beside the interpreter."""
        return f"{self.stem}.data/scripts"

    def find(self, name: str) -> Member | None:
        """Return the file of that path, or None."""
        return next((member for member in self.members if member.name == name), None)

    def metadata(self, name: str) -> bytes:
        """Return a file of the metadata; a missing one is a DocumentError."""
        member = self.find(f"{self.dist_info}/{name}")
        if member is None:
            raise DocumentError(
                f"has no {self.dist_info}/{name}",
                file=self.path,
                hint="build the wheel again",
                about_file=True,
                code="bad-wheel",
            )
        return member.data

    def file_name(self, platform: str) -> str:
        """Return the name of this wheel for the platform tag *platform*."""
        build = f"-{self.build}" if self.build else ""
        return f"{self.stem}{build}-{self.python}-none-{platform}.whl"


def read_wheel(path: str) -> Wheel:
    """Read a complete wheel, and verify every file by its RECORD.

    Raises UsageError if the path is not a wheel's, DocumentError for a broken format, MismatchError for other bytes
    than RECORD promises.
    """
    build, (python, abi, platform) = _parse_name(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = tuple(_members(archive, path))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or 'no reason given').lower()}", hint=_HINT) from error
    except _BROKEN as error:
        raise DocumentError(
            "is not a sound zip archive",
            file=path,
            hint="build the wheel again",
            about_file=True,
            code="bad-wheel",
        ) from error
    stem = _stem(members, path)
    prefix = f"{stem}.dist-info/"
    record = next((member.data for member in members if member.name == f"{prefix}RECORD"), None)
    if record is None:
        raise DocumentError(
            f"has no {prefix}RECORD", file=path, hint="build the wheel again", about_file=True, code="bad-wheel"
        )
    unlisted = {prefix + name for name in ("RECORD", *_SIGNATURES)}
    kept = tuple(sorted((m for m in members if m.name not in unlisted), key=lambda member: member.name))
    _verify(kept, _promises(record, f"{path}/{prefix}RECORD"), path, unlisted)
    return Wheel(path=path, stem=stem, build=build, python=python, abi=abi, platform=platform, members=kept)


def _parse_name(path: str) -> tuple[str, tuple[str, str, str]]:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    name = os.path.basename(path)
    if os.path.isdir(path):
        raise UsageError(f"{path} is a directory, not a wheel", hint=_BUILD)
    try:
        parse_wheel_filename(name)
    except (InvalidWheelFilename, ValueError) as error:
        raise UsageError(f"{name[:200]!r} is not the file name of a wheel", hint=_HINT) from error
    parts = name.removesuffix(".whl").split("-")
    return (parts[2] if len(parts) == 6 else ""), (parts[-3], parts[-2], parts[-1])


def _members(archive: zipfile.ZipFile, path: str) -> Iterator[Member]:
    entries = archive.infolist()
    total = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_MEMBERS or total > MAX_WHEEL_BYTES or any(e.file_size > MAX_MEMBER_BYTES for e in entries):
        problem = f"holds more than {MAX_MEMBERS} files or {sized(MAX_WHEEL_BYTES)}"
        raise DocumentError(
            problem,
            file=path,
            hint="a plugin's wheel is small: see what got into it",
            about_file=True,
            code="bad-wheel",
        )
    seen: set[str] = set()
    for entry in entries:
        mode = entry.external_attr >> 16
        name = entry.filename
        if _is_bad(name.removesuffix("/")) or name in seen or entry.flag_bits & 1 or stat.S_ISLNK(mode):
            problem = f"holds {name[:200]!r}, which is a duplicate, encrypted, a link, or outside of the wheel"
            raise DocumentError(problem, file=path, hint="build the wheel again", about_file=True, code="bad-wheel")
        seen.add(name)
        if not entry.is_dir():
            yield Member(name, archive.read(entry), executable=bool(mode & 0o111))


def _is_bad(name: str) -> bool:
    parts = name.split("/")
    return "\\" in name or ":" in name or not name.isprintable() or any(part in {"", ".", ".."} for part in parts)


def _stem(members: Iterable[Member], path: str) -> str:
    """Return the part before ``.dist-info``; it must be the name and version of the file name."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    tops = {member.name.split("/")[0] for member in members if "/" in member.name}
    stems = sorted(top.removesuffix(".dist-info") for top in tops if top.endswith(".dist-info"))
    try:
        meant = parse_wheel_filename(os.path.basename(path))[:2]
        fits = len(stems) == 1 and parse_wheel_filename(f"{stems[0]}-py3-none-any.whl")[:2] == meant
    except (InvalidWheelFilename, ValueError):
        fits = False
    if not fits:
        raise DocumentError(
            "does not hold exactly one .dist-info directory with the name and version of its file name",
            file=path,
            hint="build the wheel again, and do not rename it",
            about_file=True,
            code="bad-wheel",
        )
    return stems[0]


def _promises(record: bytes, file: str) -> dict[str, str]:
    promises: dict[str, str] = {}
    try:
        for row in csv.reader(io.StringIO(record.decode("utf-8"), newline=""), strict=True):
            if not row:
                continue
            if len(row) != 3 or row[0] in promises:
                raise DocumentError(
                    f"lists {row[0][:200]!r} twice, or not in three columns",
                    file=file,
                    hint=_CHANGED,
                    about_file=True,
                    code="bad-wheel",
                )
            promises[row[0]] = row[1]
    except (csv.Error, UnicodeError) as error:
        raise DocumentError(
            "is not a sound CSV file",
            file=file,
            hint="build the wheel again",
            about_file=True,
            code="bad-wheel",
        ) from error
    return promises


def _verify(members: Iterable[Member], promises: dict[str, str], path: str, unlisted: Iterable[str]) -> None:
    names = {member.name for member in members}
    unmatched = names ^ (promises.keys() - set(unlisted))
    if unmatched:
        one = min(unmatched)
        problem = f"holds {one[:200]!r}, which" if one in names else f"lacks {one[:200]!r}, which only"
        raise MismatchError(
            f"{path} {problem} its RECORD {'lacks' if one in names else 'has'}", hint=_CHANGED, code="wheel-not-true"
        )
    for member in members:
        algorithm, _, encoded = promises[member.name].partition("=")
        if algorithm not in _HASHES or _hash(hashlib.new(algorithm, member.data).digest()) != encoded.rstrip("="):
            raise MismatchError(
                f"{path}: {member.name} has another hash than RECORD says", hint=_CHANGED, code="wheel-not-true"
            )


def _hash(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


# -- writing -------------------------------------------------------------------------------------------------


def write_wheel(path: str, members: Iterable[Member], dist_info: str, epoch: int | None) -> None:
    """Write *members* and their RECORD to the new file *path*; *epoch* is SOURCE_DATE_EPOCH.

    Raises MismatchError for a stored file whose bytes do not have its digest, DiskError.
    """
    begins = f"{dist_info}/"
    ordered = sorted(members, key=lambda member: (member.name.startswith(begins), member.name))
    rows = io.StringIO()
    lines = csv.writer(rows, lineterminator="\n")
    try:
        with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
            for member in ordered:
                digest, size = _add(archive, member, epoch)
                lines.writerow([member.name, f"sha256={_hash(digest)}", size])
            lines.writerow([f"{begins}RECORD", "", ""])
            _add(archive, Member(f"{begins}RECORD", rows.getvalue().encode()), epoch)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise DiskError(f"cannot write {path}: {reason}", hint=_SPACE) from error


def _add(archive: zipfile.ZipFile, member: Member, epoch: int | None) -> tuple[bytes, int]:
    entry = zipfile.ZipInfo(member.name, _time(epoch))
    entry.create_system = 3  # Unix on every system: pip uses its file modes
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (stat.S_IFREG | (0o755 if member.executable else 0o644)) << 16
    entry.file_size = member.content.size if isinstance(member.content, StoredFile) else len(member.content)
    hasher, size = hashlib.sha256(), 0
    with archive.open(entry, "w") as target:
        for chunk in _chunks(member.content):
            hasher.update(chunk)
            size += len(chunk)
            target.write(chunk)
    if isinstance(member.content, StoredFile) and hasher.hexdigest() != member.content.digest.hex:
        raise MismatchError(
            f"{member.content.path} is not {member.content.digest}: the store is damaged",
            hint="remove that file, then type the same command again, which fetches it",
            code="altered-file",
        )
    return hasher.digest(), size


def _chunks(content: bytes | StoredFile) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with open(content.path, "rb") as file:
        while chunk := file.read(_COPY):
            yield chunk


def _time(epoch: int | None) -> tuple[int, int, int, int, int, int]:
    seconds = min(max(epoch or 0, _FIRST_SECOND), _LAST_SECOND)
    date = datetime.fromtimestamp(seconds, UTC)
    return date.year, date.month, date.day, date.hour, date.minute, date.second

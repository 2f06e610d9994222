"""``verify``: reads every stored file, and inspects everything that refers to one. ``verify --fix`` is in ``repair``.

Another command may be at work, so a defect counts only if a second inspection, under the home's lock, finds it too.
"""

from __future__ import annotations

import hashlib
import os
from functools import partial
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, MismatchError
from d8_installer.model.plurals import counted, sized
from d8_installer.model.value import Struct, field
from d8_installer.ops.upkeep.contract_files import contract_defects
from d8_installer.ops.upkeep.defects import Defect
from d8_installer.ops.upkeep.inspect_files import mode_defects, profile_file_defects, tag_memory_defects
from d8_installer.ops.upkeep.inspect_generations import Inspection
from d8_installer.ops.upkeep.profiles_on_disk import profiles_on_disk
from d8_installer.pipeline.ownership import is_foreign
from d8_installer.pipeline.pool import workers
from d8_installer.store import fs, one_file_system, status
from d8_installer.store.store import EXECUTABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.pipeline.session import Session

_NOTED_FROM = 256 << 20
"""The bytes to hash from which on the duration is worth a line."""


class Unrepaired(Struct, frozen=True):
    """A defect that ``--fix`` left, with the reason and what to type."""

    defect: Defect
    reason: str
    hint: str


class Verified(Struct, frozen=True, kw_only=True):
    """The result: how many files and bytes were read, the defects, and what ``--fix`` repaired and could not repair.

    In a ``dry_run`` of ``--fix``, nothing was repaired, and the defects are not errors.
    """

    home: str
    files: int
    size: int
    defects: tuple[Defect, ...]
    repaired: tuple[Defect, ...] = ()
    unrepaired: tuple[Unrepaired, ...] = ()
    dry_run: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything was repaired, or would be tried in a dry run."""
        return bool(self.defects if self.dry_run else self.repaired)

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        reasons = {one.defect: one.reason for one in self.unrepaired}
        rows = [
            {**defect.as_json(), "repaired": defect in self.repaired, "reason": reasons.get(defect)}
            for defect in self.defects
        ]
        facts = {"changed": self.changed, "dry_run": self.dry_run, "home": self.home}
        return {**facts, "files": self.files, "bytes": self.size, "findings": rows}

    @property
    def errors(self) -> tuple[D8Error, ...]:
        """Return the defects that are left, as errors."""
        if self.dry_run:
            return ()
        if self.repaired or self.unrepaired:
            return tuple(
                MismatchError(f"{one.defect.text}: {one.reason}", hint=one.hint, code="damage-found")
                for one in self.unrepaired
            )
        return tuple(MismatchError(defect.text, hint=defect.hint, code="damage-found") for defect in self.defects)


class HashedFiles(Struct):
    """The stored files that were read: how many, their bytes, and the sound ones, which need not be read again."""

    sound: set[tuple[str, int, int, int]] = field(default_factory=set)
    files: int = 0
    size: int = 0


def verify(session: Session, hashed: HashedFiles) -> Verified:
    """Inspect everything in the home. Switches that were cut are finished first."""
    for profile in profiles_on_disk(session):
        session.profiles.finish_cut_switch(profile.paths)
    defects = tuple(find_defects(session, hashed))
    if defects and os.path.exists(session.scope.home.schema) and _may_lock(session):
        files, size = hashed.files, hashed.size
        with session.profiles.switching():
            defects = tuple(find_defects(session, hashed))
        hashed.files, hashed.size = files, size
    return Verified(home=session.scope.home.root, files=hashed.files, size=hashed.size, defects=defects)


def _may_lock(session: Session) -> bool:
    """Whether taking the home's lock leaves no file there that the home's owner cannot write to."""
    return status.is_writable(session.scope.home.root) and not is_foreign(session.scope.home.root)


def find_defects(session: Session, hashed: HashedFiles) -> Iterator[Defect]:
    """Yield the defects of the home as it is now. Files that *hashed* knows as sound are not read again."""
    one_file_system.refuse_scattered(session.scope.home)
    yield from _stored_file_defects(session, hashed)
    inspection = Inspection(session)
    for profile in profiles_on_disk(session):
        yield from inspection.profile_defects(profile)
        yield from profile_file_defects(profile, inspection)
    yield from inspection.layer_defects()
    yield from contract_defects(session, inspection)
    yield from inspection.bin_defects()
    yield from tag_memory_defects(session, inspection)
    yield from mode_defects(session, inspection)


# -- stored files ------------------------------------------------------------------------------------------------------


class _Read(Struct, frozen=True):
    """The bytes that were read of a stored file, and its defect, if it has one."""

    size: int
    defect: Defect | None = None


def _stored_file_defects(session: Session, hashed: HashedFiles) -> Iterator[Defect]:
    home = session.scope.home
    stored: list[tuple[str, str]] = []
    for digest in session.store.executables():
        directory = home.executables(digest.hex)
        stored += [(digest.hex, os.path.join(directory, name)) for name in fs.list_directory(directory)]
    total = sum(fs.file_size(path) or 0 for _, path in stored)
    if total >= _NOTED_FROM:
        session.reporter.note(f"reading {counted(len(stored), 'file')}, {sized(total)}")
    reported = 0
    with workers(min(8, os.cpu_count() or 1)) as pool:
        jobs = [pool.submit(partial(_read_stored, hashed, digest, path)) for digest, path in stored]
        for job in jobs:
            read = job.result()
            hashed.files += 1
            hashed.size += read.size
            if hashed.size - reported >= 1 << 30:
                reported = hashed.size
                session.reporter.note(f"read {sized(reported)} of {sized(total)}")
            if read.defect is not None:
                yield read.defect


def _read_stored(hashed: HashedFiles, digest: str, path: str) -> _Read:
    """Read one stored file. By its name, it has *digest*."""

    def defect(problem: str) -> Defect:
        return Defect(kind="executable", path=path, problem=problem, digest=digest)

    size = fs.file_size(path)
    if size is None:
        if not os.path.lexists(path):
            return _Read(0)  # removed meanwhile
        kind = f"a link to {os.readlink(path)}" if os.path.islink(path) else "not a regular file"
        return _Read(0, defect(f"is {kind}, which is not what was installed"))
    try:
        with open(path, "rb", buffering=0) as file:
            facts = os.fstat(file.fileno())
            known = (path, facts.st_ino, facts.st_mtime_ns, facts.st_size)
            same = known in hashed.sound or hashlib.file_digest(file, "sha256").hexdigest() == digest
    except FileNotFoundError:
        return _Read(0)
    except OSError as error:
        return _Read(0, defect(f"cannot be read: {(error.strerror or '').lower()}"))
    if not same:
        return _Read(size, defect("has other bytes than its name says"))
    hashed.sound.add(known)
    mode = status.mode(path)
    if os.name == "posix" and mode is not None and mode != EXECUTABLE:
        problem = f"has the mode {mode:04o}, not {EXECUTABLE:04o}"
        return _Read(size, Defect(kind="mode", path=path, problem=problem, digest=digest))
    return _Read(size)

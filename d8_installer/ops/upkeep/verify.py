"""``verify``: reads every stored file whole, and looks whether all that leads to them is as it was made.

Only looks, and names what differs; ``mend`` repairs. Another command may be at work: what seems wrong at the first
look counts only if it still is at a second one, under the home's lock.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, MismatchError
from d8_installer.model.plurals import counted
from d8_installer.model.value import Struct, field
from d8_installer.ops.upkeep.inspect_files import of_files, of_modes, of_tags
from d8_installer.ops.upkeep.inspect_generations import Leads, Wrong
from d8_installer.ops.upkeep.profiles_on_disk import lines
from d8_installer.pipeline.ownership import is_foreign
from d8_installer.store import fs, one_file_system, status
from d8_installer.store.store import EXECUTABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.pipeline.session import Session

_NOTED_FROM = 256 << 20
"""Bytes from which hashing takes long enough to be worth a line."""


class Verified(Struct, frozen=True, kw_only=True):
    """What was looked at, what was found wrong, and (after ``--fix``) what of it still is, with reason and hint."""

    home: str
    files: int
    size: int
    wrong: tuple[Wrong, ...]
    mended: tuple[Wrong, ...] = ()
    unmended: tuple[tuple[Wrong, str, str], ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        why = {one: reason for one, reason, _ in self.unmended}
        rows = [{**one.as_json(), "mended": one in self.mended, "reason": why.get(one)} for one in self.wrong]
        return {"home": self.home, "files": self.files, "bytes": self.size, "findings": rows}

    @property
    def errors(self) -> tuple[D8Error, ...]:
        """What is wrong now, as errors."""
        if self.mended or self.unmended:
            return tuple(MismatchError(f"{one.text}: {why}", hint=hint) for one, why, hint in self.unmended)
        return tuple(MismatchError(one.text, hint=one.hint) for one in self.wrong)


class Hashed(Struct):
    """The stored files whose bytes were read: the sound ones, by what the file system says of them."""

    sound: set[tuple[str, int, int, int]] = field(default_factory=set)
    files: int = 0
    size: int = 0


def verify(session: Session, hashed: Hashed) -> Verified:
    """Look at everything in the home."""
    wrong = tuple(found(session, hashed))
    if wrong and os.path.exists(session.scope.home.schema) and _may_wait(session):
        files, size = hashed.files, hashed.size
        with session.profiles.switching():
            wrong = tuple(found(session, hashed))
        hashed.files, hashed.size = files, size
    return Verified(home=session.scope.home.root, files=hashed.files, size=hashed.size, wrong=wrong)


def _may_wait(session: Session) -> bool:
    """Whether looking again under the home's lock leaves no file there that its owner cannot write to."""
    return status.is_writable(session.scope.home.root) and not is_foreign(session.scope.home.root)


def found(session: Session, hashed: Hashed) -> Iterator[Wrong]:
    """Yield what is wrong now; files that *hashed* knows as sound are not read again."""
    one_file_system.refuse_scattered(session.scope.home)
    yield from _stored(session, hashed)
    leads = Leads(session)
    for line in lines(session):
        yield from leads.of_line(line)
        yield from of_files(line, leads)
    yield from leads.of_layers()
    yield from leads.of_bin()
    yield from of_tags(session, leads)
    yield from of_modes(session, leads)


def _stored(session: Session, hashed: Hashed) -> Iterator[Wrong]:
    home = session.scope.home
    todo: list[tuple[str, str]] = []
    for digest in session.store.executables():
        directory = home.executables(digest.hex)
        todo += [(digest.hex, os.path.join(directory, name)) for name in fs.list_directory(directory)]
    total = sum(fs.file_size(path) or 0 for _, path in todo)
    if total >= _NOTED_FROM:
        session.reporter.note(f"reading {counted(len(todo), 'file')}, {total / 1e6:.0f} MB")
    said = 0
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), "d8-verify") as pool:
        for wrong, size in pool.map(lambda one: _judge(hashed, *one), todo):
            hashed.files += 1
            hashed.size += size
            if hashed.size - said >= 1 << 30:
                said = hashed.size
                session.reporter.note(f"read {said / 1e6:.0f} of {total / 1e6:.0f} MB")
            if wrong is not None:
                yield wrong


def _judge(hashed: Hashed, digest: str, path: str) -> tuple[Wrong | None, int]:
    """Return what is wrong with one stored file, and the bytes that were read for it."""
    size = fs.file_size(path)
    if size is None:
        if not os.path.lexists(path):
            return None, 0  # removed meanwhile
        kind = f"a link to {os.readlink(path)}" if os.path.islink(path) else "not a regular file"
        return Wrong(
            kind="executable", path=path, problem=f"is {kind}, which is not what was installed", digest=digest
        ), 0
    try:
        with open(path, "rb", buffering=0) as file:
            facts = os.fstat(file.fileno())
            known = (path, facts.st_ino, facts.st_mtime_ns, facts.st_size)
            same = known in hashed.sound or hashlib.file_digest(file, "sha256").hexdigest() == digest
    except FileNotFoundError:
        return None, 0
    except OSError as error:
        return Wrong(
            kind="executable", path=path, problem=f"cannot be read: {(error.strerror or '').lower()}", digest=digest
        ), 0
    if not same:
        return Wrong(kind="executable", path=path, problem="has other bytes than its name says", digest=digest), size
    hashed.sound.add(known)
    mode = status.mode(path)
    if os.name == "posix" and mode is not None and mode != EXECUTABLE:
        return Wrong(
            kind="mode", path=path, problem=f"has the mode {mode:04o}, not {EXECUTABLE:04o}", digest=digest
        ), size
    return None, size

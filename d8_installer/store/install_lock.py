"""``install.lock``: the file by which the Go tool keeps two commands apart (rpp.md §10). It exists while one works.

The Go tool takes it by creating it, never waits, and takes over a lock that is older than an hour. It does not read it,
so ours says whose it is: the next command of the same profile knows the lock of a killed one at once. For that to be
true of every lock of ours, the file is written under another name and then given this one.

The caller holds the profile's mutex, so that a lock with the profile's name in it belongs to no live process.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, TryAgainError
from d8_installer.store import fs
from d8_installer.store.os_errors import UNSUPPORTED

if TYPE_CHECKING:
    from collections.abc import Iterator

STALE = 3600
"""Seconds after which the Go tool takes a lock for one of a killed process."""
_TRIES = 5
_LIMIT = 4096


def _mark(profile: str) -> str:
    """Return a short name of the profile with that directory, to be part of file names."""
    return hashlib.sha256(profile.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _text(profile: str) -> bytes:
    return f"d8-installer {_mark(profile)}\n".encode()


def refuse_held(path: str, profile: str, now: float) -> None:
    """Raise TryAgainError if somebody else holds the lock."""
    found = _look(path)
    if found is not None and now - found.st_mtime <= STALE and not _is_ours(path, profile):
        raise TryAgainError(
            f"{path} exists: d8 is at work there, or was killed while it was",
            hint="type the same command again when it is done; a lock that is older than an hour does not count",
            code="d8-at-work",
        )


@contextlib.contextmanager
def install_lock(path: str, profile: str, now: float) -> Iterator[None]:
    """Hold the lock while the context lasts. *profile* is the directory of ours, *now* the time.

    Raise TryAgainError if somebody else holds it. The directory of the lock is removed at the end if it is empty.
    """
    directory = os.path.dirname(path)
    fs.make_directories(directory)
    try:
        _take(path, profile, now)
        yield
    finally:
        if fs.read(path, limit=_LIMIT) == _text(profile):  # unless it was taken over after an hour
            fs.remove(path)
        fs.remove_if_empty(directory)


def _take(path: str, profile: str, now: float) -> None:
    mark = _mark(profile)
    draft, stale = f"{path}.{mark}", f"{path}.{mark}.stale"
    for leftover in (draft, stale):
        fs.remove(leftover)
    with fs.create(draft) as file:
        fs.write(file, _text(profile))
    try:
        for _ in range(_TRIES):
            if _name(draft, path):
                return
            refuse_held(path, profile, now)
            _take_over(path, stale, profile, now)
    finally:
        fs.remove(draft)
    raise TryAgainError(f"{path} is taken again and again", hint="type the same command again", code="d8-at-work")


def _name(draft: str, path: str) -> bool:
    """Give the lock its name; where there are no hard links, create it."""
    try:
        return fs.link_new(draft, path)
    except DiskError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in {*UNSUPPORTED, errno.EPERM}:
            raise
    if os.path.lexists(path):
        return False
    with fs.create(path) as file:
        fs.write(file, fs.read(draft, limit=_LIMIT) or b"")
    return True


def _take_over(path: str, stale: str, profile: str, now: float) -> None:
    """Remove the lock of a killed process: ours, or one that is too old."""
    if _is_ours(path, profile):
        fs.remove(path)
        return
    before = _look(path)
    if before is not None and now - before.st_mtime > STALE:
        remove_stale(path, stale, before)


def remove_stale(path: str, stale: str, before: os.stat_result) -> None:
    """Remove the old lock that was seen as *before*, by way of the name *stale*.

    It is moved away first and looked at again, because a live process may have put a new one there meanwhile. Inodes
    are reused, so the time is compared too (rpp.md §18, 12).
    """
    with contextlib.suppress(DiskError):  # another process was faster
        fs.rename(path, stale)
    after = _look(stale)
    if after is not None and (after.st_ino, after.st_mtime_ns) != (before.st_ino, before.st_mtime_ns):
        fs.link_new(stale, path)
    fs.remove(stale)


def _look(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _is_ours(path: str, profile: str) -> bool:
    return fs.read_head(path, _LIMIT) == _text(profile)

"""Facts about a path that do not need its bytes: sizes, modes, owners, links.

Nothing is changed on the disk; ``fs`` does that.
"""

from __future__ import annotations

import contextlib
import os
import stat

from d8_installer.errors import DiskError
from d8_installer.store.os_errors import refusals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

UNEXECUTABLE = "may not be executed"
"""The answer of ``altered`` for a file that only lost its permission to be executed."""


def refuse_dangling(verb: str, path: str) -> None:
    """Raise a DiskError if *path*, or a directory above it, is a dangling link: its disk may not be mounted."""
    link = path
    while not os.path.lexists(link) and link != os.path.dirname(link):
        link = os.path.dirname(link)
    if os.path.islink(link) and not os.path.exists(link):
        raise DiskError(
            f"cannot {verb} {path}: {link} is a link that leads nowhere",
            hint="mount the disk that it leads to, or move the link away",
            code="link-leads-nowhere",
        )


def freed_bytes(groups: Iterable[Iterable[str]]) -> list[int]:
    """Return how many bytes of regular files the disk gets back for each group of files and directories.

    The groups are removed one after the other. A file with several names is gone with the last of them.
    """
    left: dict[tuple[int, int], int] = {}
    sizes = []
    for group in groups:
        sizes.append(0)
        for found in (found for path in group for found in _statuses(path)):
            key = (found.st_dev, found.st_ino)
            left[key] = left.get(key, found.st_nlink) - 1
            sizes[-1] += found.st_size if left[key] == 0 else 0
    return sizes


def _statuses(path: str) -> Iterator[os.stat_result]:
    """Yield the status of the file *path*, or of each file below that directory; links are not followed."""
    below = (os.path.join(where, name) for where, _, names in os.walk(path) for name in names)
    for file in (path, *below):
        with contextlib.suppress(OSError):  # it was removed meanwhile
            found = os.lstat(file)
            if stat.S_ISREG(found.st_mode):
                yield found


def mode(path: str) -> int | None:
    """Return the permission bits of *path* itself, with setuid, setgid and sticky; None if it does not exist."""
    try:
        return stat.S_IMODE(os.lstat(path).st_mode)
    except FileNotFoundError:
        return None


def has_other_mode(path: str, wanted: int) -> bool:
    """Whether the permission bits of *path* differ from *wanted*. On Windows there are no such bits."""
    return os.name == "posix" and mode(path) != wanted


def altered(path: str, size: int) -> str | None:
    """Return how a stored executable differs from the regular file of *size* bytes that was stored, or None.

    The bytes are not read: this finds a program that has replaced itself.
    """
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "is gone"
    except OSError as error:
        return f"cannot be looked at: {(error.strerror or '').lower()}"
    if stat.S_ISLNK(found.st_mode):
        return f"is a link to {os.readlink(path)}, which is not what was installed"
    if not stat.S_ISREG(found.st_mode):
        return "is not a regular file"
    if found.st_size != size:
        return f"has {found.st_size} bytes, not the {size} that were installed"
    return None if os.name != "posix" or found.st_mode & 0o111 else UNEXECUTABLE


def altered_text(path: str, text: bytes) -> str | None:
    """Return how the file at *path* differs from the executable script *text* that was written there, or None."""
    problem = altered(path, len(text))
    if problem is None and _beginning(path, len(text)) != text:
        return "does not hold what was installed"
    return problem


def _beginning(path: str, count: int) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(count) or b""
    except OSError:
        return b""


def owner(path: str) -> int | None:
    """Return the user id that owns *path*, or None if it does not exist (or the system has no owners)."""
    with refusals("look at", path):
        try:
            return os.stat(path).st_uid if os.name == "posix" else None
        except FileNotFoundError:
            return None


def is_writable(path: str) -> bool:
    """Whether this process may write to *path*, or to the nearest existing directory above it."""
    while not os.path.lexists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return os.access(path, os.W_OK)


@contextlib.contextmanager
def readable_by_all(*, wanted: bool) -> Iterator[None]:
    """If *wanted*, make new files readable by all users while the context lasts, whatever the umask."""
    if not wanted:
        yield
        return
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)

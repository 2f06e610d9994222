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
    from collections.abc import Iterator

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
        )


def tree_size(path: str) -> int:
    """Return the bytes of the regular files below a directory (or of one file). A file with two names counts once."""
    sizes = {}
    with contextlib.suppress(OSError):
        status = os.lstat(path)
        sizes[status.st_ino] = status.st_size if stat.S_ISREG(status.st_mode) else 0
    for where, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):  # it was removed meanwhile
                status = os.lstat(os.path.join(where, name))
                sizes[status.st_ino] = status.st_size if stat.S_ISREG(status.st_mode) else 0
    return sum(sizes.values())


def mode(path: str) -> int | None:
    """Return the permission bits of *path* itself, with setuid, setgid and sticky; None if it does not exist."""
    try:
        return stat.S_IMODE(os.lstat(path).st_mode)
    except FileNotFoundError:
        return None


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

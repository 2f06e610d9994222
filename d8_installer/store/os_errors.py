"""Refusals of the operating system as DiskErrors, which name the path and say what to do. No file is touched."""

from __future__ import annotations

import contextlib
import errno
import sys

from d8_installer.errors import DiskError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_HINTS = {
    errno.ENOSPC: "free some space, then type the same command again",
    errno.EDQUOT: "your quota is used up; free some space, then type the same command again",
    errno.EACCES: "make it writable for you, or choose another home with --home DIR",
    errno.EPERM: "make it writable for you, or choose another home with --home DIR",
    errno.EROFS: "the file system is read-only; choose another home with --home DIR",
    errno.ENOENT: "see that every directory on the way is there, and that no link on the way leads nowhere",
    errno.ENOTDIR: "a file is in the way of a directory; move it away",
    errno.EISDIR: "a directory is in the way of a file; move it away",
    errno.EEXIST: "something is in the way; move it away",
    errno.ENAMETOOLONG: "choose a shorter home with --home DIR",
    errno.EIO: "the disk reports an error; look at the system's log",
    errno.EXDEV: "a home has to lie on one file system: choose another home with --home DIR, or move it as a whole",
}
UNSUPPORTED = frozenset(
    [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.EBADF, errno.ENOLCK]
)
"""The errors of file systems for a call that they do not support."""
NO_LOCKS = dict.fromkeys(UNSUPPORTED, "this file system has no locks: keep the home elsewhere, with --home DIR")
NO_LINKS = dict.fromkeys(
    [errno.EPERM, *UNSUPPORTED],
    "this file system may have no symbolic links: keep the home elsewhere, with --home DIR",
)


@contextlib.contextmanager
def refusals(verb: str, path: str, hints: Mapping[int, str] | None = None) -> Iterator[None]:
    """Turn an OSError of the context into a DiskError that says what could not be done.

    *hints*, by errno, replace the general ones for this call.
    """
    try:
        yield
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        hint = (hints or {}).get(error.errno or 0) or hint_for(error)
        raise DiskError(f"cannot {verb} {path}: {reason}", hint=hint) from error


def hint_for(error: OSError) -> str:
    """Return the hint for a refused file operation."""
    return _HINTS.get(error.errno or 0, "see that the disk is sound, then type the same command again")


def unless_used(call: Callable[[], None]) -> bool:
    """Make the call. Return False if Windows refuses it because a file is in use: as a program (5), or open (32)."""
    try:
        call()
    except OSError as error:
        if sys.platform == "win32" and error.winerror in (5, 32):
            return False
        raise
    return True

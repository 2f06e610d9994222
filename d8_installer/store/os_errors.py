"""Refusals of the operating system as DiskErrors, which name the path and say what to do. No file is touched."""

from __future__ import annotations

import contextlib
import errno
import sys

from d8_installer.errors import DiskError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_MAY_WRITE = (
    "see that you may write there and that no other program uses it"
    if sys.platform == "win32"
    else "make it writable for you"
)
_REFUSED_BY_SCANNER = -1
"""No errno stands for this."""
_NO_SUCH_NAME = -2
"""Nor for this."""
_HINTS = {
    errno.ENOSPC: "free some space, then type the same command again",
    errno.EDQUOT: "your quota is used up; free some space, then type the same command again",
    errno.EACCES: f"{_MAY_WRITE}, or choose another home with --home DIR",
    errno.EPERM: f"{_MAY_WRITE}, or choose another home with --home DIR",
    errno.EROFS: "the file system is read-only; choose another home with --home DIR",
    errno.ENOENT: "see that every directory on the way is there, and that no link on the way leads nowhere",
    errno.ENOTDIR: "a file is in the way of a directory; move it away",
    errno.EISDIR: "a directory is in the way of a file; move it away",
    errno.EEXIST: "something is in the way; move it away",
    errno.ENAMETOOLONG: "choose a shorter home with --home DIR",
    errno.EIO: "the disk reports an error; look at the system's log",
    _REFUSED_BY_SCANNER: "the virus scanner refuses it; let it pass there, then type the same command again",
    _NO_SUCH_NAME: 'choose a name that Windows allows: no device such as con, and without < > : " | ? *',
    errno.EXDEV: "a home has to lie on one file system: choose another home with --home DIR, or move it as a whole",
}
_CODES = {
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
    errno.EACCES: "permission-denied",
    errno.EPERM: "permission-denied",
    errno.EROFS: "read-only-disk",
    errno.ENOTDIR: "in-the-way",
    errno.EISDIR: "in-the-way",
    errno.EEXIST: "in-the-way",
    errno.ENOTEMPTY: "in-the-way",
    _REFUSED_BY_SCANNER: "permission-denied",
}
"""The codes of the reasons that a reader treats in different ways; the others have that of DiskError."""
UNSUPPORTED = frozenset(
    [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.EBADF, errno.ENOLCK]
)
"""The errors of file systems for a call that they do not support."""
NO_LOCKS = dict.fromkeys(UNSUPPORTED, "this file system has no locks: keep the home elsewhere, with --home DIR")
IN_USE = "end the program that uses it, then type the same command again"
NO_LINKS = dict.fromkeys(
    [errno.EPERM, *UNSUPPORTED],
    "this file system may have no symbolic links: keep the home elsewhere, with --home DIR",
)


class FileInUseError(OSError):
    """Windows refuses to change a file that a program has open, or that is a program that runs."""


def file_in_use(error: DiskError) -> FileInUseError | None:
    """Return the refusal of Windows if the reason is a file in use, so that the same call may succeed later."""
    return error.__cause__ if isinstance(error.__cause__, FileInUseError) else None


def unless_used(call: Callable[[], None]) -> bool:
    """Make the call. Return False if Windows refuses it because a file is in use."""
    try:
        call()
    except DiskError as error:
        if file_in_use(error) is None:
            raise
        return False
    return True


@contextlib.contextmanager
def refusals(verb: str, path: str, hints: Mapping[int, str] | None = None) -> Iterator[None]:
    """Turn an OSError of the context into a DiskError that says what could not be done.

    *hints*, by errno, replace the general ones for this call.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if not isinstance(error, FileInUseError):  # whose text is ours, and may have a path
            reason = reason.lower()
        hint = (hints or {}).get(error.errno or 0) or hint_for(error)
        raise DiskError(f"cannot {verb} {path}: {reason}", hint=hint, code=code_for(error)) from error


def hint_for(error: OSError) -> str:
    """Return the hint for a refused file operation."""
    if isinstance(error, FileInUseError):
        return IN_USE
    return _HINTS.get(_number(error), "see that the disk is sound, then type the same command again")


def in_directory(directory: str) -> dict[int, str]:
    """Return the hints for a file that cannot be replaced: what refuses it is its directory."""
    return dict.fromkeys([errno.EACCES, errno.EPERM], f"make the directory {directory or '.'} writable for you")


def code_for(error: OSError) -> str:
    """Return the code of a refused file operation."""
    return "file-in-use" if isinstance(error, FileInUseError) else _CODES.get(_number(error), DiskError.code)


if sys.platform == "win32":
    # Python turns many of these into EINVAL, ENOENT or EACCES. The numbers: Microsoft, "System Error Codes".
    _MEANT = {
        19: errno.EROFS,  # ERROR_WRITE_PROTECT
        21: errno.EIO,  # ERROR_NOT_READY
        23: errno.EIO,  # ERROR_CRC
        39: errno.ENOSPC,  # ERROR_HANDLE_DISK_FULL
        112: errno.ENOSPC,  # ERROR_DISK_FULL
        123: _NO_SUCH_NAME,  # ERROR_INVALID_NAME
        206: errno.ENAMETOOLONG,  # ERROR_FILENAME_EXCED_RANGE
        225: _REFUSED_BY_SCANNER,  # ERROR_VIRUS_INFECTED
        1117: errno.EIO,  # ERROR_IO_DEVICE
        1295: errno.EDQUOT,  # ERROR_DISK_QUOTA_EXCEEDED
    }

    def _number(error: OSError) -> int:
        """Return the errno that says best what Windows means."""
        if not error.winerror and error.errno == errno.EINVAL:  # open() keeps no winerror
            return _NO_SUCH_NAME
        return _MEANT.get(error.winerror or 0, error.errno or 0)

else:

    def _number(error: OSError) -> int:
        return error.errno or 0

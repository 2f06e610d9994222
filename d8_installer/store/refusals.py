"""What the operating system refuses becomes a DiskError, which names the path and what to do. Touches no file."""

from __future__ import annotations

import contextlib
import errno

from d8_installer.errors import DiskError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

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
}


@contextlib.contextmanager
def refusals(verb: str, path: str) -> Iterator[None]:
    """Turn an OSError of the context into a DiskError that says what could not be done."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise DiskError(f"cannot {verb} {path}: {reason}", hint=hint_for(error)) from error


def hint_for(error: OSError) -> str:
    """Return what to do where the operating system refused a file operation."""
    return _HINTS.get(error.errno or 0, "see that the disk is sound, then type the same command again")

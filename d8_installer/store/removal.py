"""Removes a directory such as a generation, so that a killed process never leaves half of it under its name.

The directory is first renamed to a name that says that it is being removed. Some file systems cannot rename a
directory: overlayfs cannot rename one of a lower layer (kernel documentation, filesystems/overlayfs, "Renaming
directories"). There an empty directory of that name is made as a sign, and the directory is emptied in place.
"""

from __future__ import annotations

import errno
import os

from d8_installer.errors import DiskError
from d8_installer.store import fs
from d8_installer.store.os_errors import UNSUPPORTED

GONE = ".gone"
"""The suffix of a directory that is being removed, and of the sign beside it."""
_CANNOT_RENAME = frozenset([errno.EXDEV, errno.EPERM, errno.EACCES, errno.EBUSY, *UNSUPPORTED])


def drop(path: str) -> None:
    """Remove the directory *path* with everything in it; of a link, only the link.

    Raises DiskError. ``finish`` completes a call that failed or was killed.
    """
    gone = f"{path}{GONE}"
    if os.path.isdir(gone):
        fs.remove_tree(path)
        fs.remove_tree(gone)
        return
    if os.path.islink(path):  # its target is not ours
        fs.remove(path)
        return
    try:
        fs.rename(path, gone)
    except DiskError as error:
        cause = error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in _CANNOT_RENAME:
            raise
        fs.make_directories(gone)
        fs.remove_tree(path)
    fs.remove_tree(gone)


def finish(gone: str) -> None:
    """Complete a ``drop`` that was killed, as far as nothing is in use.

    *gone* is the directory's new name, or the sign beside it.
    """
    whole = gone.removesuffix(GONE)
    fs.remove_unless_used(whole)
    if not os.path.lexists(whole):  # else the sign has to stay
        fs.remove_unless_used(gone)


def going(names: list[str]) -> set[str]:
    """Return the names, among a directory's *names*, that are being removed."""
    return {name.removesuffix(GONE) for name in names if name.endswith(GONE)}

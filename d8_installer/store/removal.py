"""Removes a directory that has a meaning, such as a generation, so that a killed process leaves no half of it.

The directory is renamed first, and its new name says that it is going. Some file systems cannot rename a directory:
overlayfs does not rename one of a lower layer (kernel documentation, filesystems/overlayfs, "Renaming directories").
There a new, empty directory of that name is the mark, and the directory is emptied in place.
"""

from __future__ import annotations

import errno
import os

from d8_installer.errors import DiskError
from d8_installer.store import fs
from d8_installer.store.os_errors import UNSUPPORTED

GONE = ".gone"
"""How the name of a directory ends that is being removed, and the name of its mark."""
_CANNOT_RENAME = frozenset([errno.EXDEV, errno.EPERM, errno.EACCES, errno.EBUSY, *UNSUPPORTED])


def drop(path: str) -> None:
    """Remove the directory *path* and all in it; of a link only the link goes.

    Raises DiskError. A call that fails or is killed is finished by ``finish``.
    """
    gone = f"{path}{GONE}"
    if os.path.isdir(gone):
        finish(gone)
        return
    if os.path.islink(path):  # it leads to something that is not ours
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
    """Finish what a killed ``drop`` has left: *gone* is a directory's new name, or the mark beside it."""
    fs.remove_tree(gone.removesuffix(GONE))
    fs.remove_tree(gone)


def going(names: list[str]) -> set[str]:
    """Return which of a directory's *names* are of what is being removed."""
    return {name.removesuffix(GONE) for name in names if name.endswith(GONE)}

"""The directory of a cache that lasts as long as its process. Nobody else uses it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError
from d8_installer.store import fs
from d8_installer.store.flock import say_nothing

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "d8-proxy-"
_YOUNG_SECONDS = 60.0
"""A process that has just started may not hold its lock yet."""


@contextmanager
def own_directory() -> Iterator[str]:
    """Give a new temporary directory, which goes at the context's end. First remove those of killed processes.

    A living process holds a lock in its directory, so that no other process removes it.
    """
    with ExitStack() as stack:
        try:
            parent = tempfile.gettempdir()
            _sweep(parent)
            # A thread that waits for a silent registry keeps its file open, and Windows refuses to remove it.
            made = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent, ignore_cleanup_errors=True)
        except OSError as error:
            raise DiskError(f"cannot make a temporary directory: {error.strerror}", hint="give --cache DIR") from error
        directory = stack.enter_context(made)
        with suppress(DiskError):  # not every file system has locks; without one the directory is not swept
            stack.enter_context(fs.exclusive(_mutex(directory), say_nothing))
        yield directory


def _mutex(directory: str) -> str:
    return os.path.join(directory, "mutex")


def _sweep(parent: str) -> None:
    with os.scandir(parent) as listing:
        found = [entry.path for entry in listing if entry.name.startswith(_PREFIX) and _is_own(entry)]
    for directory in found:
        with suppress(OSError, DiskError):
            if time.time() - os.stat(_mutex(directory)).st_mtime < _YOUNG_SECONDS:
                continue
            with fs.try_exclusive(_mutex(directory)) as dead:
                pass
            if dead:
                shutil.rmtree(directory, ignore_errors=True)


def _is_own(entry: os.DirEntry[str]) -> bool:
    """Whether this user made the directory. On Windows, others cannot write into the user's temporary directory."""
    is_directory = entry.is_dir(follow_symlinks=False)
    return is_directory and (sys.platform == "win32" or entry.stat(follow_symlinks=False).st_uid == os.geteuid())

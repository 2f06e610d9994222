"""Files that another program has open. Windows refuses to rename, replace or remove them, so the call is tried again.

A virus scanner, an indexer or another command of ours has a file open for moments: then a later try succeeds. A program
that runs keeps its file for long, so the wait is short, and the caller skips the file. Elsewhere nothing is refused for
this reason, and a call is made once.

Sources, at Microsoft: "Creating and Opening Files" (sharing modes), "DeleteFileW function", "MoveFileExW function".
"""

from __future__ import annotations

import os
import sys

from d8_installer.store.os_errors import FileInUseError, refusals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from d8_installer.errors import DiskError

    Result = TypeVar("Result")

LONG = 2.0
"""Seconds to wait for a file that another program has open."""
SHORT = 0.3
"""Seconds to wait for a file that is probably a program that runs."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.1


class Patience:
    """The time that one operation may wait for files in use, however many they are; with 0 *seconds* it never waits."""

    __slots__ = ("_left", "_pause", "_spent")

    def __init__(self, seconds: float = LONG) -> None:
        self._left = seconds
        self._spent = 0.0
        self._pause = _FIRST_PAUSE

    def pause(self, longest: float) -> bool:
        """Wait a little, longer each time; return False if *longest* seconds have been spent already."""
        if self._spent >= min(longest, self._left):
            return False
        import time

        time.sleep(self._pause)
        self._spent += self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return True


def patiently(
    call: Callable[[], Result],
    path: str,
    *,
    source: str | None = None,
    replaces: bool = False,
    patience: Patience | None = None,
) -> Result:
    """Return what *call* returns. On Windows, call it again while the file *path* is in use; then a FileInUseError.

    *source* is the old name if the call renames. If the call *replaces* or removes the file, its attribute READONLY is
    cleared there: Windows refuses both, while elsewhere only the directory decides.
    """
    return _patiently(call, path, source, patience, replaces=replaces)


if sys.platform == "win32":
    import stat
    from functools import partial

    _ACCESS_DENIED, _SHARING_VIOLATION, _LOCK_VIOLATION, _NOT_EMPTY = 5, 32, 33, 145

    def _patiently(
        call: Callable[[], Result], path: str, source: str | None, patience: Patience | None, *, replaces: bool
    ) -> Result:
        patience = patience or Patience()
        while True:
            try:
                return call()
            except OSError as error:
                if replaces and _clear_read_only(path):
                    continue
                longest = _longest_wait(error, path, source)
                if longest and patience.pause(longest):
                    continue
                if not longest or not error.winerror:
                    raise  # without a number of Windows, this user may also lack the right
                held = path if source is None or os.path.lexists(path) else source
                it = "it" if held == path else held  # the error names *path*
                why = (
                    f"another program has {it} open"
                    if longest == LONG
                    else f"{it} runs, or another program has it open"
                )
                if error.winerror == _NOT_EMPTY:  # a removed file keeps its name until the last program closes it
                    why = "another program has a file in it open"
                raise FileInUseError(error.errno, why, held) from error

    def _longest_wait(error: OSError, path: str, source: str | None) -> float:
        """Return how long it may help to wait; 0 if the refusal has nothing to do with a file in use."""
        number: int | None = error.winerror  # Python's ``open`` sets no winerror
        if number in {_SHARING_VIOLATION, _LOCK_VIOLATION, _NOT_EMPTY}:
            return LONG
        if not isinstance(error, PermissionError) or number not in {_ACCESS_DENIED, None}:
            return 0.0
        if source is not None and os.path.isdir(source):  # a file in it may be open
            return 0.0 if os.path.lexists(path) else LONG
        if os.path.isdir(path):
            return 0.0
        if number is None:  # a removed file stays until the last program closes it
            return LONG if os.path.isfile(path) else SHORT
        return _wait_for_replacement(path)

    def _wait_for_replacement(path: str) -> float:
        """Return how long to wait for a file that may be neither replaced nor removed.

        A program that runs cannot be opened for writing; a file that others read can, if this user may write to it.
        """
        try:
            with open(path, "r+b", buffering=0):
                return LONG
        except FileNotFoundError:
            return SHORT
        except OSError:
            return SHORT if _is_program(path) else 0.0

    def _is_program(path: str) -> bool:
        try:
            with open(path, "rb", buffering=0) as file:
                return file.read(2) == b"MZ"
        except OSError:
            return False

    def _clear_read_only(path: str) -> bool:
        """Clear the attribute READONLY; return whether it was set, and is not any more."""
        try:
            if not _is_read_only(path):
                return False
            os.chmod(path, stat.S_IREAD | stat.S_IWRITE)
            return not _is_read_only(path)
        except OSError:
            return False

    def _is_read_only(path: str) -> bool:
        status = os.lstat(path)
        is_plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        return is_plain and bool(status.st_file_attributes & stat.FILE_ATTRIBUTE_READONLY)

    def remove_tree(path: str, patience: Patience) -> None:
        """Remove a directory with everything in it that can be removed; raise the first refusal at the end."""
        refused = _empty(path, patience)
        if refused is None:
            refused = _refusal(path, lambda: os.rmdir(path), patience)
        if refused is not None:
            raise refused

    def _empty(directory: str, patience: Patience) -> DiskError | None:
        first: DiskError | None = None
        with refusals("list", directory), os.scandir(directory) as found:
            entries = list(found)
        for entry in entries:
            refused = None
            call: Callable[[str], None] = os.unlink
            if entry.is_dir(follow_symlinks=False) and not _is_junction(entry):
                refused, call = _empty(entry.path, patience), os.rmdir
            if refused is None:
                refused = _refusal(entry.path, partial(call, entry.path), patience)
            first = first or refused
        return first

    def _is_junction(entry: os.DirEntry[str]) -> bool:
        """Whether the directory is a mount point, in which nothing is ours; ``unlink`` removes the mount point."""
        return entry.stat(follow_symlinks=False).st_reparse_tag == stat.IO_REPARSE_TAG_MOUNT_POINT

    def _refusal(path: str, remove: Callable[[], None], patience: Patience) -> DiskError | None:
        """Remove one thing; return the refusal as a DiskError, or None if it is gone."""
        from d8_installer.errors import DiskError

        try:
            with refusals("remove", path):
                _patiently(remove, path, None, patience, replaces=True)
        except DiskError as error:
            return None if isinstance(error.__cause__, FileNotFoundError) else error
        return None

else:

    def _patiently(call: Callable[[], Result], *_for_windows: object, **_flags: bool) -> Result:
        return call()

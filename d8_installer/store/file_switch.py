"""The switch on Windows: the files of a generation are put in their places one by one, and a journal names the goal.

How it works. Windows refuses to replace or remove an executable that runs, but allows a rename. ``current`` is a
directory; in it, ``req`` has the files for launchers, and ``number`` names the active generation. The files of ``bin``
are in ``paths.placed_bin``, which for the user's profile is the PATH entry. ``activate`` takes these steps:

1. ``journal.json`` is written with the number of the goal. From here on the switch goes forward: the goal is complete
   on the disk, while the old files may be gone.
2. Each new file is staged in ``current/staged``, as a hard link or a copy.
3. Each staged file is renamed over the old one. If that one runs, it is first renamed into ``current/aside``. Only
   between these two renames is a command missing; no call of Windows does both at once for a file that runs.
4. Files that the goal does not have are removed, or set aside if they run.
5. ``number`` is written, the journal is removed, and what was set aside is removed, except what still runs: that stays
   until a later switch or a garbage collection.

``recover`` reads the journal of a killed process, and takes the steps again. Files that are in place already stay.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError
from d8_installer.store import fs
from d8_installer.store.paths import OLD_SUMMARY, linked_bin, placed_bin

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from d8_installer.store.paths import Home, ProfilePaths

_SMALL = 1 << 16
_DIGITS = 20
_BIN = "bin"
_REQUESTS = "req"


class FileSwitch:
    """``current`` is a directory with hard links (or copies) of the generation's files, except those of ``bin``."""

    @property
    def has_wrappers(self) -> bool:
        """False: a wrapper is a script of sh, which Windows does not run."""
        return False

    def bin(self, paths: ProfilePaths) -> str:
        """Name the real directory."""
        return placed_bin(paths)

    def active(self, paths: ProfilePaths) -> int | None:
        """Read ``current/number``."""
        text = fs.read(os.path.join(paths.current, "number"), limit=_SMALL)
        if text is None:
            return None
        if not text.strip().isdigit() or len(text) > _DIGITS:
            raise DiskError(
                f"{paths.current} is damaged: its file `number` holds no number",
                hint="remove that directory",
                code="home-damaged",
            )
        return int(text)

    def place(self, stored: str, path: str) -> None:
        """Give the stored executable another name."""
        fs.link_or_copy(stored, path)

    def is_placed(self, stored: str, path: str) -> bool:
        """Compare the files' identity, or their bytes if the file system has no hard links."""
        try:
            if os.path.islink(path) or not os.path.isfile(path):
                return False
            return os.path.samefile(stored, path) or _same_bytes(stored, path)
        except OSError:
            return False

    def activate(self, paths: ProfilePaths, number: int) -> None:
        """Write the journal, change the files, write the number, remove the journal."""
        fs.make_directories(paths.current)
        fs.replace_file(_journal(paths), json.dumps({"to": number}).encode())
        _Exchange(self, paths, number).change_files()
        fs.replace_file(os.path.join(paths.current, "number"), str(number).encode())
        fs.remove(_journal(paths))
        _sweep(paths)

    def is_cut(self, paths: ProfilePaths) -> bool:
        """Whether there is a journal."""
        return os.path.lexists(_journal(paths))

    def recover(self, paths: ProfilePaths) -> None:
        """Carry on the switch that the journal names."""
        fs.sweep(paths.current, "number", "journal.json")
        text = fs.read(_journal(paths), limit=_SMALL)
        if text is None:
            _sweep(paths)
            return
        hint = "remove it, then `d8-installer sync`"
        try:
            number = int(json.loads(text)["to"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DiskError(f"{_journal(paths)} is damaged", hint=hint, code="home-damaged") from error
        if fs.file_size(paths.record(number)) is None:
            raise DiskError(
                f"{_journal(paths)} leads to generation {number}, which is gone", hint=hint, code="home-damaged"
            )
        self.activate(paths, number)

    def deactivate(self, paths: ProfilePaths) -> None:
        """Remove the number and the journal first, since they decide, then the files."""
        places = sorted(self.active_files(paths))
        fs.remove(os.path.join(paths.current, "number"))
        fs.remove(_journal(paths))
        for place in places:
            fs.remove(_active_path(paths, place))
        fs.remove_tree(paths.current)

    def expose(self, home: Home, paths: ProfilePaths, names: Collection[str] = ()) -> None:
        """Make the PATH entry; a foreign file in its place, or in that of one of the *names*, is a DiskError."""
        if os.path.lexists(home.bin) and (os.path.islink(home.bin) or not os.path.isdir(home.bin)):
            raise DiskError(
                f"{home.bin} is in the way: it is not a directory of d8-installer",
                hint="move it away",
                code="in-the-way",
            )
        fs.make_directories(home.bin)
        for name in names:
            path = os.path.join(home.bin, name)
            if os.path.lexists(path) and not self.is_ours(paths, name):
                raise DiskError(
                    f"{path} is in the way: it is not of d8-installer", hint="move it away", code="in-the-way"
                )

    def active_files(self, paths: ProfilePaths) -> set[str]:
        """Return the places of the active files that are ours."""
        found = {os.path.join(_REQUESTS, name) for name in _files(paths.requests)}
        if placed_bin(paths) == linked_bin(paths):
            return found | {os.path.join(_BIN, name) for name in _files(placed_bin(paths))}
        ours = (name for name in fs.list_directory(placed_bin(paths)) if self.is_ours(paths, name))
        return found | {os.path.join(_BIN, name) for name in ours}

    def is_ours(self, paths: ProfilePaths, name: str) -> bool:
        """Whether the file *name* in the PATH entry is ours; others may have put files of theirs there.

        It is if the active generation has that name in ``bin``, or if another one has just that program.
        """
        path, active = os.path.join(placed_bin(paths), name), self.active(paths)
        for number in filter(str.isdecimal, fs.list_directory(paths.generations)):
            placed = os.path.join(paths.generations, number, _BIN, name)
            if os.path.lexists(placed) and (number == str(active) or self.is_placed(placed, path)):
                return True
        return False


class _Exchange:
    """One exchange of the active files for those of generation *number*."""

    def __init__(self, switch: FileSwitch, paths: ProfilePaths, number: int) -> None:
        self._switch = switch
        self._paths = paths
        self._source = paths.generation(number)
        self._staged = os.path.join(paths.current, "staged")
        self._aside = os.path.join(paths.current, "aside")

    def change_files(self) -> None:
        """Put every file of the generation in its place, and remove those that it does not have.

        If one cannot be changed, the others still are. The first such DiskError is raised at the end.
        """
        wanted = set(_files(self._source))
        fs.remove_tree(self._staged)
        fs.make_directories(placed_bin(self._paths))
        staged = [(self._stage(number, place), place) for number, place in enumerate(self._changed(wanted))]
        failed = []
        for path, place in staged:
            try:
                self._put(path, _active_path(self._paths, place))
            except DiskError as error:
                failed.append(error)
        for place in sorted(self._switch.active_files(self._paths) - wanted):
            try:
                self._take_away(_active_path(self._paths, place))
            except DiskError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def _changed(self, wanted: set[str]) -> Iterator[str]:
        """Yield the places whose file is not that of the generation."""
        for place in sorted(wanted):
            if not self._switch.is_placed(os.path.join(self._source, place), _active_path(self._paths, place)):
                yield place

    def _stage(self, number: int, place: str) -> str:
        path = os.path.join(self._staged, str(number))
        fs.make_directories(self._staged)
        fs.make_directories(os.path.dirname(_active_path(self._paths, place)))
        fs.link_or_copy(os.path.join(self._source, place), path)
        return path

    def _put(self, staged: str, target: str) -> None:
        """Rename the staged file over the old one; if that one runs, it is renamed first."""
        if fs.rename_unless_used(staged, target):
            return
        aside = self._set_aside(target)
        try:
            fs.rename(staged, target)
        except BaseException:
            with contextlib.suppress(DiskError):  # without it the name would be missing
                fs.rename(aside, target)
            raise

    def _take_away(self, path: str) -> None:
        if not fs.remove_unless_used(path):
            self._set_aside(path)

    def _set_aside(self, path: str) -> str:
        fs.make_directories(self._aside)
        number = len(fs.list_directory(self._aside))
        while os.path.lexists(aside := os.path.join(self._aside, str(number))):
            number += 1
        fs.rename(path, aside)
        return aside


def _journal(paths: ProfilePaths) -> str:
    return os.path.join(paths.current, "journal.json")


def _sweep(paths: ProfilePaths) -> None:
    """Remove the old files except those that still run, and the directories that have no files any more."""
    with contextlib.suppress(DiskError):  # a later switch tries again
        fs.remove_tree(os.path.join(paths.current, "staged"))
        aside = os.path.join(paths.current, "aside")
        for name in fs.list_directory(aside):
            fs.remove_unless_used(os.path.join(aside, name))
        fs.remove_if_empty(aside)
        for name in fs.list_directory(paths.requests):
            fs.remove_if_empty(os.path.join(paths.requests, name))
        fs.remove_if_empty(paths.requests)


def _active_path(paths: ProfilePaths, place: str) -> str:
    """Return where the active file of a *place* in a generation, such as ``bin/tool.exe``, is."""
    top, _, rest = place.partition(os.sep)
    return os.path.join(placed_bin(paths), rest) if top == _BIN else os.path.join(paths.current, place)


def _same_bytes(one: str, other: str) -> bool:
    import filecmp

    return filecmp.cmp(one, other, shallow=False)


def _files(directory: str) -> Iterator[str]:
    """Yield the files below *directory*, relative to it, without the records about them."""
    for where, _, names in os.walk(directory):
        for name in names:
            relative = os.path.relpath(os.path.join(where, name), directory)
            if relative not in {"generation.json", OLD_SUMMARY}:
                yield relative

"""The switch: how a generation becomes the active one, and how a cut switch is finished.

How it works. A profile has complete generations, ``generations/<n>/``, and ``current``, the pointer to the active one.
Launchers and PATH lead through ``current``. A switch changes ``current`` from one complete generation to another; it
never changes a generation. There are two ways to do so, with one protocol (``Switch``):

- ``LinkSwitch``, on systems with symbolic links: ``current`` is a link to ``generations/<n>``. ``activate`` makes a new
  link ``current.new`` and renames it over the old one. The rename is the whole switch: before it the old generation is
  active, after it the new one is. ``recover`` only removes a leftover ``current.new``.
- ``FileSwitch``, on Windows, where links need a privilege and a running executable can be renamed, but not replaced or
  removed: ``current`` is a directory with hard links (or copies) of the generation's files. ``activate`` first writes
  ``journal.json`` with the number of the goal, then changes the files one by one, each by a rename or a new link, then
  writes the file ``number``, which names the active generation, and removes the journal. ``recover`` reads the journal
  and carries the switch on. It always goes forward: the goal is complete on the disk, while the old files may be gone.

The caller holds the profile's mutex for both, and the home's ``switching`` lock for ``activate``, which keeps the
garbage collector away. After ``activate`` the directory is made durable, so that a power cut cannot undo a switch that
was reported. Tests run both ways on Linux, with a kill at every call.
"""

from __future__ import annotations

import contextlib
import os
import sys

from d8_installer.errors import DiskError
from d8_installer.store import fs
from d8_installer.store.paths import OLD_SUMMARY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from d8_installer.store.paths import Home, ProfilePaths

    class Switch(Protocol):
        """One way to place files and to activate a generation."""

        @property
        def has_wrappers(self) -> bool:
            """Whether a wrapper, a script of sh, can stand before an executable."""

        def active(self, paths: ProfilePaths) -> int | None:
            """Return the number of the active generation, or None."""

        def place(self, stored: str, path: str) -> None:
            """Make the stored executable available at *path*."""

        def is_placed(self, stored: str, path: str) -> bool:
            """Whether the file that ``place`` made at *path* and the stored executable both still exist."""

        def activate(self, paths: ProfilePaths, number: int) -> None:
            """Make generation *number* the active one. If this is cut, the old one stays or ``recover`` finishes it."""

        def recover(self, paths: ProfilePaths) -> None:
            """Finish the switch of a killed process. Only the holder of the profile's mutex may call it."""

        def deactivate(self, paths: ProfilePaths) -> None:
            """Make no generation active, before the whole profile is removed."""

        def expose(self, home: Home, paths: ProfilePaths) -> None:
            """Make the PATH entry lead to the active binaries of *paths*."""


_SMALL = 1 << 16
_DIGITS = 20


def switch_for_this_system() -> Switch:
    """Return the way that works on this operating system."""
    return FileSwitch() if sys.platform == "win32" else LinkSwitch()


class LinkSwitch:
    """``current`` is a symbolic link to ``generations/<n>``, replaced by one rename. All links are relative."""

    @property
    def has_wrappers(self) -> bool:
        """Whether there is a shell to run them; some containers have none."""
        return os.access("/bin/sh", os.X_OK)

    def active(self, paths: ProfilePaths) -> int | None:
        """Read the link; a foreign file in its place is a DiskError."""
        target = fs.read_link(paths.current)
        if target is None:
            return None
        directory, _, number = target.partition("/")
        if directory != "generations" or not number.isdecimal():
            raise DiskError(f"{paths.current} is in the way: it is not a link of d8-installer", hint="move it away")
        return int(number)

    def place(self, stored: str, path: str) -> None:
        """Link to the stored executable."""
        fs.make_link(os.path.relpath(stored, os.path.dirname(path)), path)

    def is_placed(self, stored: str, path: str) -> bool:
        """Compare the link's text."""
        try:
            same = os.readlink(path) == os.path.relpath(stored, os.path.dirname(path))
        except OSError:
            return False
        return same and os.path.isfile(stored)

    def activate(self, paths: ProfilePaths, number: int) -> None:
        """Rename a new link over the old one. The rename is the whole switch."""
        self._relink(f"generations/{number}", paths.current)

    def recover(self, paths: ProfilePaths) -> None:
        """Remove a link that was not renamed yet. There is nothing to finish."""
        fs.remove(f"{paths.current}.new")

    def deactivate(self, paths: ProfilePaths) -> None:
        """Remove the link."""
        fs.remove(paths.current)

    def expose(self, home: Home, paths: ProfilePaths) -> None:
        """Link the home's ``bin`` to the profile's; a foreign file at ``bin`` is a DiskError."""
        wanted = os.path.relpath(paths.bin, home.root)
        found = fs.read_link(home.bin)
        if found is None:
            self._relink(wanted, home.bin)
        elif found != wanted:
            raise DiskError(f"{home.bin} is in the way: it is not a link of d8-installer", hint="move it away")

    @staticmethod
    def _relink(target: str, path: str) -> None:
        fs.remove(f"{path}.new")
        fs.make_link(target, f"{path}.new")
        try:
            fs.rename(f"{path}.new", path)
        except BaseException:
            with contextlib.suppress(DiskError):
                fs.remove(f"{path}.new")
            raise
        fs.sync_directory(os.path.dirname(path))


class FileSwitch:
    """``current`` is a directory with hard links (or copies) of the generation's files, changed one by one.

    The journal names the goal, so that a cut switch is carried on. Old files are renamed into ``aside``, since they may
    be running. ``number`` is written last.
    """

    @property
    def has_wrappers(self) -> bool:
        """They have none: Windows does not run scripts of sh."""
        return False

    def active(self, paths: ProfilePaths) -> int | None:
        """Read ``current/number``."""
        text = fs.read(os.path.join(paths.current, "number"), limit=_SMALL)
        if text is None:
            return None
        if not text.strip().isdigit() or len(text) > _DIGITS:
            raise DiskError(
                f"{paths.current} is damaged: its file `number` holds no number", hint="remove that directory"
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
        import json

        fs.make_directories(paths.current)
        fs.replace_file(self._journal(paths), json.dumps({"to": number}).encode())
        source = paths.generation(number)
        wanted = set(_files(source))
        for name in sorted(set(_files(paths.current)) - wanted - {"number", "journal.json"}):
            if not name.startswith("aside" + os.sep):
                self._set_aside(paths, name)
        for name in sorted(wanted):
            self._put(paths, os.path.join(source, name), name)
        fs.replace_file(os.path.join(paths.current, "number"), str(number).encode())
        fs.remove(self._journal(paths))
        self._sweep(paths)

    def recover(self, paths: ProfilePaths) -> None:
        """Carry on the switch that the journal names."""
        import json

        fs.sweep(paths.current, "number", "journal.json")
        self._sweep(paths)
        text = fs.read(self._journal(paths), limit=_SMALL)
        if text is None:
            return
        hint = "remove it, then `d8-installer sync`"
        try:
            number = int(json.loads(text)["to"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DiskError(f"{self._journal(paths)} is damaged", hint=hint) from error
        if fs.file_size(paths.record(number)) is None:
            raise DiskError(f"{self._journal(paths)} leads to generation {number}, which is gone", hint=hint)
        self.activate(paths, number)

    def deactivate(self, paths: ProfilePaths) -> None:
        """Remove the number and the journal first, since they decide, then the files."""
        fs.remove(os.path.join(paths.current, "number"))
        fs.remove(self._journal(paths))
        fs.remove_tree(paths.current)

    def expose(self, home: Home, paths: ProfilePaths) -> None:
        """Do nothing: the PATH entry is the directory ``current\\bin`` itself."""

    @staticmethod
    def _journal(paths: ProfilePaths) -> str:
        return os.path.join(paths.current, "journal.json")

    def _put(self, paths: ProfilePaths, source: str, name: str) -> None:
        target = os.path.join(paths.current, name)
        if fs.file_size(target) is not None:
            if os.path.samefile(source, target):
                return
            self._set_aside(paths, name)
        fs.make_directories(os.path.dirname(target))
        fs.link_or_copy(source, target)

    @staticmethod
    def _set_aside(paths: ProfilePaths, name: str) -> None:
        aside = os.path.join(paths.current, "aside")
        fs.make_directories(aside)
        number = len(fs.list_directory(aside))
        while fs.file_size(os.path.join(aside, str(number))) is not None:
            number += 1
        fs.rename(os.path.join(paths.current, name), os.path.join(aside, str(number)))

    @staticmethod
    def _sweep(paths: ProfilePaths) -> None:
        """Remove the old files. A file that is still running stays until a later switch."""
        aside = os.path.join(paths.current, "aside")
        for name in fs.list_directory(aside):
            with contextlib.suppress(DiskError):
                fs.remove(os.path.join(aside, name))


def _same_bytes(one: str, other: str) -> bool:
    import filecmp

    return filecmp.cmp(one, other, shallow=False)


def _files(directory: str) -> Iterable[str]:
    """Yield the files below *directory*, relative to it, without the records about them."""
    for where, _, names in os.walk(directory):
        for name in names:
            relative = os.path.relpath(os.path.join(where, name), directory)
            if relative not in {"generation.json", OLD_SUMMARY}:
                yield relative

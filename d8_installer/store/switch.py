"""How a generation becomes the active one: by one link where links are free, file by file on Windows.

Both ways are the same protocol, so the second is exercised on Linux too. Recovering from a cut switch is part of it.
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

        def active(self, paths: ProfilePaths) -> int | None:
            """Return the number of the active generation, or None where there is none yet."""

        def place(self, stored: str, path: str) -> None:
            """Make the stored executable appear at *path*."""

        def is_placed(self, stored: str, path: str) -> bool:
            """Whether what ``place`` made at *path* is still there, and the stored executable, too."""

        def activate(self, paths: ProfilePaths, number: int) -> None:
            """Make generation *number* the active one; cut short, ``recover`` finishes it or the old one stays."""

        def recover(self, paths: ProfilePaths) -> None:
            """Finish a switch that a killed process left; only the holder of the profile's mutex may call it."""

        def deactivate(self, paths: ProfilePaths) -> None:
            """Let no generation be active, for the whole profile goes."""

        def expose(self, home: Home, paths: ProfilePaths) -> None:
            """Make the PATH entry lead to the active binaries of *paths*."""


_SMALL = 1 << 16
_DIGITS = 20


def switch_for_this_system() -> Switch:
    """Return the way that this operating system allows."""
    return FileSwitch() if sys.platform == "win32" else LinkSwitch()


class LinkSwitch:
    """``current`` is a symbolic link to ``generations/<n>``, replaced by one rename. All links are relative."""

    def active(self, paths: ProfilePaths) -> int | None:
        """Read the link; one that is not ours is a DiskError."""
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
        """Rename a new link over the old one: the one moment that counts."""
        self._relink(f"generations/{number}", paths.current)

    def recover(self, paths: ProfilePaths) -> None:
        """Nothing to finish, since a rename is whole or not at all; a link that was not yet renamed goes."""
        fs.remove(f"{paths.current}.new")

    def deactivate(self, paths: ProfilePaths) -> None:
        """Remove the link."""
        fs.remove(paths.current)

    def expose(self, home: Home, paths: ProfilePaths) -> None:
        """Link ``bin`` to the profile's; something foreign at ``bin`` is a DiskError."""
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
    """``current`` is a directory whose files are hard links (or copies) of the generation's, changed one by one.

    A running executable cannot be replaced or removed on Windows, but it can be renamed: the old file goes aside.
    The journal names the goal, so that a cut switch is carried on, never back. ``number`` is written last.
    """

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
        """Ask whether both are one file; where the file system has no hard links, compare the bytes."""
        try:
            if os.path.islink(path) or not os.path.isfile(path):
                return False
            return os.path.samefile(stored, path) or _same_bytes(stored, path)
        except OSError:
            return False

    def activate(self, paths: ProfilePaths, number: int) -> None:
        """Write the journal, change the files, write the number, drop the journal."""
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
        """Carry the switch on that the journal names."""
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
        """Remove the number and the journal, which decide, then the files."""
        fs.remove(os.path.join(paths.current, "number"))
        fs.remove(self._journal(paths))
        fs.remove_tree(paths.current)

    def expose(self, home: Home, paths: ProfilePaths) -> None:
        """Nothing: the PATH entry is the directory ``current\\bin`` itself."""

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
        """Remove what is no longer running; what still runs stays until a later switch."""
        aside = os.path.join(paths.current, "aside")
        for name in fs.list_directory(aside):
            with contextlib.suppress(DiskError):
                fs.remove(os.path.join(aside, name))


def _same_bytes(one: str, other: str) -> bool:
    import filecmp

    return filecmp.cmp(one, other, shallow=False)


def _files(directory: str) -> Iterable[str]:
    """Yield the files below *directory*, relative to it, without what is written about them."""
    for where, _, names in os.walk(directory):
        for name in names:
            relative = os.path.relpath(os.path.join(where, name), directory)
            if relative not in {"generation.json", OLD_SUMMARY}:
                yield relative

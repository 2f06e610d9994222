"""The switch: how a generation becomes the active one, and how a cut switch is finished.

How it works. A profile has complete generations, ``generations/<n>/``, and ``current``, the pointer to the active one.
Launchers and PATH lead through ``current``. A switch changes ``current`` from one complete generation to another; it
never changes a generation. There are two ways to do so, with one protocol (``Switch``):

- ``LinkSwitch``, on systems with symbolic links: ``current`` is a link to ``generations/<n>``. ``activate`` makes a new
  link ``current.new`` and renames it over the old one. The rename is the whole switch: before it the old generation is
  active, after it the new one is. ``recover`` only removes a leftover ``current.new``.
- ``FileSwitch`` (``store.file_switch``), on Windows, where links need a privilege and a running executable cannot be
  replaced: ``current`` is a directory, and the files are changed one by one. A journal names the goal, so that
  ``recover`` carries a cut switch on.

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
from d8_installer.store.paths import linked_bin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Protocol

    from d8_installer.store.paths import Home, ProfilePaths

    class Switch(Protocol):
        """One way to place files and to activate a generation."""

        @property
        def has_wrappers(self) -> bool:
            """Whether a wrapper, a script of sh, can stand before an executable."""

        def bin(self, paths: ProfilePaths) -> str:
            """Return the directory of the active binaries."""

        def active(self, paths: ProfilePaths) -> int | None:
            """Return the number of the active generation, or None."""

        def place(self, stored: str, path: str) -> None:
            """Make the stored executable available at *path*."""

        def is_placed(self, stored: str, path: str) -> bool:
            """Whether the file that ``place`` made at *path* and the stored executable both still exist."""

        def activate(self, paths: ProfilePaths, number: int) -> None:
            """Make generation *number* the active one. If this is cut, the old one stays or ``recover`` finishes it."""

        def is_cut(self, paths: ProfilePaths) -> bool:
            """Whether there is a switch to finish: a process is at work, or was killed."""

        def recover(self, paths: ProfilePaths) -> None:
            """Finish the switch of a killed process. Only the holder of the profile's mutex may call it."""

        def deactivate(self, paths: ProfilePaths) -> None:
            """Make no generation active, before the whole profile is removed."""

        def expose(self, home: Home, paths: ProfilePaths, names: Collection[str] = ()) -> None:
            """Make the PATH entry lead to the active binaries of *paths*.

            If something of others is in the way, also of a file that gets one of the *names*, raise DiskError.
            """


def switch_for_this_system() -> Switch:
    """Return the way that works on this operating system."""
    if sys.platform == "win32":
        from d8_installer.store.file_switch import FileSwitch

        return FileSwitch()
    return LinkSwitch()


class LinkSwitch:
    """``current`` is a symbolic link to ``generations/<n>``, replaced by one rename. All links are relative."""

    @property
    def has_wrappers(self) -> bool:
        """Whether there is a shell to run them; some containers have none."""
        return os.access("/bin/sh", os.X_OK)

    def bin(self, paths: ProfilePaths) -> str:
        """Name the directory behind the link."""
        return linked_bin(paths)

    def active(self, paths: ProfilePaths) -> int | None:
        """Read the link; a foreign file in its place is a DiskError."""
        target = fs.read_link(paths.current)
        if target is None:
            return None
        directory, _, number = target.partition("/")
        if directory != "generations" or not number.isdecimal():
            raise DiskError(
                f"{paths.current} is in the way: it is not a link of d8-installer",
                hint="move it away",
                code="in-the-way",
            )
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

    def is_cut(self, paths: ProfilePaths) -> bool:  # noqa: ARG002
        """Say no: one rename cannot be cut."""
        return False

    def recover(self, paths: ProfilePaths) -> None:
        """Remove a link that was not renamed yet. There is nothing to finish."""
        fs.remove(f"{paths.current}.new")

    def deactivate(self, paths: ProfilePaths) -> None:
        """Remove the link."""
        fs.remove(paths.current)

    def expose(self, home: Home, paths: ProfilePaths, names: Collection[str] = ()) -> None:  # noqa: ARG002
        """Link the home's ``bin`` to the profile's; a foreign file at ``bin`` is a DiskError."""
        wanted = os.path.relpath(linked_bin(paths), home.root)
        found = fs.read_link(home.bin)
        if found is None:
            self._relink(wanted, home.bin)
        elif found != wanted:
            raise DiskError(
                f"{home.bin} is in the way: it is not a link of d8-installer", hint="move it away", code="in-the-way"
            )

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

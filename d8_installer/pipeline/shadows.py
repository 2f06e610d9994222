"""Shadowed names: another file on PATH has the name of a binary, and comes first."""

from __future__ import annotations

import os

from d8_installer.model.value import Struct
from d8_installer.store import fs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.store.paths import Home


class Shadow(Struct, frozen=True):
    """A binary's name in *directory*, and the *file* on PATH that comes first."""

    name: str
    file: str
    directory: str

    def text(self, *, is_on_path: bool) -> str:
        """Return the warning; *is_on_path*: the binary's directory is on PATH."""
        if is_on_path:
            return f"{self.file} comes first on PATH, so the command {self.name} is not the one in {self.directory}"
        return f"{self.file} is on PATH, so the command {self.name} will not be the one in {self.directory}"


def shadows(home: Home, directory: str, path: str) -> Iterator[Shadow]:
    """Yield each name in *directory* that another file on *path* shadows.

    If the home's ``bin`` is not on PATH, it counts as the last entry, where ``ensurepath`` puts it. A project's ``bin``
    counts only if it is on PATH. Links into the home and launchers of the binary do not count as other files.
    """
    entries = [entry for entry in path.split(os.pathsep) if os.path.isabs(entry)]
    own = os.path.realpath(directory)
    places = [os.path.realpath(entry) for entry in entries]
    if own in places:
        entries = entries[: places.index(own)]
    elif directory != home.bin:
        return
    if not os.path.isdir(directory):  # nothing was ever placed
        return
    for name in fs.list_directory(directory):
        found = next((file for entry in entries if _is_command(file := os.path.join(entry, name))), None)
        if found is not None and not _is_ours(found, name, home):
            yield Shadow(name, found, directory)


def _is_command(file: str) -> bool:
    return os.path.isfile(file) and os.access(file, os.X_OK)


def _is_ours(file: str, name: str, home: Home) -> bool:
    if os.path.realpath(file).startswith(os.path.join(os.path.realpath(home.root), "")):
        return True
    from d8_installer.plugin.launcher import HEAD_BYTES, read_launcher

    launched = read_launcher(fs.read_head(file, HEAD_BYTES))
    return launched is not None and launched.binary == os.path.splitext(name)[0]

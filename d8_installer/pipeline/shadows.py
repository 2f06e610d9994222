"""Shadowed names: another file on PATH has the name of a binary, and comes first."""

from __future__ import annotations

import os

from d8_installer.model.value import Struct
from d8_installer.pipeline.search_path import command_name, entries, first_command, place, starts
from d8_installer.store import fs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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


def shadows(home: Home, directory: str, environ: Mapping[str, str]) -> Iterator[Shadow]:
    """Yield each name in *directory* that another file on PATH shadows.

    If the home's ``bin`` is not on PATH, it counts as the last entry, where ``ensurepath`` puts it. A project's ``bin``
    counts only if it is on PATH. Links into the home and launchers of the binary do not count as other files.
    """
    before = [entry for entry in entries(environ.get("PATH", "")) if os.path.isabs(entry)]
    own, places = place(directory), [place(entry) for entry in before]
    if own in places:
        before = before[: places.index(own)]
    elif directory != home.bin:
        return
    if not os.path.isdir(directory):  # nothing was ever placed
        return
    for file_name in fs.list_directory(directory):
        name = command_name(file_name)
        found = first_command(name, before, environ)
        if found is not None and not _is_ours(found, name, home):
            yield Shadow(name, found, directory)


def _is_ours(file: str, name: str, home: Home) -> bool:
    return place(file).startswith(os.path.join(place(home.root), "")) or starts(file, name)

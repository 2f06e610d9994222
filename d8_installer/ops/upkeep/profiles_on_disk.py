"""The lines of generations of one home: every profile, and every image that ``run`` resolved. What gc and verify walk.

Removes nothing but litter. Whether a project is gone is decided here: a removed directory and an unmounted disk look
alike.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DiskError
from d8_installer.model.value import Struct
from d8_installer.store import fs, home_state
from d8_installer.store.generations import ProfileStore
from d8_installer.store.paths import directory_of
from d8_installer.store.switch import switch_for_this_system

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.pipeline.session import Session
    from d8_installer.store.paths import ProfilePaths

_PROJECT = re.compile(r"[0-9a-f]{16}")
_RUN = re.compile(r"[0-9a-f]{64}")


class Line(Struct, frozen=True, kw_only=True):
    """One profile or run: its name for people, its generations, and the project's directory where it has one."""

    title: str
    generations: ProfileStore
    project: str | None = None
    is_run: bool = False

    @property
    def paths(self) -> ProfilePaths:
        """Where it lies."""
        return self.generations.paths

    @property
    def is_gone(self) -> bool | None:
        """Whether its project was removed; None where the project's disk may only not be mounted."""
        return self.project is not None and is_gone(self.project, was_disk=os.path.lexists(self.paths.mounted))

    @property
    def is_nobodys(self) -> bool:
        """Whether it is a project's profile that does not say whose: its maker was killed, or the file damaged."""
        return self.project is None and _PROJECT.fullmatch(os.path.basename(self.paths.root)) is not None


def lines(session: Session) -> Iterator[Line]:
    """Yield the home's profiles, then its runs; other names there are not ours, and nobody touches them."""
    home = session.scope.home
    for name in fs.list_directory(home.profiles):
        paths = home.profile(name)
        if name in ("user", "system"):
            yield Line(title=f"the {name}'s profile", generations=_store(session, paths))
        elif _PROJECT.fullmatch(name):
            project = _project(paths)
            title = f"the project {project}" if project else f"the profile {name}, whose project is not known"
            yield Line(title=title, generations=_store(session, paths), project=project)
    for name in fs.list_directory(home.runs):
        if _RUN.fullmatch(name):
            yield Line(title=f"the run {name[:12]}", generations=_store(session, home.run(name)), is_run=True)


def tidy(session: Session) -> None:
    """Carry cut switches on and take half generations away; the caller keeps others from making any.

    A switch that cannot be carried on stays for the profile's next writing command, which says why.
    """
    for line in lines(session):
        with contextlib.suppress(DiskError):
            line.generations.finish()


def is_gone(project: str, *, was_disk: bool = False) -> bool | None:
    """Whether a project's directory was removed; None where its disk may only not be mounted.

    Removed is sure where its parent is there and holds something else (what is left of a mount is an empty directory),
    unless the directory was a disk of its own (*was_disk*), whose mount point goes with it.
    """
    try:
        os.lstat(project)
    except (FileNotFoundError, NotADirectoryError):
        parent = os.path.dirname(project)
        try:
            return True if os.listdir(parent) and not was_disk else None
        except OSError:
            return None
    except OSError:
        return False
    return False


def _store(session: Session, paths: ProfilePaths) -> ProfileStore:
    return ProfileStore(paths, switch_for_this_system(), session.store)


def _project(paths: ProfilePaths) -> str | None:
    try:
        project = home_state.load_project(paths)
    except D8Error:
        return None
    is_this = project is not None and directory_of(project) == os.path.basename(paths.root)
    return project if project and is_this and os.path.isabs(project) and "\0" not in project else None

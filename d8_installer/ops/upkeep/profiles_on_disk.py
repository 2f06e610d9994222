"""The profiles and the runs that a home holds, which gc and verify walk through.

Nothing is removed here, except what interrupted commands left. Whether a project is gone is decided here: a removed
directory and an unmounted disk look alike.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DiskError
from d8_installer.model.value import Struct
from d8_installer.store import fs, home_state
from d8_installer.store.generations import ProfileStore
from d8_installer.store.paths import REQUEST_DIGITS, directory_of
from d8_installer.store.switch import switch_for_this_system

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.pipeline.session import Session
    from d8_installer.store.paths import ProfilePaths

_HEX = frozenset("0123456789abcdef")


class ProfileOnDisk(Struct, frozen=True, kw_only=True):
    """A profile or a run in the home: its name for people, its generations, and the project's directory, if any."""

    title: str
    generations: ProfileStore
    project: str | None = None
    is_run: bool = False

    @property
    def paths(self) -> ProfilePaths:
        """Return where its files are."""
        return self.generations.paths

    @property
    def is_gone(self) -> bool | None:
        """Whether its project was removed. None if perhaps only its disk is not mounted."""
        return self.project is not None and is_gone(self.project, was_disk=os.path.lexists(self.paths.mounted))

    @property
    def lacks_project(self) -> bool:
        """Whether it is a project's profile, but the project is unknown: its file is missing or damaged."""
        return self.project is None and _is_project_name(os.path.basename(self.paths.root))


def profiles_on_disk(session: Session) -> Iterator[ProfileOnDisk]:
    """Yield the home's profiles, then its runs. Other names in these directories are not ours and are not touched."""
    home = session.scope.home
    for name in fs.list_directory(home.profiles):
        paths = home.profile(name)
        if name in ("user", "system"):
            yield ProfileOnDisk(
                title="your profile" if name == "user" else "the system's profile", generations=_store(session, paths)
            )
        elif _is_project_name(name):
            project = _project(paths)
            title = f"the project {project}" if project else f"the profile {name}, whose project is not known"
            yield ProfileOnDisk(title=title, generations=_store(session, paths), project=project)
    for name in fs.list_directory(home.runs):
        if len(name) == REQUEST_DIGITS and _HEX.issuperset(name):
            yield ProfileOnDisk(title=f"the run {name[:12]}", generations=_store(session, home.run(name)), is_run=True)


def finish_interrupted(session: Session) -> None:
    """Finish interrupted switches and remove incomplete generations. The caller keeps others from making any.

    A switch that cannot be finished is left to the profile's next writing command, which says why.
    """
    for profile in profiles_on_disk(session):
        with contextlib.suppress(DiskError):
            profile.generations.finish()


def is_gone(project: str, *, was_disk: bool = False) -> bool | None:
    """Whether a project's directory was removed. None if perhaps only its disk is not mounted.

    It was removed if its parent exists and has other entries: what is left of a mount is an empty directory. That does
    not hold if the directory was a mount point itself (*was_disk*).
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


def _is_project_name(name: str) -> bool:
    return len(name) == 16 and _HEX.issuperset(name)


def _store(session: Session, paths: ProfilePaths) -> ProfileStore:
    return ProfileStore(paths, switch_for_this_system(), session.store)


def _project(paths: ProfilePaths) -> str | None:
    try:
        project = home_state.load_project(paths)
    except D8Error:
        return None
    is_this = project is not None and directory_of(project) == os.path.basename(paths.root)
    return project if project and is_this and os.path.isabs(project) and "\0" not in project else None

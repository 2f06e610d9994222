"""``self uninstall``: takes away everything that d8-installer ever made for a person, and nothing else.

Only files that are known to be ours go; a directory goes if nothing else is left in it. The Python package stays: the
manager that installed it has to remove it, and the result says by which command.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, TryAgainError
from d8_installer.model.value import Struct
from d8_installer.ops.shell.fish_paths import fills_fish_paths, leave_fish_paths
from d8_installer.ops.shell.start_up_files import (
    StartUpFile,
    goes_whole,
    has_line,
    refusal_of,
    remove_line,
    start_up_files,
)
from d8_installer.ops.upkeep.profiles_on_disk import lines
from d8_installer.plugin.environments import project_roots
from d8_installer.plugin.installation import running, to_remove
from d8_installer.plugin.launcher import PROFILE_LINK
from d8_installer.store import fs, home_state, inventory
from d8_installer.store.paths import config_directory, known_home_directory, shared_directories

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from d8_installer.pipeline.session import Session

_SETTINGS = ("config.toml", "d8.toml", "config.toml.mutex")


class Leaving(Struct, frozen=True, kw_only=True):
    """What goes: ``files`` (or whole trees), then ``directories`` that are empty by then, links in environments.

    Of ``start_up`` only the lines of ``ensurepath`` go, and the file where that made it. ``kept`` stays, each with the
    reason. ``removed`` and ``changed`` are what a person is told of.
    """

    files: tuple[str, ...]
    directories: tuple[str, ...]
    links: tuple[str, ...]
    start_up: tuple[StartUpFile, ...]
    kept: tuple[tuple[str, str], ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


class Left(Struct, frozen=True):
    """What went (``dry_run``: would go), what stays and why, and how the package itself is removed."""

    leaving: Leaving
    package: str
    dry_run: bool

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        went = {"removed": list(self.leaving.removed), "changed": list(self.leaving.changed)}
        kept = [path for path, _ in self.leaving.kept]
        return {**went, "kept": kept, "package": self.package, "dry_run": self.dry_run}


def leaving(session: Session) -> Leaving:
    """Say what would go. A directory that is not a home of ours is a ConfigError."""
    home, person = _of_home(session), _of_person(session)
    links = tuple(_links(session)) if home.files else ()
    can_have_lines = session.scope.is_global or known_home_directory(session.scope.environ) is not None
    known = list(start_up_files(session, session.scope.home.bin)) if can_have_lines else []
    refused = [(file.path, why) for file in known if (why := refusal_of(file)) is not None]
    start_up = tuple(file for file in known if file.path not in dict(refused) and has_line(file))
    whole = tuple(file.path for file in start_up if goes_whole(file))
    return Leaving(
        files=(*person.files, *home.files),
        directories=(*home.directories, *person.directories),
        links=links,
        start_up=start_up,
        kept=(*home.kept, *person.kept, *refused),
        removed=(*home.told, *person.told, *links, *whole),
        changed=tuple(file.path for file in start_up if file.path not in whole),
    )


def uninstall_self(session: Session, *, dry_run: bool = False) -> Left:
    """Remove what ``leaving`` says; while another command is at work that is a TryAgainError."""
    plan = leaving(session)
    if dry_run:
        return Left(plan, to_remove(running()), dry_run=True)
    for path in (*plan.directories, *plan.removed, *plan.changed):
        session.profiles.refuse_foreign(path)
    with _nobody_else(session, is_there=session.scope.home.root in plan.directories):
        plan = leaving(session)  # now nobody adds to it any more
        filled = fills_fish_paths(plan.start_up)
        _remove_traces(plan)
        for error in leave_fish_paths(session, session.scope.home.bin) if filled else ():
            session.reporter.warn(f"{error.message}: {error.hint}")
        for path in plan.files:
            _remove(path)
    for directory in plan.directories:
        with contextlib.suppress(DiskError):
            fs.remove_if_empty(directory)
    return Left(plan, to_remove(running()), dry_run=False)


class _Part(Struct, frozen=True, kw_only=True):
    """What goes of one place."""

    files: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    told: tuple[str, ...] = ()


def _of_home(session: Session) -> _Part:
    home = session.scope.home
    if not os.path.isfile(home.schema):
        inventory.refuse_foreign_directory(home)
        if not os.path.lexists(home.mutex):  # nothing of ours was ever begun there
            return _Part()
    own = inventory.ours(home)
    if session.scope.config_file == home.config:
        own = [*_documents(home.root, "config.toml", "config.toml.mutex"), *own]
    if not os.path.isfile(home.schema):
        own = [path for path in own if path != home.config_manifest]  # somebody's, for a home that did not come to be
    kept = _kept(home.root, [path for path in inventory.foreign(home) if path not in own])
    return _Part(
        files=tuple(own), directories=tuple(inventory.directories(home)), kept=kept, told=() if kept else (home.root,)
    )


def _of_person(session: Session) -> _Part:
    """Return what goes of the person's configuration: nothing with a home that was chosen, which has its own."""
    if session.scope.has_own_files:
        return _Part()
    config = config_directory(session.scope.environ)
    own = _documents(config, *_SETTINGS)
    strange = [path for name in fs.list_directory(config) if (path := os.path.join(config, name)) not in own]
    made = home_state.load_made(session.scope.home)
    shared = [path for path in shared_directories(session.scope.environ) if path in made]
    told = tuple(path for path in own if path.endswith(".toml"))
    return _Part(files=tuple(own), directories=(config, *shared), kept=_kept(config, strange), told=told)


def _documents(directory: str, *names: str) -> list[str]:
    """Return those of the files *names* that are there, and what killed commands left beside them."""
    whole = [path for name in names if os.path.lexists(path := os.path.join(directory, name))]
    return [*whole, *(path for path, name in fs.temporary_files(directory) if name in names)]


def _kept(directory: str, strange: Collection[str]) -> tuple[tuple[str, str], ...]:
    if strange:
        return ((directory, "it has files that are not d8-installer's"),)
    return ((directory, "it is a link"),) if os.path.islink(directory) else ()


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        fs.remove_tree(path)
    else:
        fs.remove(path)


def _remove_traces(plan: Leaving) -> None:
    for start_up in reversed(plan.start_up):  # the first that was made in a directory may have made that, too
        remove_line(start_up)
    for link in plan.links:
        fs.remove(link)


def _links(session: Session) -> Iterator[str]:
    """Yield the links by which environments know a project's profile of this home."""
    profiles = os.path.realpath(session.scope.home.profiles)
    seen = set()
    for line in lines(session):
        places = list(home_state.load_environments(line.paths))
        if line.project is not None:
            places += [root.path for root in project_roots(session.scope.environ, line.project)]
        for place in places:
            link = os.path.join(place, PROFILE_LINK)
            if link not in seen and os.path.islink(link):
                seen.add(link)
                if os.path.dirname(os.path.realpath(link)) == profiles:
                    yield link


@contextlib.contextmanager
def _nobody_else(session: Session, *, is_there: bool) -> Iterator[None]:
    """Hold every lock of the home, if there is one."""
    with contextlib.ExitStack() as held:
        if is_there:
            held.enter_context(session.profiles.switching())
            for line in lines(session):
                if not held.enter_context(fs.try_exclusive(line.paths.mutex)):
                    raise TryAgainError(
                        f"another d8-installer is at work in {line.title}", hint="type the same command when it is done"
                    )
        yield

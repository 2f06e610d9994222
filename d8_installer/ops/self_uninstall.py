"""``self uninstall``: removes everything that d8-installer ever made for a person, and nothing else.

Only files that are known to be d8-installer's are removed, and directories that are then empty. The Python package
stays: the manager that installed it must remove it, and the result says by which command.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError, DiskError, DocumentError, TryAgainError
from d8_installer.model.value import Struct
from d8_installer.ops.shell import registry_path
from d8_installer.ops.shell.completion_files import completion_files, is_ours
from d8_installer.ops.shell.fish_paths import fills_fish_paths, leave_fish_paths
from d8_installer.ops.shell.registry_path import RegistryPath
from d8_installer.ops.shell.start_up_files import (
    StartUpFile,
    goes_whole,
    has_line,
    refusal_of,
    remove_line,
    start_up_files,
)
from d8_installer.ops.upkeep.profiles_on_disk import profiles_on_disk
from d8_installer.pipeline.beside import ending
from d8_installer.plugin.environments import project_roots
from d8_installer.plugin.launcher import PROFILE_LINK
from d8_installer.plugin.self_installation import running, to_remove
from d8_installer.store import fs, home_state, inventory
from d8_installer.store.flock import REMOVED_WHILE_HELD
from d8_installer.store.os_errors import file_in_use
from d8_installer.store.paths import config_directory, known_home_directory, shared_directories
from d8_installer.store.profile_link import named_profile

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from d8_installer.pipeline.session import Session

_SETTINGS = ("config.toml", "d8.toml", "logins.json", "config.toml.mutex")


class Kept(Struct, frozen=True):
    """A path that stays, and why."""

    path: str
    why: str


class RemovalPlan(Struct, frozen=True, kw_only=True):
    """What is to be removed: ``files`` and trees, ``links`` in environments, then ``directories`` that are empty.

    Of the files in ``start_up``, only the lines of ``ensurepath`` are removed, or the whole file if ``ensurepath`` made
    it; of PATH in Windows's ``registry``, only what it added. ``removed`` and ``edited`` are the paths to report.
    """

    files: tuple[str, ...]
    directories: tuple[str, ...]
    links: tuple[str, ...]
    start_up: tuple[StartUpFile, ...]
    registry: tuple[RegistryPath, ...]
    kept: tuple[Kept, ...]
    removed: tuple[str, ...]
    edited: tuple[str, ...]


class Removal(Struct, frozen=True):
    """The plan, whether it was carried out, and the command that removes the Python package."""

    plan: RemovalPlan
    package: str
    dry_run: bool

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        edited = [*self.plan.edited, *(path.key for path in self.plan.registry)]
        return {
            "changed": bool(self.plan.removed or self.plan.files or edited),
            "removed": list(self.plan.removed),
            "edited": edited,
            "kept": [kept.path for kept in self.plan.kept],
            "package": self.package,
            "dry_run": self.dry_run,
        }


def plan_removal(session: Session) -> RemovalPlan:
    """Return what would be removed. A directory that is not a home of ours is a ConfigError."""
    home, person = _in_home(session), _in_config(session)
    links = tuple(_profile_links(session)) if home.files else ()
    known = _start_up_files(session)
    refused = {file.path: why for file in known if (why := refusal_of(file)) is not None}
    start_up = tuple(file for file in known if file.path not in refused and has_line(file))
    registry, closed = _registry(session)
    whole = tuple(file.path for file in start_up if goes_whole(file))
    return RemovalPlan(
        files=(*person.files, *home.files),
        directories=(*home.directories, *person.directories),
        links=links,
        start_up=start_up,
        registry=registry,
        kept=(*home.kept, *person.kept, *(Kept(path, why) for path, why in refused.items()), *closed),
        removed=(*_beside_d8(session), *home.reported, *person.reported, *links, *whole),
        edited=tuple(dict.fromkeys(file.path for file in start_up if file.path not in whole)),
    )


def _start_up_files(session: Session) -> list[StartUpFile]:
    """Return the files of shells that may have lines. On Windows ``ensurepath`` writes none."""
    environ = session.scope.environ
    can_have_lines = session.scope.is_global or known_home_directory(environ) is not None
    if not can_have_lines or sys.platform == "win32":
        return []
    of_completion = () if session.scope.has_own_files else completion_files(session.scope.environ)
    lines = [one.start_up for one in of_completion if one.start_up is not None]
    return [*start_up_files(session, session.scope.home.bin), *lines]


def _registry(session: Session) -> tuple[tuple[RegistryPath, ...], tuple[Kept, ...]]:
    """Return the PATHs in the registry that have ``bin``, and those that are not ours to write."""
    path = RegistryPath(session.scope.is_global, session.scope.home.bin)
    why, has_it = None, False
    if sys.platform == "win32":
        why = registry_path.refusal_of(path)
        has_it = why is None and registry_path.has_directory(path)
    return (path,) if has_it else (), () if why is None else (Kept(path.key, why),)


def uninstall_self(session: Session, *, dry_run: bool = False) -> Removal:
    """Remove what ``plan_removal`` returns. If another command is at work, raise TryAgainError."""
    plan = plan_removal(session)
    if dry_run or not (plan.files or plan.removed or plan.edited or plan.registry):  # its locks would be the only files
        return Removal(plan, to_remove(running()), dry_run=dry_run)
    for path in (*plan.directories, *plan.removed, *plan.edited):
        session.profiles.refuse_foreign(path)
    if session.scope.logins_file in plan.files:
        _leave_keyring(session)
    with _all_locks(session, has_home=session.scope.home.root in plan.directories) as locks:
        plan = plan_removal(session)  # now no other command can add to it
        layout = ending(session)
        if layout is not None:
            layout.take_away()
        fills = fills_fish_paths(plan.start_up)
        _remove_lines_and_links(plan)
        for error in leave_fish_paths(session, session.scope.home.bin) if fills else ():
            session.reporter.warn(f"{error.message}: {error.hint}")
        last = () if REMOVED_WHILE_HELD else (*locks, session.scope.home.schema)
        _remove_each(path for path in plan.files if path not in last)
    _remove_each(path for path in last if path in plan.files)
    for directory in plan.directories:
        with contextlib.suppress(DiskError):
            fs.remove_if_empty(directory)
    return Removal(plan, to_remove(running()), dry_run=False)


def _leave_keyring(session: Session) -> None:
    """Remove what the system's keyring has for us. A keyring that does not answer stops nothing."""
    from d8_installer.ops.login import leave_keyring

    try:
        leave_keyring(session)
    except (ConfigError, DocumentError, TryAgainError) as error:
        session.reporter.warn(f"the keyring may still have tokens: {error.message}")


def _beside_d8(session: Session) -> list[str]:
    """Return what was laid out for the Go tool."""
    layout = ending(session)
    return [] if layout is None else layout.own_files()


class _Part(Struct, frozen=True, kw_only=True):
    """The part of the plan that concerns one directory. ``reported`` are the paths to report."""

    files: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()
    reported: tuple[str, ...] = ()


def _in_home(session: Session) -> _Part:
    home = session.scope.home
    if not os.path.isfile(home.schema):
        inventory.refuse_foreign_directory(home)
        if not os.path.lexists(home.mutex):  # no command ever began to make a home there
            return _Part()
    ours = inventory.ours(home)
    if session.scope.config_file == home.config:
        ours = [*_documents(home.root, "config.toml", "logins.json", "config.toml.mutex"), *ours]
    if not os.path.isfile(home.schema):  # the home was never finished, so the manifest is the person's
        ours = [path for path in ours if path != home.config_manifest]
    foreign = [path for path in inventory.foreign(home) if path not in ours]
    if foreign:  # it stays a home, by this file; without it, a later install would take it for a stranger's directory
        ours = [path for path in ours if path != home.schema]
    kept = _kept(home.root, foreign)
    return _Part(
        files=tuple(ours),
        directories=tuple(inventory.directories(home)),
        kept=kept,
        reported=() if kept else (home.root,),
    )


def _in_config(session: Session) -> _Part:
    """Return the part of the person's configuration directory. A chosen home has its own, so nothing goes there."""
    if session.scope.has_own_files:
        return _Part()
    config = config_directory(session.scope.environ)
    ours = _documents(config, *_SETTINGS)
    foreign = [path for name in fs.list_directory(config) if (path := os.path.join(config, name)) not in ours]
    made = home_state.load_made(session.scope.home)
    shared = [path for path in shared_directories(session.scope.environ) if path in made]
    scripts, above = _completions(session)
    reported = (*(path for path in ours if path.endswith((".toml", ".json"))), *scripts)
    return _Part(
        files=(*ours, *scripts),
        directories=(config, *above, *shared),
        kept=_kept(config, foreign),
        reported=reported,
    )


def _completions(session: Session) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the scripts that ``completion --install`` wrote, and the directories that may be empty without them."""
    if known_home_directory(session.scope.environ) is None:
        return (), ()
    scripts = tuple(one.script for one in completion_files(session.scope.environ) if one.script and is_ours(one.script))
    above = (os.path.dirname(path) for path in scripts)
    return scripts, tuple(dict.fromkeys(each for one in above for each in (one, os.path.dirname(one))))


def _documents(directory: str, *names: str) -> list[str]:
    """Return the files *names* that exist, and what killed commands left beside them."""
    whole = [path for name in names if os.path.lexists(path := os.path.join(directory, name))]
    return [*whole, *(path for path, name in fs.temporary_files(directory) if name in names)]


def _kept(directory: str, foreign: Collection[str]) -> tuple[Kept, ...]:
    if foreign:
        return (Kept(directory, "it has files that are not d8-installer's"),)
    return (Kept(directory, "it is a link"),) if os.path.islink(directory) else ()


def _remove_each(paths: Iterable[str]) -> None:
    """Remove files and trees. What is in use does not keep the others; the first such DiskError is raised at the end.

    ``schema``, the last one, then stays too, so that the same command can go on. The error says that the rest is gone.
    """
    used: list[DiskError] = []
    for path in paths:
        if used and os.path.basename(path) == "schema":
            break
        try:
            _remove(path)
        except DiskError as error:
            if file_in_use(error) is None:
                raise
            used.append(error)
    if used:
        others = f", and {len(used) - 1} others are in use too" if used[1:] else ""
        raise used[0].within(
            more=f"what is not in use was removed{others}",
            hint="end the programs that use them, then type the same command again, which removes the rest",
        )


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        fs.remove_tree(path)
    else:
        fs.remove(path)


def _remove_lines_and_links(plan: RemovalPlan) -> None:
    for start_up in reversed(plan.start_up):  # the first file that was made may have made the directory of the others
        remove_line(start_up)
    if sys.platform == "win32":
        for path in plan.registry:
            registry_path.remove_directory(path)
    for link in plan.links:
        fs.remove(link)


def _profile_links(session: Session) -> Iterator[str]:
    """Yield the links in environments that lead to a project's profile in this home."""
    profiles = os.path.realpath(session.scope.home.profiles)
    seen = set()
    for profile in profiles_on_disk(session):
        environments = list(home_state.load_environments(profile.paths))
        if profile.project is not None:
            environments += [root.path for root in project_roots(session.scope.environ, profile.project)]
        for environment in environments:
            link = os.path.join(environment, PROFILE_LINK)
            named = None if link in seen else named_profile(link)
            if named is not None:
                seen.add(link)
                if os.path.dirname(os.path.realpath(named)) == profiles:
                    yield link


@contextlib.contextmanager
def _all_locks(session: Session, *, has_home: bool) -> Iterator[list[str]]:
    """Hold every lock of the home, if there is a home, and yield their files."""
    files = []
    with contextlib.ExitStack() as locks:
        if has_home:
            locks.enter_context(session.profiles.switching())
            files.append(session.scope.home.switching)
            for profile in profiles_on_disk(session):
                if not locks.enter_context(fs.try_exclusive(profile.paths.mutex)):
                    raise TryAgainError(
                        f"another d8-installer is at work in {profile.title}",
                        hint="type the same command when it is done",
                        code="home-busy",
                    )
                files.append(profile.paths.mutex)
        yield files

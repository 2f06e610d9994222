"""``rollback``: make an earlier generation the active one again, without any network."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, DocumentError, NotFoundError
from d8_installer.model.value import Struct, replace
from d8_installer.pipeline.activation import activate
from d8_installer.pipeline.beside import follow
from d8_installer.pipeline.other_profiles import note_profile, typed_command
from d8_installer.pipeline.profile_access import Workspace
from d8_installer.store import documents, recovery
from d8_installer.store.generations import file_name, places_of

if TYPE_CHECKING:
    from d8_installer.model.generation import Generation, Placed
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.session import Session


class BinaryChange(Struct, frozen=True):
    """One binary before and after: its versions, or None if it is absent. They are equal if only the bytes differ."""

    binary: str
    before: str | None
    after: str | None

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        return {"binary": self.binary, "before": self.before, "after": self.after}


class RolledBack(Struct, frozen=True, kw_only=True):
    """The result of a rollback: the active generation before and after, and whether the profile's lock is the old one.

    ``before`` is None if no generation was active, ``differences`` is None if its contents are not known. ``rebuilt``:
    files of the generation were lost, and put in place again. In a dry run all this is what would be.
    """

    profile: Profile
    before: int | None
    after: int
    differences: tuple[BinaryChange, ...] | None
    lock_restored: bool
    lock_edited: bool = False
    rebuilt: bool = False
    dry_run: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything was changed, or would be in a dry run."""
        return self.before != self.after or self.lock_edited or self.rebuilt

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        changes = None if self.differences is None else [difference.as_json() for difference in self.differences]
        return {
            "changed": self.changed,
            "dry_run": self.dry_run,
            "profile": self.profile.as_json(),
            "before": self.before,
            "generation": self.after,
            "changes": changes,
            "lock_restored": self.lock_restored,
        }


def differences(before: Generation | None, after: Generation) -> tuple[BinaryChange, ...]:
    """Return the binaries in ``bin`` whose version or bytes differ. A moved tag changes only the bytes."""
    old, new = {} if before is None else _in_bin(before), _in_bin(after)
    changed = [name for name in sorted(old.keys() | new.keys()) if _identity(old.get(name)) != _identity(new.get(name))]
    return tuple(BinaryChange(name, _version(old.get(name)), _version(new.get(name))) for name in changed)


def _in_bin(generation: Generation) -> dict[str, Placed]:
    return {placed.placement.binary: placed for placed in generation.placed if placed.placement.in_bin}


def _identity(placed: Placed | None) -> object:
    return None if placed is None else (placed.placement.version, placed.digest)


def _version(placed: Placed | None) -> str | None:
    return None if placed is None else placed.placement.version


def rollback(session: Session, number: int | None, *, dry_run: bool = False) -> RolledBack:
    """Make generation *number* (None: the one before the active one) the active one; it keeps its number.

    A user's lock is restored from it. A project's ``d8.lock`` stays: it is the project's, and the next sync returns to
    it. If there is no such generation, raise NotFoundError; if the store lacks one of its files, raise DiskError.
    """
    profile = session.profiles.find()
    note_profile(session, profile, dry_run=dry_run)
    if dry_run:
        return _planned(session, Workspace(profile=profile, generations=session.profiles.generations(profile)), number)
    with session.profiles.writing(profile, reading=False) as workspace:
        has_plugins = session.plugins.any_enabled  # settings that cannot be read end the command before the switch
        done = _switch_back(session, workspace, number)
        follow(session, workspace, done.after)
        if has_plugins:
            _tell_plugins(session, workspace, done)
        return done


def _switch_back(session: Session, workspace: Workspace, number: int | None) -> RolledBack:
    profile, generations = workspace.profile, workspace.generations
    active = generations.switch.active(generations.paths)
    before = None if active is None else _readable(session, workspace, active)
    with session.profiles.switching():
        target = generations.load(_target(session, workspace, active, number))
        _refuse_unrunnable(session, profile, target)
        done = _result(workspace, active, before, target)
        if done.rebuilt:
            session.reporter.warn(f"files of generation {target.number} were lost, and are put in place again")
            generations.rebuild(target)
        if done.lock_restored:
            documents.save(profile.lock, target.lock)
        if profile.is_exposed:
            names = [_file(target, placed) for placed in target.placed if placed.placement.in_bin]
            generations.switch.expose(session.scope.home, generations.paths, names)
        activate(generations.switch, generations.paths, target.number, session.reporter.warn)
    _warn_of_unmet(session, target)
    return done


def _planned(session: Session, workspace: Workspace, number: int | None) -> RolledBack:
    """Return what a rollback would do."""
    active = workspace.generations.switch.active(workspace.generations.paths)
    target = workspace.generations.load(_target(session, workspace, active, number))
    _refuse_unrunnable(session, workspace.profile, target)
    before = None if active is None else _readable(session, workspace, active)
    return replace(_result(workspace, active, before, target), dry_run=True)


def _result(workspace: Workspace, active: int | None, before: Generation | None, target: Generation) -> RolledBack:
    profile = workspace.profile
    restored = profile.kind != "project"
    return RolledBack(
        profile=profile,
        before=active,
        after=target.number,
        differences=None if before is None else differences(before, target),
        lock_restored=restored,
        lock_edited=restored and not _is_same_lock(profile.lock, target.lock),
        rebuilt=not _is_laid_out(workspace, target),
    )


def _is_same_lock(path: str, text: str) -> bool:
    """Whether the file has that text. One that cannot be read is replaced."""
    try:
        return documents.load_lock_text(path) == text
    except (DiskError, DocumentError):
        return False


def _warn_of_unmet(session: Session, target: Generation) -> None:
    """Warn of requirements that do not hold by the facts that were read last. A rollback is never refused for them."""
    from d8_installer.pipeline.requirement_reports import unmet_by_kept_facts

    for reasons in unmet_by_kept_facts(session, target).values():
        for reason in reasons:
            session.reporter.warn(f"{reason}; see `d8-installer check`")


def _readable(session: Session, workspace: Workspace, number: int) -> Generation | None:
    """Return the active generation, or None with a warning if its record is damaged: it can still be left."""
    try:
        return workspace.generations.load(number)
    except DocumentError as error:
        session.reporter.warn(f"{error}; what generation {number} had is not known")
        return None


def _target(session: Session, workspace: Workspace, active: int | None, number: int | None) -> int:
    profile, paths = workspace.profile, workspace.generations.paths
    known = recovery.numbers(paths)
    if active is None and not known:
        raise NotFoundError(
            f"{profile} has no generation yet", hint=_way_back(session, profile), code="no-such-generation"
        )
    if number is not None:
        if number not in known:
            raise NotFoundError(
                f"there is no generation {number}", hint=_history(session, profile), code="no-such-generation"
            )
        return number
    if active is None:
        raise NotFoundError(
            f"it is not known which generation was active before: {paths.current} is missing",
            hint=f"{_history(session, profile)}, and choose one: `{typed_command(session, profile, 'rollback N')}`",
            code="no-such-generation",
        )
    before = [known_one for known_one in known if known_one < active]
    if not before:
        raise NotFoundError(
            f"{profile} has no generation before {active}", hint=_way_back(session, profile), code="no-such-generation"
        )
    return before[-1]


def _way_back(session: Session, profile: Profile) -> str:
    """Return the hint if there is nothing to go back to. In a project, the person may mean the user's profile."""
    user = session.scope.home.profile("user")
    if profile.kind == "project" and len(recovery.numbers(user)) > 1:
        return "your profile has earlier generations: type `d8-installer --user rollback`"
    return _history(session, profile)


def _history(session: Session, profile: Profile) -> str:
    return f"see `{typed_command(session, profile, 'history')}`"


def _refuse_unrunnable(session: Session, profile: Profile, target: Generation) -> None:
    """Raise DiskError if a stored file of *target* is gone, while the active generation is still untouched."""
    for placed in target.placed:
        path = session.scope.home.executable(placed.digest.hex, _file(target, placed))
        if not os.path.isfile(path):
            raise DiskError(
                f"generation {target.number} needs {path}, which is gone",
                hint=f"roll back to another one: {_history(session, profile)}",
                code="program-gone",
            )


def _file(generation: Generation, placed: Placed) -> str:
    return file_name(placed.placement.binary, generation.platform.executable_suffix)


def _is_laid_out(workspace: Workspace, target: Generation) -> bool:
    """Whether every file of the generation is in its place and leads to its stored file."""
    generations = workspace.generations
    top = generations.paths.generation(target.number)
    directories = {name for placed in target.placed for name in places_of(placed.placement)}
    above = {name.partition("/")[0] for name in directories} | directories
    if os.path.islink(top) or any(os.path.islink(os.path.join(top, name)) for name in above):
        return False
    return all(generations.is_placed(placed, path) for placed, path in generations.files(top, target))


def _tell_plugins(session: Session, workspace: Workspace, done: RolledBack) -> None:
    """Tell the plugins of the switch; they can no longer stop it."""
    from d8_installer.pipeline.admission import tell_switched
    from d8_installer.plugin.records import SwitchFacts

    made = done.differences or ()
    added = tuple(one.binary for one in made if one.before is None)
    removed = tuple(one.binary for one in made if one.after is None)
    changed = tuple(one.binary for one in made if one.binary not in {*added, *removed})
    switch = SwitchFacts(
        profile=str(done.profile),
        before=done.before,
        after=done.after,
        reason="rollback",
        added=added,
        changed=changed,
        removed=removed,
        bin_directory=workspace.bin_in(session.scope.home),
    )
    tell_switched(session, switch)

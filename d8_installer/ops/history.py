"""``history`` and ``rollback``: the generations of a profile, and the way back to one of them, without any network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, DocumentError, NotFoundError
from d8_installer.store import lockfile
from d8_installer.store.profile import file_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d8_installer.model.generation import Generation
    from d8_installer.ops.session import Session, Workspace
    from d8_installer.store.profile import ProfileStore


_NOTHING: tuple[str | None, str] = (None, "")


@dataclass(frozen=True, slots=True)
class Difference:
    """What a binary was before and is after: versions, None where it is not there; the same version, other bytes."""

    binary: str
    before: str | None
    after: str | None

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        return {"binary": self.binary, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True)
class Entry:
    """One generation: its number, UTC time, reason, and what differs from the one before it."""

    number: int
    time: str
    reason: str
    active: bool
    differences: tuple[Difference, ...]

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        changes = [difference.as_json() for difference in self.differences]
        facts = {"number": self.number, "time": self.time, "reason": self.reason, "active": self.active}
        return {**facts, "changes": changes}


@dataclass(frozen=True, slots=True)
class HistoryResult:
    """The generations that are still there, newest first."""

    profile: str
    entries: tuple[Entry, ...]

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {"profile": self.profile, "generations": [entry.as_json() for entry in self.entries]}


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a rollback did; ``lock_restored``: the profile's lock says the same now."""

    profile: str
    before: int
    after: int
    differences: tuple[Difference, ...]
    lock_restored: bool

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        changes = [difference.as_json() for difference in self.differences]
        facts = {"profile": self.profile, "before": self.before, "generation": self.after}
        return {**facts, "changes": changes, "lock_restored": self.lock_restored}


def history(session: Session) -> HistoryResult:
    """Return the profile's generations; one whose record is damaged is named in its reason."""
    profile = session.profile()
    generations = session.generations(profile)
    active = generations.switch.active(generations.paths)
    entries, before = [], None
    for number in generations.numbers():
        try:
            generation = generations.load(number)
        except DocumentError as error:
            entries.append(Entry(number, "", f"damaged: {error}", number == active, ()))
            continue
        made = differences(before, generation)
        entries.append(Entry(number, generation.time, generation.reason, number == active, made))
        before = generation
    return HistoryResult(str(profile), tuple(reversed(entries)))


def rollback(session: Session, number: int | None) -> RolledBack:
    """Make generation *number* (None: the one before the active one) the active one; it gets no new number.

    A user's lock is restored from it. A project's ``d8.lock`` is the project's: the next sync returns to it (DESIGN,
    Commands). Raises NotFoundError where there is no such generation, DiskError where the store lost what it needs.
    """
    profile = session.profile()
    with session.writing(profile, documents=False) as workspace:
        generations = workspace.generations
        active = generations.active()
        if active is None:
            raise NotFoundError(f"{profile} has no generation yet", hint="see `d8-installer history`")
        restored = profile.kind != "project"
        with session.switching():
            target = _target(generations, active.number, number)
            _refuse_unrunnable(session, target)
            if restored:
                lockfile.save(profile.lock, target.lock)
            _switch(session, workspace, target)
        result = RolledBack(str(profile), active.number, target.number, differences(active, target), restored)
        if session.has_plugins:
            _tell(session, workspace, result)
        return result


def differences(before: Generation | None, after: Generation) -> tuple[Difference, ...]:
    """Return the binaries in ``bin`` whose bytes or versions differ; of a tag that was moved the bytes alone do."""
    old, new = _in_bin(before), _in_bin(after)
    changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    return tuple(Difference(name, old.get(name, _NOTHING)[0], new.get(name, _NOTHING)[0]) for name in changed)


def _in_bin(generation: Generation | None) -> dict[str, tuple[str | None, str]]:
    placed = generation.placed if generation is not None else ()
    return {p.placement.binary: (p.placement.version, p.digest.hex) for p in placed if p.placement.in_bin}


def _target(generations: ProfileStore, active: int, number: int | None) -> Generation:
    known = generations.numbers()
    if number is None:
        number = max((n for n in known if n < active), default=None)
        if number is None:
            raise NotFoundError(f"there is no generation before {active}", hint="see `d8-installer history`")
    elif number not in known:
        raise NotFoundError(f"there is no generation {number}", hint="see `d8-installer history`")
    return generations.load(number)


def _refuse_unrunnable(session: Session, target: Generation) -> None:
    """Leave the active generation alone if the other one's files are not all there."""
    for path in _stored(session, target):
        if not os.path.isfile(path):
            raise DiskError(
                f"generation {target.number} needs {path}, which is gone",
                hint="roll back to another one: see `d8-installer history`",
            )


def _stored(session: Session, target: Generation) -> Iterable[str]:
    for placed in target.placed:
        name = file_name(placed.placement.binary, target.platform.executable_suffix)
        yield session.home.executable(placed.digest.hex, name)


def _tell(session: Session, workspace: Workspace, done: RolledBack) -> None:
    """Tell the plugins, now that nothing can be stopped any more."""
    from d8_installer.ops.apply import bin_of
    from d8_installer.ops.hooks import tell_switched
    from d8_installer.plugin.watching import SwitchFacts

    added = tuple(one.binary for one in done.differences if one.before is None)
    removed = tuple(one.binary for one in done.differences if one.after is None)
    changed = tuple(one.binary for one in done.differences if one.binary not in {*added, *removed})
    bin_directory = bin_of(session, workspace)
    names = (added, changed, removed)
    tell_switched(session, SwitchFacts(done.profile, done.before, done.after, "rollback", *names, bin_directory))


def _switch(session: Session, workspace: Workspace, target: Generation) -> None:
    generations = workspace.generations
    if workspace.profile.is_exposed:
        generations.switch.expose(session.home, generations.paths)
    generations.switch.activate(generations.paths, target.number)

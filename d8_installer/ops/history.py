"""``history`` and ``rollback``: the generations of a profile, and the way back to one of them, without any network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.value import Struct
from d8_installer.ops.rollback import differences, switch_back
from d8_installer.store.generations import summary_of

if TYPE_CHECKING:
    from d8_installer.model.profile import Profile
    from d8_installer.model.summary import Summary
    from d8_installer.ops.rollback import Difference, RolledBack
    from d8_installer.pipeline.reporter import Reporter
    from d8_installer.pipeline.session import Session, Workspace
    from d8_installer.store.generations import ProfileStore


class Entry(Struct, frozen=True):
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


class HistoryResult(Struct, frozen=True):
    """The generations that are still there, newest first."""

    profile: Profile
    entries: tuple[Entry, ...]

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {"profile": self.profile.as_json(), "generations": [entry.as_json() for entry in self.entries]}


def history(session: Session) -> HistoryResult:
    """Return the profile's generations; one whose record is damaged is named in its reason."""
    profile = session.profile()
    generations = session.generations(profile)
    active = generations.switch.active(generations.paths)
    entries: list[Entry] = []
    before: Summary | None = None
    for number in generations.numbers():
        try:
            generation = generations.load(number)
            summary = summary_of(generation)
        except DocumentError as error:
            entries.append(Entry(number, "", f"damaged: {error}", number == active, ()))
            continue
        made = differences(before, summary)
        entries.append(Entry(number, generation.time, generation.reason, number == active, made))
        before = summary
    return HistoryResult(profile, tuple(reversed(entries)))


def rollback(session: Session, number: int | None) -> RolledBack:
    """Make generation *number* (None: the one before the active one) the active one, as its record says."""
    profile = session.profile()
    with session.writing(profile, reading=False) as workspace:
        generations = workspace.generations
        has_plugins = session.has_plugins  # settings that cannot be read end the command before the switch
        records = _Records(generations, session.reporter)
        done = switch_back(session.place(profile), number, records, session.reporter.warn)
        if has_plugins:
            _tell(session, workspace, done)
        return done


class _Records:
    """What the generations' records say; an active one that is damaged does not keep anybody from leaving it."""

    def __init__(self, generations: ProfileStore, reporter: Reporter) -> None:
        self._generations = generations
        self._reporter = reporter

    def active(self, number: int) -> Summary | None:
        try:
            return self.target(number)
        except DocumentError as error:
            self._reporter.warn(f"{error}; what generation {number} had is not known")
            return None

    def target(self, number: int) -> Summary:
        return summary_of(self._generations.load(number))

    def lay_out(self, target: Summary) -> None:
        self._reporter.warn(f"files of generation {target.number} were lost, and are put in place again")
        self._generations.rebuild(self._generations.load(target.number))


def _tell(session: Session, workspace: Workspace, done: RolledBack) -> None:
    """Tell the plugins, now that nothing can be stopped any more."""
    from d8_installer.pipeline.admission import tell_switched
    from d8_installer.pipeline.apply import bin_of
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
        bin_directory=bin_of(session, workspace),
    )
    tell_switched(session, switch)

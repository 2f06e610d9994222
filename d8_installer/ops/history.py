"""``history``: the generations of a profile, and what each changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.value import Struct
from d8_installer.ops.rollback import differences

if TYPE_CHECKING:
    from d8_installer.model.generation import Generation
    from d8_installer.model.profile import Profile
    from d8_installer.ops.rollback import BinaryChange
    from d8_installer.pipeline.session import Session


class HistoryEntry(Struct, frozen=True, kw_only=True):
    """One generation: its number, UTC time, reason, and how it differs from the one before it."""

    number: int
    time: str
    reason: str
    active: bool
    differences: tuple[BinaryChange, ...]

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        changes = [difference.as_json() for difference in self.differences]
        facts = {"number": self.number, "time": self.time, "reason": self.reason, "active": self.active}
        return {**facts, "changes": changes}


class HistoryResult(Struct, frozen=True):
    """The generations that are still there, newest first."""

    profile: Profile
    entries: tuple[HistoryEntry, ...]

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {"profile": self.profile.as_json(), "generations": [entry.as_json() for entry in self.entries]}


def history(session: Session) -> HistoryResult:
    """Return the profile's generations; if a record is damaged, the reason of its entry says so."""
    profile = session.profiles.find()
    generations = session.profiles.generations(profile)
    active = generations.switch.active(generations.paths)
    entries: list[HistoryEntry] = []
    before: Generation | None = None
    for number in generations.numbers():
        try:
            generation = generations.load(number)
        except DocumentError as error:
            reason = f"damaged: {error}"
            entries.append(HistoryEntry(number=number, time="", reason=reason, active=number == active, differences=()))
            continue
        entries.append(
            HistoryEntry(
                number=number,
                time=generation.time,
                reason=generation.reason,
                active=number == active,
                differences=differences(before, generation),
            )
        )
        before = generation
    return HistoryResult(profile, tuple(reversed(entries)))

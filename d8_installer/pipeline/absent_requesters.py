"""Requesters that the lock names and that are not installed here (docs/explanation/profiles.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.requirement import OTHER_MANIFEST, needing_image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d8_installer.model.resolution import Wanted
    from d8_installer.pipeline.session import Session

_SHOWN = 5


def note_absent(session: Session, wanted: Wanted, verb: str) -> None:
    """Name the absent requesters, and say what happens to their requests; ``VERB --prune`` drops these."""
    locked = {who for image in wanted.locked.images for who, _ in image.requests if needing_image(who) is None}
    absent = locked - wanted.present - wanted.kept.unread
    if not absent:
        return
    names = requesters_text(absent)
    if wanted.kept.absent:
        way = f"`d8-installer {verb} --prune` drops it"
        session.reporter.note(f"the lock keeps what was asked for by {names}, not installed here; {way}")
    else:
        session.reporter.note(f"the lock drops what was asked for by {names}, not installed here")


def requesters_text(requesters: Iterable[str]) -> str:
    """Return the names of requesters as a sentence has them, shortened if there are many."""
    names = ["another d8.toml" if who == OTHER_MANIFEST else who for who in sorted(requesters)]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"

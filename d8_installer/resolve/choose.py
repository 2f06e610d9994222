"""Which version of each image: the locked one while it satisfies every request, else the newest that all allow.

How it works. The requirements are grouped by image, and images do not depend on each other: a version is chosen for
each by itself, so there is no backtracking. For one image:

1. If the lock entry's version is allowed and not to be upgraded, it stays. Such an image costs no request to the
   source: that is what makes a lock stable, and a second run fast.
2. Otherwise the source is asked for its tags, all images in one round. Tags that the source lists without having
   their manifest (``Selection.gone``) do not count.
3. The requirements must agree. In a strict command all of them count, and a conflict is an error that names both
   sides. In a lenient command the requirements are taken by seniority (the same request as locked, then requesters that
   are locked, then the person's manifest) and one that does not fit those before it is left out with its reason; its
   request in the lock stays.
4. The newest version that all of them allow is chosen, by SemVer precedence. An exact tag (``===``) wins as it is
   spelled.

With a cut-off (``Selection.created_before``) the manifests of newly chosen versions are read for their dates, and
versions that are too new are removed and 3 and 4 repeated, until every choice is old enough.

``resolve`` is a generator: it yields what it needs to know, is sent the answers, and does no I/O. Digests are not its
concern; ``pin`` turns the choices into lock entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError, NotFoundError
from d8_installer.model.date import spelled
from d8_installer.model.resolution import Answers, Choice, HeldBack, LeftOut, ManifestOf, Resolution, TagsOf
from d8_installer.model.value import replace
from d8_installer.model.version import Version
from d8_installer.resolve.dates import dates_of
from d8_installer.resolve.demand import Demand, demands_of, kept_choices

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from datetime import datetime

    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Needs, Wanted

    Dates = Mapping[ManifestOf, datetime | None]


def resolve(wanted: Wanted) -> Generator[Needs, Answers, Resolution]:
    """Choose one version for every wanted image: the locked one while it is allowed, else the newest that all allow.

    Raises NotFoundError if no version is allowed, and ConflictError, which names both requesters, if they exclude each
    other. If *wanted* is lenient, the newcomer is left out instead.
    """
    demands = demands_of(wanted)
    needs = tuple(TagsOf(name.path) for name, demand in demands.items() if not demand.will_do)
    answers = (yield needs) if needs else Answers()
    demands = {name: _informed(demand, answers) for name, demand in demands.items()}
    dates: dict[ManifestOf, datetime | None] = {}
    while True:
        try:
            resolution = _decide(wanted, {name: _old_enough(demand, dates) for name, demand in demands.items()})
        except _UndecidedError as undecided:
            raise _with_cutoff(undecided, wanted, dates) from undecided
        chosen = {ManifestOf(image=c.name.path, ref=c.tag) for c in resolution.choices if _is_new(wanted, c)}
        if wanted.selection.created_before is None or chosen <= dates.keys():
            return resolution
        dates |= yield from dates_of(sorted(chosen - dates.keys(), key=lambda top: top.image))


class _UndecidedError(Exception):
    """No version can be chosen for one image; never leaves this module."""

    def __init__(self, name: ImageName, error: ConflictError | NotFoundError) -> None:
        super().__init__(name)
        self.name = name
        self.error = error


def _informed(demand: Demand, answers: Answers) -> Demand:
    """Return *demand* with what the source answered, without tags whose manifest is gone."""
    path = demand.name.path
    need, gone = TagsOf(path), demand.wanted.selection.gone
    tags = answers.tags.get(need, ())
    if gone:
        tags = tuple(tag for tag in tags if (path, tag) not in gone)
    return replace(demand, tags=tags, absence=answers.absent.get(need))


def _old_enough(demand: Demand, dates: Dates) -> Demand:
    """Return *demand* without the tags that are known to be too new, or to have no date."""
    cutoff = demand.wanted.selection.created_before
    if cutoff is None or not dates:
        return demand
    late = {
        top.ref for top, date in dates.items() if top.image == demand.name.path and (date is None or date >= cutoff)
    }
    return replace(demand, tags=tuple(tag for tag in demand.tags if tag not in late))


def _is_new(wanted: Wanted, choice: Choice) -> bool:
    return not choice.kept and not Demand.of(wanted, choice.name, choice.requirements).will_do


def _with_cutoff(undecided: _UndecidedError, wanted: Wanted, dates: Dates) -> ConflictError | NotFoundError:
    cutoff = wanted.selection.created_before
    if cutoff is None or not dates:
        return undecided.error
    return undecided.error.within(
        more=f"versions without a date, or from {spelled(cutoff)} on, are excluded",
        hint=f"see `d8-installer lock --explain {undecided.name}` with the same --exclude-newer",
    )


def _decide(wanted: Wanted, demands: Mapping[ImageName, Demand]) -> Resolution:
    choices, left_out, held = [], list[LeftOut](), list[HeldBack]()
    for name, demand in demands.items():
        if demand.will_do:
            choices.append(_as_locked(demand))
            continue
        try:
            choice, refused = _choose(demand)
        except (ConflictError, NotFoundError) as error:
            raise _UndecidedError(name, error) from error
        left_out += refused
        if choice is not None:
            choices.append(choice)
            held += _held_back(demand, choice)
    return Resolution((*choices, *kept_choices(wanted, demands)), tuple(left_out), tuple(held))


def _choose(demand: Demand) -> tuple[Choice | None, tuple[LeftOut, ...]]:
    """Return the choice for one image, None if nothing is left to choose for, and the requirements left out."""
    agreement = demand.agree()
    rest = replace(demand, wanted=demand.wanted.without(agreement.left_out), group=agreement.group)
    if rest.group:
        choice = _as_locked(rest) if rest.will_do else _newly_chosen(rest)
        return choice, agreement.left_out
    if demand.locked is None:
        return None, agreement.left_out
    kept = Choice(name=demand.name, tag=demand.locked.version, requirements=(), locked=demand.locked, kept=True)
    return kept, agreement.left_out


def _newly_chosen(demand: Demand) -> Choice:
    return Choice(name=demand.name, tag=demand.newest(), requirements=demand.group, locked=demand.locked)


def _as_locked(demand: Demand) -> Choice:
    locked = demand.locked
    if locked is None:
        raise AssertionError(f"{demand.name} is not locked")
    is_current, adds = demand.is_current, bool(demand.wanted.adds)
    return Choice(
        name=locked.name,
        tag=locked.version,
        requirements=demand.group,
        locked=locked,
        kept=is_current and not adds,
        grows=is_current and adds,
    )


def _held_back(demand: Demand, choice: Choice) -> Iterator[HeldBack]:
    """Yield the image if it was to be upgraded, and a range keeps it from its newest stable version."""
    upgrade = demand.wanted.selection.upgrade
    if choice.kept or (upgrade is not None and choice.name not in upgrade):
        return
    stable = [version for tag in demand.tags if (version := Version.try_parse(tag)) is not None and version.is_stable()]
    best, chosen = max(stable, key=lambda one: one.preference_key, default=None), Version.try_parse(choice.tag)
    if best is None or chosen is None or best.compare(chosen) <= 0:
        return
    holders: tuple[Requirement, ...] = tuple(one for one in choice.requirements if not one.allows(best.text))
    if holders:
        yield HeldBack(name=choice.name, tag=choice.tag, newest=best.text, holders=holders)

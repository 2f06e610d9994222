"""Which version of each image: the locked one while it satisfies every request, else the newest that all allow.

How it works. The requirements are grouped by image.

1. If the lock entry's version is allowed and not to be upgraded, it stays. Such an image costs no request to the
   source: that is what makes a lock stable, and a second run fast.
2. Otherwise the source is asked for its tags, all images in one round. Tags that the source lists without having
   their manifest (``Selection.gone``) do not count.
3. The requirements must agree. In a strict command all of them count, and a conflict is an error that names both
   sides. In a lenient command the requirements are taken by seniority (what locked images need, the same request as
   locked, then requesters that are locked, then the person's manifest) and one that does not fit those before it is
   left out with its reason; its request in the lock stays.
4. ``search`` finds the newest version that all of them allow, by SemVer precedence, and whose own requirements hold:
   those for the cluster, and those for other images, which are added. An exact tag (``===``) wins as it is spelled. If
   nothing is right, a lenient command does without a plugin's image that has a part in it, and searches again.

A contract is read in two cases: the version is new, or its entry is pinned again anyway. What an image needs that is
neither is what the lock says of it.

``resolve`` is a generator: it yields what it needs to know, is sent the answers, and does no I/O. Digests are not its
concern; ``pin`` turns the choices into lock entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import NotFoundError
from d8_installer.model.date import spelled
from d8_installer.model.requirement import needing_image
from d8_installer.model.resolution import Choice, HeldBack, LeftOut, Resolution, TagsOf
from d8_installer.model.value import replace
from d8_installer.model.version import Version
from d8_installer.resolve.demand import Demand, demands_of, kept_choices
from d8_installer.resolve.dependencies import (
    Pick,
    asking_among,
    bounds_on,
    reached,
    roots_of,
    unmet_conditions,
    with_needs,
    without_needs,
)
from d8_installer.resolve.knowledge import Knowledge, Questions
from d8_installer.resolve.rejections import NoneFound, unresolved
from d8_installer.resolve.search import VersionSearch

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from d8_installer.errors import D8Error
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Answers, ContractOf, Needs, Wanted
    from d8_installer.model.version import Compat
    from d8_installer.resolve.search import FoundVersions


def resolve(wanted: Wanted, *, compat: Compat = "d8") -> Generator[Needs, Answers, Resolution]:
    """Choose one version for every wanted image, and for what these need.

    That is the locked one while it is allowed, else the newest that all allow and that can be used. Raises
    NotFoundError if no version is allowed, and ConflictError if requesters exclude each other or what is needed cannot
    be had. If *wanted* is lenient, the newcomer is left out instead. "go" chooses as the Go tool does (rpp.md §7, §8).
    """
    current_lock = _as_locked(wanted)
    if current_lock is not None:
        return current_lock
    wanted, known = without_needs(wanted), Knowledge()
    left_out: list[LeftOut] = []
    while True:
        demands, disagreeing = yield from _agreed(wanted, known)
        current = wanted.without(disagreeing)
        outcome = yield from _searched(current, demands, known, compat)
        if isinstance(outcome, NoneFound):
            found = _blame(outcome, current, demands, known)
            left_out += found
            wanted = wanted.without(found)
            continue
        resolution = _resolution(outcome, current, known)
        unread = _unread(resolution, current, known)
        if unread:
            known.learn_contracts((yield tuple(unread)))
            continue
        return replace(resolution, left_out=(*left_out, *disagreeing))


def _as_locked(wanted: Wanted) -> Resolution | None:
    """Return the choices of the lock if it says exactly what is wanted: then there is nothing to search for."""
    if wanted.selection.typed:
        return None
    wanted = with_needs(wanted)
    demands = demands_of(wanted)
    if not all(demand.will_do and demand.is_current for demand in demands.values()) or any(unmet_conditions(wanted)):
        return None
    adds = bool(wanted.adds)
    choices = (
        Choice(
            name=locked.name,
            tag=locked.version,
            requirements=demand.group,
            locked=locked,
            kept=not adds,
            grows=adds,
            kept_requests=wanted.kept_requests(locked),
        )
        for demand in demands.values()
        if (locked := demand.locked) is not None
    )
    return Resolution((*choices, *kept_choices(wanted, demands)))


def settled(wanted: Wanted, *, compat: Compat = "d8") -> Generator[Needs, Answers, FoundVersions | NoneFound]:
    """Return what one search finds for *wanted*, and if it fails, why. No requirement is left out."""
    wanted, known = without_needs(wanted), Knowledge()
    demands, _ = yield from _agreed(wanted, known)
    return (yield from _searched(wanted, demands, known, compat))


def _searched(
    wanted: Wanted, demands: Mapping[ImageName, Demand], known: Knowledge, compat: Compat
) -> Generator[Needs, Answers, FoundVersions | NoneFound]:
    """Search, after all that is known to be needed was asked in one round."""
    locked = demands_of(with_needs(wanted)).values()
    again = [(d.name, d.locked.version) for d in locked if d.locked and d.will_do and not _is_unpinned(d)]
    search = VersionSearch(wanted, demands, known, compat=compat)
    yield from search.ask_ahead(again)
    if again:  # what these need was read now
        search = VersionSearch(wanted, demands, known, compat=compat)
    return (yield from search.run())


def _is_unpinned(demand: Demand) -> bool:
    """Whether the lock entry needs nothing of the source, as far as can be said before the search."""
    return demand.is_current or (not demand.wanted.adds and demand.relined is not None)


# -- the requirements that agree ---------------------------------------------------------------------------------------


def _agreed(
    wanted: Wanted, known: Knowledge
) -> Generator[Needs, Answers, tuple[dict[ImageName, Demand], list[LeftOut]]]:
    """Return the demand for each image, of the requirements that agree, and those that do not."""
    demands = demands_of(wanted)
    movers = [name for name, demand in demands.items() if not demand.will_do]
    unknown = [name for name in movers if name not in known.tags]
    if unknown:
        known.learn_tags(unknown, (yield tuple(TagsOf(name.path) for name in unknown)), wanted)
    staying = _staying(wanted, movers)
    left_out: list[LeftOut] = []
    for name in movers:
        bounds = tuple(bound.requirement for bound in bounds_on(name, staying.values()))
        demand = replace(
            demands[name],
            group=(*demands[name].group, *bounds),
            tags=known.tags.get(name, ()),
            absence=known.absent.get(name),
        )
        agreement = demand.agree()
        group = _direct(agreement.group)
        left_out += (one for one in agreement.left_out if needing_image(one.requirement.requester) is None)
        if group:
            demands[name] = replace(demand, group=group)
        else:
            del demands[name]
    if not left_out:
        return demands, left_out
    rest = wanted.without(left_out)
    return {name: replace(demand, wanted=rest) for name, demand in demands.items()}, left_out


def _staying(wanted: Wanted, movers: list[ImageName]) -> dict[ImageName, Pick]:
    """Return the locked images that are not to be moved by name."""
    upgrade = wanted.selection.upgrade
    if upgrade is None:
        return {}
    moving = {*movers, *upgrade}
    picks = {image.name: Pick.of_lock(image) for image in wanted.locked.images if image.name not in moving}
    return reached(picks, roots_of(wanted))


def _direct(group: tuple[Requirement, ...]) -> tuple[Requirement, ...]:
    return tuple(one for one in group if needing_image(one.requester) is None)


# -- nothing is right --------------------------------------------------------------------------------------------------


def _blame(failure: NoneFound, wanted: Wanted, demands: Mapping[ImageName, Demand], known: Knowledge) -> list[LeftOut]:
    """Return the requirements that the rest goes on without. If none may be left out, raise the error."""
    error = failure.error or _error(failure, wanted, demands, known)
    for name in (failure.root, *sorted(failure.blamed - {failure.root}, reverse=True)):
        if name in demands and wanted.strictness.may_leave_out(demands[name].group):
            return [LeftOut.of(requirement, error) for requirement in demands[name].group]
    raise error


def _error(failure: NoneFound, wanted: Wanted, demands: Mapping[ImageName, Demand], known: Knowledge) -> D8Error:
    demand = demands.get(failure.name)
    if failure.name != failure.root or demand is None or failure.tried:
        return unresolved(failure, wanted)
    late = {tag for tag, _ in failure.rejected}
    tags = [tag for tag in known.tags.get(demand.name, ()) if tag not in late]
    error = replace(demand, group=(*demand.group, *failure.ranges), tags=tags).nothing_allowed()
    cutoff = wanted.selection.created_before
    if cutoff is None or not known.dates:
        return error
    if late and not tags:
        error = NotFoundError(f"--exclude-newer leaves no version of {demand.name}", code="no-such-version")
    return error.within(
        more=f"versions without a date, or from {spelled(cutoff)} on, are excluded",
        hint=f"see `d8-installer lock --explain {demand.name}` with the same --exclude-newer",
    )


# -- the choices -------------------------------------------------------------------------------------------------------


def _resolution(found: FoundVersions, wanted: Wanted, known: Knowledge) -> Resolution:
    final = asking_among(found.picks, wanted)
    demands = demands_of(final)
    choices, held = [], list[HeldBack]()
    for name, demand in demands.items():
        choice = _choice(demand, found.picks[name])
        choices.append(choice)
        held += _held_back(replace(demand, tags=known.tags.get(name, ())), choice)
    return Resolution(
        (*choices, *kept_choices(final, demands)),
        held=tuple(held),
        passed_over=found.passed_over,
        missing_facts=found.missing,
    )


def _choice(demand: Demand, pick: Pick) -> Choice:
    locked, upgrade = demand.locked, demand.wanted.selection.upgrade
    choice = Choice(name=demand.name, tag=pick.tag, requirements=demand.group, locked=locked, contract=pick.contract)
    if locked is None:
        return choice
    stays = pick.tag == locked.version and upgrade is not None and demand.name not in upgrade
    is_current, adds = stays and demand.is_current, bool(demand.wanted.adds)
    relined = None if adds or is_current or not stays else demand.relined
    if relined is not None:
        return replace(choice, locked=relined, kept=True)
    return replace(
        choice,
        kept=is_current and not adds,
        grows=is_current and adds,
        kept_requests=demand.wanted.kept_requests(locked),
    )


def _unread(resolution: Resolution, wanted: Wanted, known: Knowledge) -> list[ContractOf]:
    """Return the questions for the contracts of versions that are pinned again and were not read."""
    questions = Questions.of(wanted)
    found: list[ContractOf] = []
    for choice in resolution.choices:
        if not (choice.kept or choice.grows):
            question = questions.contract(choice.name, choice.tag)
            if question in known.broken:
                raise known.broken[question]
            if question not in known.contracts:
                found.append(question)
    return found


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

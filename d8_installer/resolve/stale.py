"""Where a lock does not match what is wanted, in words for people. Asks the source nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.requirement import requester_of
from d8_installer.model.resolution import Detail, Difference
from d8_installer.resolve.demand import demands_of, kept_choices
from d8_installer.resolve.dependencies import unmet_conditions, with_needs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from d8_installer.model.lock import LockedImage
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Wanted
    from d8_installer.resolve.demand import Demand
    from d8_installer.resolve.dependencies import Bound

_NOTHING = "nothing"


def staleness(wanted: Wanted) -> tuple[Difference, ...]:
    """Return, image by image, where the lock does not match what is wanted; empty if it is current.

    What locked images need of each other is in the lock, so no source is asked for it.
    """
    wanted = with_needs(wanted)
    demands = demands_of(wanted)
    differences = []
    for demand in demands.values():
        if demand.locked is None:
            differences.append(_unlocked(demand))
        elif not demand.is_current or not demand.will_do:
            differences.append(_outdated(demand, demand.locked))
    kept = {choice.name: choice.locked for choice in kept_choices(wanted, demands)}
    unwanted = (image for image in wanted.locked.images if image.name not in demands and kept.get(image.name) != image)
    outside = (_outside(bound, image) for bound, image in unmet_conditions(wanted))
    return (*differences, *outside, *map(_unwanted, unwanted))


def _outside(bound: Bound, image: LockedImage) -> Difference:
    """Return the difference for an image that another one wants in a range, if it is there at all."""
    where = f"{bound.constraint} of {requester_of(bound.by)}"
    return Difference(
        image=image.name,
        problem=f"{image.name} is locked at {image.version}, which {requester_of(bound.by)} ({bound.constraint})"
        " does not allow beside it",
        details=(Detail("the version", image.version, where),),
    )


def _outdated(demand: Demand, locked: LockedImage) -> Difference:
    group, wanted, requests = demand.group, demand.wanted, demand.live_requests()
    refusing = [requirement for requirement in group if not requirement.allows(locked.version)]
    if wanted.locked.is_altered(locked):
        problem = f"the entry of {locked.name} is not as it was written: it was edited by hand, or joined by git"
    elif refusing:
        who = " and ".join(f"{r.requester} ({r.range})" for r in refusing)
        problem = f"{locked.name} is locked at {locked.version}, which {who} does not allow"
    elif requests != demand.request_hashes():
        changed = [r for r in group if requests.get(r.requester) != r.request.hash]
        problem = f"{locked.name} is locked for another request than that of {_names_of(changed or group)}"
    elif locked.demanded != wanted.platforms:
        both = f"{_listed(locked.demanded)}, and {_listed(wanted.platforms)} wanted"
        problem = f"{locked.name} is locked for other `platforms` than the project's ({both})"
    else:
        problem = f"{locked.name} is not locked as {_names_of(group)} asks for it"
    outsiders = {r.requester for r in refusing} - requests.keys() if len(refusing) < len(group) else ()
    return Difference(
        image=locked.name,
        problem=problem,
        details=tuple(_details(demand, locked)),
        outsiders=tuple(sorted(outsiders)),
    )


def _unlocked(demand: Demand) -> Difference:
    details = tuple(Detail(f"the request of {r.requester}", _NOTHING, r.range) for r in demand.group)
    problem = f"{demand.name} is wanted by {_names_of(demand.group)} and not locked"
    return Difference(image=demand.name, problem=problem, details=details)


def _unwanted(image: LockedImage) -> Difference:
    who = " and ".join(requester for requester, _ in image.requests)
    detail = Detail("the version", f"{image.version} for {who}", _NOTHING)
    return Difference(
        image=image.name, problem=f"{image.name} is locked and no requester here wants it", details=(detail,)
    )


def _details(demand: Demand, locked: LockedImage) -> Iterator[Detail]:
    requests, group = demand.live_requests(), demand.group
    asked = {requirement.requester: requirement.request for requirement in group}
    for who in sorted(requests.keys() | asked.keys()):
        hashed, request = requests.get(who), asked.get(who)
        if request is None or hashed != request.hash:
            now = _NOTHING if request is None else f"{request.version.text} ({request.hash})"
            yield Detail(f"the request of {who}", _NOTHING if hashed is None else str(hashed), now)
    for requirement in group:
        who, request = requirement.requester, requirement.request
        if not requirement.allows(locked.version):
            yield Detail("the version", locked.version, f"{request.version.text} of {who}")
        if request.digest not in (None, locked.top):
            yield Detail("the index", str(locked.top), f"{request.digest} of {who}")
    binaries = {name: member for requirement in group for name, member in requirement.request.binaries}
    for name in demand.missing_binaries():
        yield Detail(f"the binary {name}", str(dict(locked.binaries).get(name, _NOTHING)), binaries[name])
    if missing := demand.missing_platforms():
        yield Detail("the platforms", _listed(key for key, _ in locked.platforms), f"{_listed(missing)} too")
    for what in demand.excess():
        yield Detail(what, "in the entry", _NOTHING)
    if locked.demanded != demand.wanted.platforms:
        yield Detail("the demanded platforms", _listed(locked.demanded), _listed(demand.wanted.platforms))


def _names_of(group: Sequence[Requirement]) -> str:
    return " and ".join(requirement.requester for requirement in group)


def _listed(platforms: Iterable[object]) -> str:
    return ", ".join(map(str, platforms)) or "none"

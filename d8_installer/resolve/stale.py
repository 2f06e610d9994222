"""Where a lock does not say what is wanted, in words for people. Asks nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.resolution import Detail, Difference
from d8_installer.resolve.demand import (
    absent,
    allows,
    by_image,
    excess,
    is_current,
    lines_here,
    locked_will_do,
    missing_binaries,
    missing_platforms,
    names_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from d8_installer.model.lock import LockedImage
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Wanted

_NOTHING = "nothing"


def staleness(wanted: Wanted) -> tuple[Difference, ...]:
    """Say, image by image, where the lock does not match what is wanted; empty when it is current."""
    groups = by_image(wanted.requirements)
    differences = []
    for name, group in groups.items():
        locked = wanted.locked.find(name)
        if locked is None:
            differences.append(_unlocked(name, group))
        elif not is_current(wanted, locked, group) or not locked_will_do(wanted, name, group):
            differences.append(_outdated(wanted, locked, group))
    kept = {choice.name: choice.locked for choice in absent(wanted, groups)}
    unwanted = (i for i in wanted.locked.images if i.name not in groups and kept.get(i.name) != i)
    return (*differences, *map(_unwanted, unwanted))


def _outdated(wanted: Wanted, locked: LockedImage, group: Sequence[Requirement]) -> Difference:
    lines = lines_here(wanted, locked)
    refusing = [requirement for requirement in group if not allows(requirement, locked.version)]
    asked = {requirement.requester: requirement.request.hash for requirement in group}
    if wanted.locked.is_altered(locked):
        problem = f"the entry of {locked.name} is not as it was written: it was edited by hand, or joined by git"
    elif refusing:
        who = " and ".join(f"{r.requester} ({r.request.version.text})" for r in refusing)
        problem = f"{locked.name} is locked at {locked.version}, which {who} does not allow"
    elif lines != asked:
        changed = [r for r in group if lines.get(r.requester) != r.request.hash]
        problem = f"{locked.name} is locked for another request than that of {names_of(changed or group)}"
    elif locked.demanded != wanted.platforms:
        said = f"{_listed(locked.demanded)}, and {_listed(wanted.platforms)} wanted"
        problem = f"{locked.name} is locked for other `platforms` than the project's ({said})"
    else:
        problem = f"{locked.name} is locked otherwise than {names_of(group)} asks for"
    outsiders = {r.requester for r in refusing} - lines.keys() if len(refusing) < len(group) else ()
    return Difference(
        image=locked.name,
        problem=problem,
        details=tuple(_details(wanted, locked, group)),
        outsiders=tuple(sorted(outsiders)),
    )


def _unlocked(name: ImageName, group: Sequence[Requirement]) -> Difference:
    details = tuple(Detail(f"the request of {r.requester}", _NOTHING, str(r.request.version.text)) for r in group)
    return Difference(image=name, problem=f"{name} is wanted by {names_of(group)} and not locked", details=details)


def _unwanted(image: LockedImage) -> Difference:
    who = " and ".join(requester for requester, _ in image.requests)
    detail = Detail("the version", f"{image.version} for {who}", _NOTHING)
    return Difference(image=image.name, problem=f"{image.name} is locked and nobody here wants it", details=(detail,))


def _details(wanted: Wanted, locked: LockedImage, group: Sequence[Requirement]) -> Iterator[Detail]:
    lines = lines_here(wanted, locked)
    asked = {requirement.requester: requirement.request for requirement in group}
    for who in sorted(lines.keys() | asked.keys()):
        line, request = lines.get(who), asked.get(who)
        if request is None or line != request.hash:
            said = _NOTHING if request is None else f"{request.version.text} ({request.hash})"
            yield Detail(f"the request of {who}", _NOTHING if line is None else str(line), said)
    for requirement in group:
        if not allows(requirement, locked.version):
            yield Detail(
                "the version", locked.version, f"{requirement.request.version.text} of {requirement.requester}"
            )
        if requirement.request.digest not in (None, locked.top):
            yield Detail("the index", str(locked.top), f"{requirement.request.digest} of {requirement.requester}")
    binaries = {name: member for r in group for name, member in r.request.binaries}
    for name in missing_binaries(locked, group):
        yield Detail(f"the binary {name}", str(dict(locked.binaries).get(name, _NOTHING)), binaries[name])
    if missing := missing_platforms(locked, group):
        yield Detail("the platforms", _listed(key for key, _ in locked.platforms), f"{_listed(missing)} too")
    for what in excess(wanted, locked, group):
        yield Detail(what, "in the entry", _NOTHING)
    if locked.demanded != wanted.platforms:
        yield Detail("the demanded platforms", _listed(locked.demanded), _listed(wanted.platforms))


def _listed(platforms: Iterable[object]) -> str:
    return ", ".join(map(str, platforms)) or "none"

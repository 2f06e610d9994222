"""What images need of each other (rpp.md §8): bounds, who reaches whom, and the requests that follow. Pure.

An image needs others because its contract says so; the lock has the same in ``needs`` and ``needs_if_present``, so all
of this can be said of a lock without any source. A mandatory need is a request as any other one: its requester is
``image:NAME``, it holds the constraint, the default binary, and the platforms that are asked of the dependent. It is
there as long as that image is locked. A need that counts only if the image is present asks for nothing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.contract import BUILT_IN
from d8_installer.model.lock import ANY_PLATFORM
from d8_installer.model.platform import Platform
from d8_installer.model.reference import ImageName
from d8_installer.model.requirement import Request, Requirement, default_binaries, needing_image, requester_of
from d8_installer.model.value import Struct, replace
from d8_installer.model.version import Specifier, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from d8_installer.model.contract import Contract, Need
    from d8_installer.model.lock import LockedImage
    from d8_installer.model.resolution import Wanted
    from d8_installer.model.version import Compat


class Bound(Struct, frozen=True, kw_only=True):
    """What the image *by* needs of *name*: a version in the range of *constraint*, ``""`` for any.

    It is *mandatory*, or counts only if *name* is present.
    """

    by: ImageName
    name: ImageName
    constraint: str
    mandatory: bool = True

    def allows(self, tag: str) -> bool:
        """Whether *tag* is in the range. A constraint means the raw version, with its pre-release part (§6.3)."""
        if not self.constraint:
            return True
        version = Version.try_parse(tag)
        return version is not None and Specifier.parse(self.constraint, compat="go").allows(version)

    def excludes(self, tag: str, compat: Compat) -> bool:
        """Whether an installed image with this bound excludes *tag*.

        The Go tool reads a constraint that is empty or malformed as one that excludes all (rpp.md §16).
        """
        if compat == "d8":
            return not self.allows(tag)
        try:
            return not self.constraint or not self.allows(tag)
        except DocumentError:
            return True

    @property
    def requirement(self) -> Requirement:
        """The bound as a requirement, with no platforms of its own."""
        return Requirement(requester_of(self.by), Request.of_need(self.name, self.constraint, None, optional=False))


class Pick(Struct, frozen=True, kw_only=True):
    """One version of an image that is or may be taken, and what it needs of others.

    ``is_locked``: it is the lock's, and its bounds are those that the lock has. ``contract`` is what the source says of
    the version, as far as it was asked.
    """

    name: ImageName
    tag: str
    bounds: tuple[Bound, ...] = ()
    contract: Contract | None = None
    is_locked: bool = False

    @classmethod
    def of_lock(cls, image: LockedImage) -> Pick:
        """Return what the lock says of *image*."""
        needs = [(True, pair) for pair in image.needs] + [(False, pair) for pair in image.needs_if_present]
        bounds = tuple(
            Bound(by=image.name, name=ImageName(name), constraint=constraint, mandatory=mandatory)
            for mandatory, (name, constraint) in needs
        )
        return cls(name=image.name, tag=image.version, bounds=bounds, is_locked=True)

    @property
    def mandatory(self) -> Iterator[Bound]:
        """The bounds on images that are installed along."""
        return (bound for bound in self.bounds if bound.mandatory)


def bounds_of(
    contract: Contract | None, name: ImageName, tag: str, built_in: frozenset[str] = BUILT_IN, *, compat: Compat = "d8"
) -> tuple[Bound, ...]:
    """Return what the *contract* of a version needs of other images, in its order, each image at most twice.

    A name that is none and a constraint that cannot be read are DocumentErrors that name the version. Plugins that are
    *built_in* count only if an image of that name is there, and for "go" never (rpp.md §8).
    """
    if contract is None:
        return ()
    needs = [(True, need) for need in contract.plugins.mandatory] + [(False, n) for n in contract.plugins.conditional]
    ranges: dict[tuple[str, bool], list[str]] = {}
    bounds = []
    for is_mandatory, need in needs:
        if compat == "go":  # it reads constraints one by one, and when they matter
            other = ImageName(need.name)
            bounds.append(Bound(by=name, name=other, constraint=need.constraint, mandatory=is_mandatory))
            continue
        _refuse_unreadable(need, name, tag)
        if is_mandatory:
            _refuse_unplaceable(need, name, tag)
        if need.name != name.short or is_mandatory:  # a version is never present beside itself
            ranges.setdefault((need.name, is_mandatory and need.name not in built_in), []).append(need.constraint)
    if compat == "go":
        return tuple(bound for bound in bounds if bound.name.short not in built_in)
    return tuple(
        Bound(by=name, name=ImageName(other), constraint=_joined(constraints), mandatory=mandatory)
        for (other, mandatory), constraints in ranges.items()
    )


def _refuse_unreadable(need: Need, name: ImageName, tag: str) -> None:
    hint = f"ask the publisher of {name} for a repaired contract, or ask for another version"
    try:
        ImageName.parse(need.name)
    except DocumentError as error:
        raise DocumentError(
            f"the contract of {name} {tag} needs a plugin whose name {error.problem}",
            hint=hint,
            code="bad-contract",
        ) from error
    try:
        Specifier.parse(need.constraint or "*", compat="go")
    except DocumentError as error:
        raise DocumentError(
            f"the contract of {name} {tag} needs {need.name}, but {error.problem}",
            hint=hint,
            code="bad-contract",
        ) from error


def _refuse_unplaceable(need: Need, name: ImageName, tag: str) -> None:
    """Raise a DocumentError for a needed image whose name no binary may have: a need names no other one."""
    try:
        default_binaries(ImageName(need.name))
    except DocumentError as error:
        raise DocumentError(
            f"the contract of {name} {tag} needs {need.name}, and {error.problem}",
            hint=f"ask the publisher of {name} to rename that plugin, or ask for another version",
            code="bad-contract",
        ) from error


def _joined(constraints: Iterable[str]) -> str:
    """Return one constraint that allows what all of *constraints* allow."""
    joined = [""]
    for constraint in dict.fromkeys(filter(None, constraints)):
        joined = [f"{one}, {other.strip()}" if one else other for one in joined for other in constraint.split("||")]
    return " || ".join(joined)


def bounds_on(name: ImageName, picks: Iterable[Pick]) -> tuple[Bound, ...]:
    """Return what *picks* need of *name*."""
    return tuple(bound for pick in picks for bound in pick.bounds if bound.name == name and bound.by != name)


def reached(picks: Mapping[ImageName, Pick], roots: Iterable[ImageName]) -> dict[ImageName, Pick]:
    """Return those of *picks* that *roots* are, or need, or whose needs need them; in the order of *picks*."""
    found: set[ImageName] = set()
    waiting = [name for name in roots if name in picks]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += (bound.name for bound in picks[name].mandatory if bound.name in picks)
    return {name: pick for name, pick in picks.items() if name in found}


def chain(picks: Mapping[ImageName, Pick], start: ImageName, end: ImageName) -> tuple[ImageName, ...]:
    """Return the images on a way of mandatory needs from *start* to *end*, or nothing if there is no way."""
    before: dict[ImageName, ImageName | None] = {start: None}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name == end:
            return _way(before, end)
        for bound in picks[name].mandatory if name in picks else ():
            if bound.name not in before:
                before[bound.name] = name
                waiting.append(bound.name)
    return ()


def _way(before: Mapping[ImageName, ImageName | None], end: ImageName) -> tuple[ImageName, ...]:
    way: list[ImageName] = []
    at: ImageName | None = end
    while at is not None:
        way.append(at)
        at = before[at]
    return tuple(reversed(way))


# -- requests ----------------------------------------------------------------------------------------------------------


def without_needs(wanted: Wanted) -> Wanted:
    """Return *wanted* with the requirements of manifests and plugins alone."""
    direct = tuple(one for one in wanted.requirements if needing_image(one.requester) is None)
    return wanted if len(direct) == len(wanted.requirements) else replace(wanted, requirements=direct)


def with_needs(wanted: Wanted) -> Wanted:
    """Return *wanted* with the requests of the images that the lock has for what is wanted, and that need others."""
    wanted = without_needs(wanted)
    if not any(image.needs for image in wanted.locked.images):
        return wanted
    return asking_among(_locked_picks(wanted), wanted)


def roots_of(wanted: Wanted) -> set[ImageName]:
    """Return the images that a manifest or a plugin asks for, or that are locked for one that is not here."""
    asked = {one.request.name for one in wanted.requirements if needing_image(one.requester) is None}
    return asked | {image.name for image in wanted.locked.images if wanted.kept_requests(image)}


def _locked_picks(wanted: Wanted) -> dict[ImageName, Pick]:
    return reached({image.name: Pick.of_lock(image) for image in wanted.locked.images}, roots_of(wanted))


def unmet_conditions(wanted: Wanted) -> Iterator[tuple[Bound, LockedImage]]:
    """Yield the bounds that count only if their image is present, and that the lock's version of it is outside of."""
    if not any(image.needs_if_present for image in wanted.locked.images):
        return
    picks = _locked_picks(wanted)
    for pick in picks.values():
        for bound in pick.bounds:
            image = wanted.locked.find(bound.name)
            is_beside = not bound.mandatory and bound.name in picks and bound.name != bound.by
            if is_beside and image is not None and not bound.allows(image.version):
                yield bound, image


def asking_among(picks: Mapping[ImageName, Pick], wanted: Wanted) -> Wanted:
    """Return *wanted* with the requests that *picks* make of each other.

    A dependency is asked for on the platforms on which its dependent is asked for. Where that is not known, because a
    requester of the dependent is not here, the request stays as it is locked.
    """
    asked: dict[ImageName, list[Requirement]] = defaultdict(list)
    for requirement in wanted.requirements:
        asked[requirement.request.name].append(requirement)
    lines: set[tuple[ImageName, str]] = set()
    more: list[Requirement] = []
    for pick in _dependents_first(picks):
        terms = _Terms.of(pick, [one.request for one in asked[pick.name]], wanted, lines)
        for bound in pick.mandatory:
            who, other = requester_of(pick.name), wanted.locked.find(bound.name)
            is_written = other is not None and who in dict(other.requests) and bound.allows(other.version)
            if pick.is_locked and is_written and not terms.is_known:
                lines.add((bound.name, who))
                continue
            request = Request.of_need(bound.name, bound.constraint, terms.platforms, optional=terms.optional)
            requirement = Requirement(who, request)
            asked[bound.name].append(requirement)
            more.append(requirement)
    kept = replace(wanted.kept, left_out=wanted.kept.left_out | lines) if lines else wanted.kept
    return replace(wanted, requirements=(*wanted.requirements, *more), kept=kept)


class _Terms(Struct, frozen=True, kw_only=True):
    """On which platforms an image is asked for (None: all), and whether a missing one is no error.

    They are not *known* if a request for the image is only in the lock.
    """

    platforms: tuple[Platform, ...] | None
    optional: bool
    is_known: bool

    @classmethod
    def of(cls, pick: Pick, requests: Iterable[Request], wanted: Wanted, lines: set[tuple[ImageName, str]]) -> _Terms:
        asked = tuple(requests)
        locked = wanted.locked.find(pick.name)
        kept = locked is not None and (
            bool(wanted.kept_requests(locked)) or any((pick.name, who) in lines for who, _ in locked.requests)
        )
        optional = all(request.optional for request in asked)
        if any(request.platforms is None for request in asked):
            return cls(platforms=None, optional=optional, is_known=not kept or not optional)
        listed = {platform for request in asked for platform in request.platforms or ()}
        if locked is None or not kept:
            return cls(platforms=tuple(sorted(listed)) or None, optional=optional, is_known=True)
        # Which platforms an absent requester asks for is not known here: they are among those that are locked.
        keys = {key for key, _ in locked.platforms}
        pinned = None if ANY_PLATFORM in keys else tuple(sorted(listed | set(map(Platform.parse, keys))))
        return cls(platforms=pinned, optional=optional and locked.optional, is_known=False)


def _dependents_first(picks: Mapping[ImageName, Pick]) -> Iterator[Pick]:
    """Yield *picks*, each after those that need it, by name where nothing else decides; a cycle is cut by name."""
    waiting = dict.fromkeys(sorted(picks), 0)
    for pick in picks.values():
        for bound in pick.mandatory:
            if bound.name in waiting and bound.name != pick.name:
                waiting[bound.name] += 1
    ready = [name for name, dependents in waiting.items() if not dependents]
    while waiting:
        name = ready.pop(0) if ready else next(iter(waiting))
        if waiting.pop(name, None) is None:
            continue
        yield picks[name]
        for bound in picks[name].mandatory:
            if bound.name in waiting and bound.name != name:
                waiting[bound.name] -= 1
                if not waiting[bound.name]:
                    ready.append(bound.name)

"""From a lock, the active generation and a platform to a Plan: what to fetch, link and unlink. Pure; start here.

    lock ── select(platform) ──► builds ── naming ──► target (what should be in place)
                                                         │  compare with the active generation
                                                         ▼
    Plan = Fetch (layers that the store lacks) + Link (new or changed) + Unlink (no longer wanted)

Applying a plan decides nothing, and a plan that is made after it was applied is empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import NotFoundError
from d8_installer.model.plan import Fetch, Link, Plan, Unlink
from d8_installer.model.value import Struct, field, replace
from d8_installer.plan.naming import Build, Policy, assign_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from d8_installer.model.digest import Digest
    from d8_installer.model.generation import Generation, Placement
    from d8_installer.model.lock import Lock, LockedImage
    from d8_installer.model.platform import Platform
    from d8_installer.model.reference import ImageName
    from d8_installer.model.source import LayerRequest, Provenance


class Situation(Struct, frozen=True, kw_only=True):
    """Where a plan starts: the platform, what is in place, and which members of which layers the store has.

    ``proven`` has the provenance by which each layer was seen to be reached, ``lost`` what the active generation
    should have in place and does not.
    """

    platform: Platform
    active: Generation | None
    stored: Mapping[Digest, Collection[str]]
    policy: Policy = Policy()
    proven: Mapping[Digest, Collection[Provenance]] = field(default_factory=dict)
    lost: frozenset[Placement] = frozenset()

    def lacks(self, placement: Placement) -> bool:
        """Whether the store does not have the file of *placement*."""
        return placement.member not in self.stored.get(placement.layer, ())


def make_plan(lock: Lock, situation: Situation) -> Plan:
    """Return the steps from the active generation to *lock*.

    Raises NotFoundError if an image that the profile's own manifest wants is not locked for the platform (and not
    optional), and ConflictError if two such images offer one binary name and ``owners`` picks none. Faults of images
    that only plugins want are in the plan's ``problems``, and the rest goes on.
    """
    builds, absent = _select(lock, situation.platform)
    own = lock.needed_by(image.name for image in lock.images if image.is_own) if absent else frozenset()
    missing = [_missing(image, situation.platform, own) for image in absent if not image.optional]
    naming = assign_names(builds, situation.policy, situation.active, situation.platform.executable_suffix)
    target = naming.target
    return Plan(
        platform=situation.platform,
        steps=(*_fetches(builds, target, situation), *_links(target, situation), *_unlinks(target, situation)),
        target=target,
        skipped=tuple(image.name for image in absent if image.optional),
        problems=(*missing, *naming.contests),
        unproven=tuple(_unproven(builds, target, situation)),
    )


def _select(lock: Lock, platform: Platform) -> tuple[list[Build], list[LockedImage]]:
    """Return the builds for *platform*, and the images that are not locked for it."""
    builds, absent = [], []
    for image in lock.images:
        if image.pin_for(platform) is None:
            absent.append(image)
        else:
            builds.append(Build(image, image.layer_request(platform)))
    return builds, absent


def _missing(image: LockedImage, platform: Platform, needed: Collection[ImageName]) -> NotFoundError:
    """Return the error for an image that is not locked for *platform*.

    Raise it if the person wants the image, or if it is *needed* by one that the person wants.
    """
    offered = ", ".join(key for key, _ in image.platforms)
    is_needed = image.name in needed and not image.is_own
    way = (
        "what needs it cannot do without it"
        if is_needed
        else "set `optional = true` in the manifest to go on without it"
    )
    error = NotFoundError(
        f"{image.name} {image.version} has no build for {platform}",
        hint=f"it is locked for {offered}; {way}",
        code="no-build-for-platform",
    )
    if image.is_own or image.name in needed:
        raise error
    return error


def _fetches(builds: Iterable[Build], target: Iterable[Placement], situation: Situation) -> Iterator[Fetch]:
    needed: dict[tuple[ImageName, Digest], set[str]] = {}
    for placement in target:
        if situation.lacks(placement):
            needed.setdefault((placement.name, placement.layer), set()).add(placement.member)
    for build in builds:
        members = needed.get((build.image.name, build.request.layer))
        if members:
            yield Fetch(name=build.image.name, request=build.request, members=tuple(sorted(members)))


def _unproven(builds: Iterable[Build], target: Sequence[Placement], situation: Situation) -> Iterator[LayerRequest]:
    """Yield the layers that the store has, but perhaps by way of another image, tag or platform than the lock's."""
    placed = {(placement.name, placement.layer) for placement in target}
    # The provenance of a layer that is fetched is proven on the way.
    fetched = {(placement.name, placement.layer) for placement in target if situation.lacks(placement)}
    for build in builds:
        request, key = build.request, (build.image.name, build.request.layer)
        is_proven = request.provenance in situation.proven.get(request.layer, ())
        if key in placed and key not in fetched and not is_proven:
            yield request


def _links(target: Iterable[Placement], situation: Situation) -> Iterator[Link]:
    active = situation.active
    same_platform = active is not None and active.platform == situation.platform
    before = {_key(placed.placement): placed.placement for placed in active.placed} if active is not None else {}
    for placement in target:
        old = before.get(_key(placement))
        is_sound = same_platform and placement not in situation.lost and old not in situation.lost
        if old != placement or not is_sound:
            same_file = is_sound and old is not None and old == _as_placed(placement, old)
            yield Link(placement, None if old is None else old.version, same_file)


def _as_placed(placement: Placement, old: Placement) -> Placement:
    """Return *placement* with all of *old* that changes no file in the store."""
    return replace(placement, requests=old.requests, contract=old.contract, gated=old.gated)


def _unlinks(target: Iterable[Placement], situation: Situation) -> Iterator[Unlink]:
    stays = {_key(placement) for placement in target}
    for placed in situation.active.placed if situation.active is not None else ():
        if _key(placed.placement) not in stays:
            yield Unlink(placed.placement)


def _key(placement: Placement) -> tuple[str, ImageName]:
    """Return what identifies a placement: two images may offer one name, and only one of them is in ``bin``."""
    return placement.binary, placement.name

"""Lock x generation x platform -> Plan: what must be fetched, linked and unlinked. Pure; begin reading here.

    lock ── select(platform) ──► placements (what should be in place)
                                     │  compare with the active generation
                                     ▼
    Plan = Fetch (layers that the store lacks) + Link (new or changed) + Unlink (no longer wanted)

Applying a plan makes no choice, and a plan made after applying it is empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError, NotFoundError
from d8_installer.model.generation import Generation, Placement
from d8_installer.model.plan import Fetch, Link, Plan, Step, Unlink
from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.model.source import LayerRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import Lock, LockedImage, Pin
    from d8_installer.model.platform import Platform
    from d8_installer.model.reference import ImageName


@dataclass(frozen=True, slots=True)
class Policy:
    """What the person's configuration and PATH say about names in ``bin``.

    ``owners``: binary name to the image that wins it; ``shadowed``: names that already are commands elsewhere;
    ``allow``: images and requesters that may take such a name; ``reserved``: names that nobody may take.
    """

    owners: Mapping[str, str] = field(default_factory=dict)
    shadowed: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    reserved: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a plan starts: the platform, what is in place, and which members of which layers the store has."""

    platform: Platform
    active: Generation | None
    stored: Mapping[Digest, Collection[str]]
    policy: Policy = Policy()


def make_plan(lock: Lock, situation: Situation) -> Plan:
    """Return the steps from the active generation to *lock*.

    Raises NotFoundError where an image that nobody calls optional is not locked for the platform, ConflictError
    where two images offer one binary name and ``owners`` picks none.
    """
    selected, skipped = _select(lock, situation.platform)
    target = _placements(selected, situation.policy)
    return Plan(
        situation.platform,
        (*_fetches(selected, target, situation), *_links(target, situation), *_unlinks(target, situation)),
        target,
        skipped,
    )


def _select(lock: Lock, platform: Platform) -> tuple[list[tuple[LockedImage, Pin]], tuple[ImageName, ...]]:
    selected, skipped = [], []
    for image in lock.images:
        pin = image.pin_for(platform)
        if pin is not None:
            selected.append((image, pin))
        elif image.optional:
            skipped.append(image.name)
        else:
            offered = ", ".join(key for key, _ in image.platforms)
            raise NotFoundError(
                f"{image.name} {image.version} has no build for {platform}",
                hint=f"it is locked for {offered}; set `optional = true` in the manifest to go on without it",
            )
    return selected, tuple(skipped)


def _placements(selected: Iterable[tuple[LockedImage, Pin]], policy: Policy) -> tuple[Placement, ...]:
    taken: dict[str, tuple[LockedImage, Placement]] = {}
    for image, pin in selected:
        for binary, member in image.binaries:
            owner = policy.owners.get(binary)
            if owner not in (None, image.name.short):
                continue
            if binary in taken:
                raise ConflictError(
                    f"{taken[binary][0].name} and {image.name} both offer the binary {binary!r}",
                    hint=f"pick one: `d8-installer config set owners.{binary} {image.name}`",
                )
            hashes = tuple(sorted(request for _, request in image.requests))
            placement = Placement(
                binary, image.name, image.version, pin.layer, member, hashes, _may_take(binary, image, policy)
            )
            taken[binary] = (image, placement)
    return tuple(sorted(placement for _, placement in taken.values()))


def _may_take(binary: str, image: LockedImage, policy: Policy) -> bool:
    if binary in policy.reserved:
        return False
    requesters = {requester for requester, _ in image.requests}
    trusted = OWN_MANIFEST in requesters or image.name.short in policy.allow or bool(requesters & policy.allow)
    return trusted or binary not in policy.shadowed


def _fetches(
    selected: Iterable[tuple[LockedImage, Pin]], target: Iterable[Placement], situation: Situation
) -> Iterable[Step]:
    needed: dict[tuple[ImageName, Digest], set[str]] = {}
    for placement in target:
        if placement.member not in situation.stored.get(placement.layer, ()):
            needed.setdefault((placement.name, placement.layer), set()).add(placement.member)
    for image, pin in selected:
        members = needed.get((image.name, pin.layer))
        if members:
            # A single ImageManifest is asked for with the platform all the same: the proxy ignores it there.
            request = LayerRequest(
                image.name.path,
                image.version,
                situation.platform,
                image.index,
                pin.child,
                pin.layer,
                pin.size,
            )
            yield Fetch(image.name, request, tuple(sorted(members)))


def _links(target: Iterable[Placement], situation: Situation) -> Iterable[Step]:
    active = situation.active
    same_platform = active is not None and active.platform == situation.platform
    before = {placed.placement.binary: placed.placement for placed in active.placed} if active is not None else {}
    for placement in target:
        old = before.get(placement.binary)
        if old != placement or not same_platform:
            yield Link(placement, None if old is None else old.version)


def _unlinks(target: Iterable[Placement], situation: Situation) -> Iterable[Step]:
    stays = {placement.binary for placement in target}
    for placed in situation.active.placed if situation.active is not None else ():
        if placed.placement.binary not in stays:
            yield Unlink(placed.placement)

"""Lock x generation x platform -> Plan: what must be fetched, linked and unlinked. Pure; begin reading here.

    lock ── select(platform) ──► placements (what should be in place)
                                     │  compare with the active generation
                                     ▼
    Plan = Fetch (layers that the store lacks) + Link (new or changed) + Unlink (no longer wanted)

Applying a plan makes no choice, and a plan made after applying it is empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError, NotFoundError
from d8_installer.model.generation import Generation, Placement
from d8_installer.model.plan import Fetch, Link, Plan, Step, Unlink
from d8_installer.model.reference import ImageName, is_never_a_plugins
from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.model.value import Struct, field, replace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import Lock, LockedImage, Pin
    from d8_installer.model.platform import Platform
    from d8_installer.model.source import LayerRequest, Provenance


class Policy(Struct, frozen=True, kw_only=True):
    """What the person's configuration and PATH say about names in ``bin``.

    ``owners``: binary name to the image that wins it; ``shadowed``: names that already are commands elsewhere;
    ``allow``: images and plugins that may take such a name, or one that no plugin gets otherwise; ``reserved``: names
    that nobody may take; ``asked``: who asks for which binary of which image, None where only the lock is known, which
    says who wants an image and not under which names.
    """

    owners: Mapping[str, str] = field(default_factory=dict)
    shadowed: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    reserved: frozenset[str] = frozenset()
    asked: Mapping[tuple[str, str], frozenset[str]] | None = None


class Situation(Struct, frozen=True, kw_only=True):
    """Where a plan starts: the platform, what is in place, and which members of which layers the store has.

    ``proven``: the provenance by which each layer was seen to be reached.
    ``lost``: what the active generation should have in place and has not.
    """

    platform: Platform
    active: Generation | None
    stored: Mapping[Digest, Collection[str]]
    policy: Policy = Policy()
    proven: Mapping[Digest, Collection[Provenance]] = field(default_factory=dict)
    lost: frozenset[Placement] = frozenset()


def make_plan(lock: Lock, situation: Situation) -> Plan:
    """Return the steps from the active generation to *lock*.

    Raises NotFoundError where an image that the profile's own manifest wants is not locked for the platform (and not
    optional), ConflictError where two such images offer one binary name and ``owners`` picks none. What is wrong with
    images that only plugins want is among the plan's ``problems``, and the rest goes on.
    """
    selected, skipped, missing = _select(lock, situation.platform)
    names = _Names(situation)
    target = names.placements(selected)
    return Plan(
        platform=situation.platform,
        steps=(*_fetches(selected, target, situation), *_links(target, situation), *_unlinks(target, situation)),
        target=target,
        skipped=skipped,
        problems=(*missing, *names.contests),
        unproven=tuple(_unproven(selected, target, situation)),
    )


Selected = tuple["LockedImage", "Pin"]


def _select(lock: Lock, platform: Platform) -> tuple[list[Selected], tuple[ImageName, ...], list[NotFoundError]]:
    selected, skipped, missing = [], [], []
    for image in lock.images:
        pin = image.pin_for(platform)
        if pin is not None:
            selected.append((image, pin))
        elif image.optional:
            skipped.append(image.name)
        else:
            offered = ", ".join(key for key, _ in image.platforms)
            error = NotFoundError(
                f"{image.name} {image.version} has no build for {platform}",
                hint=f"it is locked for {offered}; set `optional = true` in the manifest to go on without it",
            )
            if image.is_own:
                raise error
            missing.append(error)
    return selected, tuple(skipped), missing


class _Names:
    """Who gets which name in ``bin``: one image each, and ``contests`` tells of those that nobody could settle."""

    def __init__(self, situation: Situation) -> None:
        self._policy = situation.policy
        active = situation.active.placed if situation.active is not None else ()
        self._holders = {p.placement.binary: p.placement.name for p in active if p.placement.in_bin}
        self.contests: list[ConflictError] = []

    def placements(self, selected: Iterable[Selected]) -> tuple[Placement, ...]:
        """Return what is to be in place: the binaries of *selected*, without those that nobody could reach."""
        offers: dict[str, list[tuple[LockedImage, Pin, str]]] = {}
        for image, pin in selected:
            for binary, member in image.binaries:
                offers.setdefault(binary, []).append((image, pin, member))
        return tuple(sorted(placed for binary, images in offers.items() for placed in self._of(binary, images)))

    def _of(self, binary: str, offers: list[tuple[LockedImage, Pin, str]]) -> Iterator[Placement]:
        winner = self._winner(binary, [image for image, _, _ in offers])
        for image, pin, member in offers:
            wins = image.name == winner
            if wins or image.plugins:  # a plugin's launcher reaches it all the same
                hashes = tuple(sorted({request for _, request in image.requests}))
                may = wins and _may_take(binary, image, self._policy)
                yield Placement(
                    binary=binary,
                    name=image.name,
                    version=image.version,
                    layer=pin.layer,
                    member=member,
                    requests=hashes,
                    in_bin=may,
                )

    def _winner(self, binary: str, images: Sequence[LockedImage]) -> ImageName | None:
        owner = self._policy.owners.get(binary)
        if owner is not None:
            return ImageName(owner)
        own = [image.name for image in images if is_own(binary, image, self._policy.asked)]
        if len(own) > 1:
            raise _contest(binary, own)
        if own or len(images) == 1:
            return own[0] if own else images[0].name
        holder = self._holders.get(binary)
        names = [image.name for image in images]
        self.contests.append(_contest(binary, names))
        return holder if holder in names else None


def _contest(binary: str, names: Sequence[ImageName]) -> ConflictError:
    return ConflictError(
        f"{' and '.join(map(str, names))} both offer the binary {binary!r}",
        hint=f"pick one: `d8-installer config set owners.{binary} {names[-1]}`",
    )


def _may_take(binary: str, image: LockedImage, policy: Policy) -> bool:
    if binary in policy.reserved:
        return False
    if image.name.short in policy.allow or is_own(binary, image, policy.asked):
        return True
    if not (binary in policy.shadowed or is_never_a_plugins(binary)):
        return True
    known = {} if policy.asked is None else policy.asked
    asking = known.get((image.name.short, binary))
    # Of a plugin that is not here nobody knows what it asked for: then all who want the image must be allowed.
    return bool(asking & policy.allow) if asking else bool(image.plugins) and set(image.plugins) <= policy.allow


def is_own(binary: str, image: LockedImage, asked: Mapping[tuple[str, str], frozenset[str]] | None) -> bool:
    """Whether the person asked for that very name: a plugin may ask for more names of an image that they asked for."""
    if asked is None:
        return image.is_own and not image.plugins
    return OWN_MANIFEST in asked.get((image.name.short, binary), ())


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
            yield Fetch(
                name=image.name, request=image.layer_request(situation.platform), members=tuple(sorted(members))
            )


def _unproven(
    selected: Iterable[Selected], target: Iterable[Placement], situation: Situation
) -> Iterator[LayerRequest]:
    """Yield what the store has already, but perhaps for another image, tag or platform than the lock says."""
    placed = {(placement.name, placement.layer) for placement in target}
    # A layer that is fetched is proven on the way.
    fetched = {(p.name, p.layer) for p in target if p.member not in situation.stored.get(p.layer, ())}
    for image, pin in selected:
        request = image.layer_request(situation.platform)
        if (image.name, pin.layer) in placed - fetched and request.provenance not in situation.proven.get(
            pin.layer, ()
        ):
            yield request


def _links(target: Iterable[Placement], situation: Situation) -> Iterable[Step]:
    active = situation.active
    same_platform = active is not None and active.platform == situation.platform
    before = {_key(placed.placement): placed.placement for placed in active.placed} if active is not None else {}
    for placement in target:
        old = before.get(_key(placement))
        is_sound = same_platform and placement not in situation.lost and old not in situation.lost
        if old != placement or not is_sound:
            same_file = is_sound and old is not None and old == replace(placement, requests=old.requests)
            yield Link(placement, None if old is None else old.version, same_file)


def _unlinks(target: Iterable[Placement], situation: Situation) -> Iterable[Step]:
    stays = {_key(placement) for placement in target}
    for placed in situation.active.placed if situation.active is not None else ():
        if _key(placed.placement) not in stays:
            yield Unlink(placed.placement)


def _key(placement: Placement) -> tuple[str, ImageName]:
    """Two images may offer one name: only one of them is in ``bin``."""
    return placement.binary, placement.name

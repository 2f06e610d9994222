"""Which image gets which name in ``bin``, and which binaries only launchers reach.

A name goes to one image. ``owners`` of the settings decides first, then what the person asked for, then the only image
that offers the name, then the image that has it now. Other images that offer it keep their binary out of ``bin``; the
launchers of the plugins that want them reach it there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError
from d8_installer.model.generation import Placement
from d8_installer.model.reference import ImageName, file_clashes, is_never_a_plugins
from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.model.value import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from d8_installer.model.generation import Generation
    from d8_installer.model.lock import LockedImage
    from d8_installer.model.source import LayerRequest

    Asked = Mapping[tuple[str, str], frozenset[str]]
    """The requesters that ask for a binary of an image, by (image, binary)."""


class Policy(Struct, frozen=True, kw_only=True):
    """What the settings and PATH say about names in ``bin``.

    ``owners`` maps a binary's name to the image that wins it. ``shadowed`` are names that already are commands
    elsewhere, and ``allow`` the images and plugins that may take such a name, or a name that is closed to plugins.
    ``reserved`` are names that no image may take. ``gate`` names the images and binaries whose every run is checked,
    ``*`` for all that have a contract. ``asked`` says who asks for which binary of which image. It is None
    if only the lock was read, which says who wants an image, but not under which names.
    """

    owners: Mapping[str, str] = field(default_factory=dict)
    shadowed: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    reserved: frozenset[str] = frozenset()
    gate: frozenset[str] = frozenset()
    asked: Asked | None = None


class Build(Struct, frozen=True):
    """A locked image that is to be in place, and the request for its layer for the platform."""

    image: LockedImage
    request: LayerRequest


class _Offer(Struct, frozen=True):
    """One binary that a build offers, taken from the file *member* of its layer."""

    build: Build
    binary: str
    member: str


class Naming(Struct, frozen=True):
    """What is to be in place, sorted, and the names that no rule could give to one image."""

    target: tuple[Placement, ...]
    contests: tuple[ConflictError, ...] = ()


def assign_names(builds: Iterable[Build], policy: Policy, active: Generation | None, suffix: str = "") -> Naming:
    """Give each binary's name to one image; a binary that neither ``bin`` nor a launcher reaches is left out.

    Executables end with *suffix* on the platform: with ``.exe``, ``x`` and ``x.exe`` are one name. Raises ConflictError
    if the person asked for one name of two images, or if one image has two binaries of one name.
    """
    offers: dict[str, list[_Offer]] = {}
    for build in builds:
        _refuse_one_file(build.image, suffix)
        for binary, member in build.image.binaries:
            offers.setdefault(binary.removesuffix(suffix), []).append(_Offer(build, binary, member))
    placed = active.placed if active is not None else ()
    holders = {one.placement.binary.removesuffix(suffix): one.placement.name for one in placed if one.placement.in_bin}
    target: list[Placement] = []
    contests: list[ConflictError] = []
    for binary, rivals in offers.items():
        winner = _winner(binary, rivals, policy)
        if winner is None:
            contests.append(_contest(binary, [offer.build.image.name for offer in rivals]))
            winner = holders.get(binary)
        target += _placements(binary, rivals, winner, policy)
    return Naming(tuple(sorted(target, key=lambda placement: placement.sort_key)), tuple(contests))


def is_own(binary: str, image: LockedImage, asked: Asked | None) -> bool:
    """Whether the person asked for this very name; a plugin may ask for more names of an image than the person."""
    if asked is None:
        return image.is_own and not image.plugins
    return OWN_MANIFEST in asked.get((image.name.short, binary), ())


def _refuse_one_file(image: LockedImage, suffix: str) -> None:
    """Raise a ConflictError for two binaries that are one file on Windows; a manifest of this tool has no such two."""
    for short, long in file_clashes(binary for binary, _ in image.binaries) if suffix else ():
        raise ConflictError(
            f"{short!r} and {long!r} of {image.name} are one file on Windows, where .exe is added",
            hint="give one of them another name in the manifest that asks for it",
            code="binary-conflict",
        )


def _winner(binary: str, offers: Sequence[_Offer], policy: Policy) -> ImageName | None:
    owner = next(filter(None, map(policy.owners.get, (binary, *(offer.binary for offer in offers)))), None)
    if owner is not None:
        return ImageName(owner)
    own = [offer.build.image.name for offer in offers if is_own(offer.binary, offer.build.image, policy.asked)]
    if len(own) > 1:
        raise _contest(binary, own)
    if own:
        return own[0]
    return offers[0].build.image.name if len(offers) == 1 else None


def _placements(name: str, offers: Iterable[_Offer], winner: ImageName | None, policy: Policy) -> Iterator[Placement]:
    for offer in offers:
        image = offer.build.image
        wins = image.name == winner
        if wins or image.plugins:  # a plugin's launcher reaches it without a name in bin
            yield Placement(
                binary=offer.binary,
                name=image.name,
                version=image.version,
                layer=offer.build.request.layer,
                member=offer.member,
                requests=tuple(sorted({request for _, request in image.requests})),
                in_bin=wins and name not in policy.reserved and _may_take(offer.binary, image, policy),
                contract=image.contract,
                gated=image.contract is not None and not policy.gate.isdisjoint({"*", offer.binary, image.name.short}),
            )


def _may_take(binary: str, image: LockedImage, policy: Policy) -> bool:
    if binary in policy.reserved:
        return False
    if image.name.short in policy.allow or is_own(binary, image, policy.asked):
        return True
    if not (binary in policy.shadowed or is_never_a_plugins(binary)):
        return True
    asking = {} if policy.asked is None else policy.asked
    requesters = asking.get((image.name.short, binary))
    if requesters:
        return bool(requesters & policy.allow)
    # It is not known which names an absent plugin asked for: then all plugins that want the image must be allowed.
    return bool(image.plugins) and set(image.plugins) <= policy.allow


def _contest(binary: str, names: Sequence[ImageName]) -> ConflictError:
    return ConflictError(
        f"{' and '.join(map(str, names))} both offer the binary {binary!r}",
        hint=f"pick one: `d8-installer config set owners.{binary} {names[-1]}`",
        code="binary-conflict",
    )

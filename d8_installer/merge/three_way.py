"""Merges three locks into one: base, ours and theirs, image by image and by value. Pure.

How it works. Git merges lines, and a lock is not lines: two edits of one entry can merge without a conflict into an
entry that neither side wrote. So the lines of git's result are never used. The merge driver and ``lock`` read the three
locks and merge their values:

    an image that only one side changed      -> as that side has it
    changed on both sides, the same choice   -> key by key; pinned again if more than additions met
    two versions, or removed and changed     -> a Clash, which only a person can resolve

The choice is the version and its index. All else in an entry follows from it and from the manifests: requests and
binaries are united for the moment, and the image is ``unsettled`` unless both sides only added to its entry. The caller
pins an unsettled image again, at that version, from the manifests as they are after the merge.

A side may itself hold the result of an earlier merge. Its entry is ``mixed`` if the entry's hash shows that git merged
it line by line, and the image is ``torn`` if conflict markers leave more than one text for it. Neither is trusted: such
an image clashes, unless the person *takes* a side that is not mixed. Without a base (two branches that have no common
lock), what only one side has was added there.

``render`` writes the result. An image that clashes or is unsettled stands between conflict markers, each side as it
was, so that git sees a conflict and ``lock`` finds all three entries again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from d8_installer.model.conflict_markers import put_together
from d8_installer.model.lock import END, Lock, LockedImage
from d8_installer.model.requirement import needing_image
from d8_installer.model.value import Struct, field, field_names, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from d8_installer.model.lock import Pin
    from d8_installer.model.reference import ImageName

T = TypeVar("T")

_OWN_RULE = frozenset(["name", "version", "index", "platforms", "extra", "requests", "binaries"])
"""The fields of an entry that are each merged by a rule of their own."""


class Clash(Struct, frozen=True, kw_only=True):
    """What both sides changed: an image with its three entries, or an unknown top-level key.

    ``mixed`` are the sides ("base", "ours", "theirs") whose entry cannot be trusted.
    """

    name: ImageName | None
    base: LockedImage | None = None
    ours: LockedImage | None = None
    theirs: LockedImage | None = None
    key: str = ""
    mixed: frozenset[str] = frozenset()

    def as_json(self) -> dict[str, object]:
        """Return the image with the version of each side (None: removed), and the sides that git mixed up."""
        sides = {"ours": self.ours, "theirs": self.theirs}
        versions = {side: None if image is None else image.version for side, image in sides.items()}
        return {"image": str(self.name), **versions, "mixed": sorted(self.mixed & sides.keys())}

    def __str__(self) -> str:
        if self.name is None:
            return f"the key `{self.key}`"
        same = self.ours and self.theirs and self.ours.version == self.theirs.version
        sides = [
            f"{side}: {'mixed up by git' if side in self.mixed else _side_text(image, with_digest=bool(same))}"
            for side, image in (("ours", self.ours), ("theirs", self.theirs))
        ]
        return f"{self.name} ({'; '.join(sides)})"


class Merged(Struct, frozen=True):
    """The result of a merge. For an image that clashes, *lock* has our entry.

    ``unsettled`` are images whose version is settled, while both sides changed what follows from the manifests. They
    are to be pinned again, at that version, from the merged manifests.
    """

    lock: Lock
    clashes: tuple[Clash, ...] = ()
    unsettled: frozenset[ImageName] = frozenset()


class Versions(Struct, frozen=True, kw_only=True):
    """The three locks; ``base`` is None if it is not known.

    ``mixed`` has the images whose entry git merged line by line, and the locks ("base", "ours", "theirs") in which it
    did. ``torn`` has the text of an image for which one of these locks has more than one entry, between markers. Of a
    torn image in the base, only its presence is known.
    """

    base: Lock | None
    ours: Lock
    theirs: Lock
    mixed: Mapping[ImageName, frozenset[str]] = field(default_factory=dict)
    torn: Mapping[tuple[str, ImageName], str] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[ImageName]:
        """Every image that one of the three locks has."""
        locks = (lock for lock in (self.base, self.ours, self.theirs) if lock is not None)
        return frozenset(image.name for lock in locks for image in lock.images) | {name for _, name in self.torn}

    def text_of(self, side: str, name: ImageName) -> str:
        """Return the text of *name* in "base", "ours" or "theirs", or "" if that lock does not have the image."""
        lock: Lock | None = getattr(self, side)
        entry = lock.find(name) if lock is not None else None
        return self.torn.get((side, name), "") if entry is None else entry.render()


def merge(versions: Versions, taken: Mapping[ImageName, str] | None = None) -> Merged:
    """Merge by value. *taken* names the side, "ours" or "theirs", whose entry a person chose for an image."""
    work = _Work(versions, taken or {})
    images = [image for name in sorted(versions.names) if (image := work.image(name)) is not None]
    extra = work.extra()
    return Merged(Lock.of(images, extra), tuple(work.clashes), frozenset(work.unsettled))


def render(versions: Versions, merged: Merged) -> str:
    """Return the text of *merged*, with each image that clashes or is unsettled between conflict markers."""
    clashes = {clash.name for clash in merged.clashes} | merged.unsettled
    names = {image.name for image in merged.lock.images} | {name for name in clashes if name is not None}
    parts = [merged.lock.head()]
    for name in sorted(names):
        image = merged.lock.find(name)
        if name in clashes:
            parts.append(put_together(*(versions.text_of(side, name) for side in ("ours", "base", "theirs"))))
        elif image is not None:
            parts.append(image.render())
    return "\n".join([*parts, END])


def _side_text(image: LockedImage | None, *, with_digest: bool) -> str:
    if image is None:
        return "removed"
    return f"{image.version} as {str(image.top)[:19]}…" if with_digest else image.version


class _ClashingError(Exception):
    """Both sides changed one value; never leaves this module."""


def _three(base: T, ours: T, theirs: T) -> T:
    """Return the value of the side that changed it; raise _ClashingError if both did."""
    if _same(ours, theirs) or _same(theirs, base):
        return ours
    if _same(ours, base):
        return theirs
    raise _ClashingError


def _same(one: object, other: object) -> bool:
    """Whether two values are equal and of the same types: Python calls False, 0 and 0.0 equal, and TOML does not."""
    return one == other and _types(one) == _types(other)


def _types(value: object) -> object:
    """Return the types within *value*, in its own shape; text has one type, so it says nothing."""
    if isinstance(value, Struct):
        return [_types(getattr(value, name)) for name in field_names(value)]
    if isinstance(value, Mapping):
        return {key: _types(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_types(inner) for inner in value]
    return None if isinstance(value, str) else type(value)


def _by_key(base: Mapping[str, T], ours: Mapping[str, T], theirs: Mapping[str, T]) -> dict[str, T]:
    """Merge mappings, whose values are never None, key by key; our keys come first."""
    if _same(ours, base):
        return dict(theirs)
    merged = {}
    for key in dict.fromkeys([*ours, *theirs]):
        value = _three(base.get(key), ours.get(key), theirs.get(key))
        if value is not None:
            merged[key] = value
    return merged


def _derived(base: Mapping[str, T], ours: Mapping[str, T], theirs: Mapping[str, T]) -> dict[str, T]:
    """Merge what follows from the manifests and is written again later: if both sides changed a key, ours stays."""
    try:
        return _by_key(base, ours, theirs)
    except _ClashingError:
        return {**theirs, **ours}


def _pairs(pairs: Iterable[tuple[str, T]]) -> tuple[tuple[str, T], ...]:
    return tuple(sorted(pairs, key=lambda pair: pair[0]))


class _Work:
    """A merge in progress: it collects the clashes and the unsettled images."""

    def __init__(self, versions: Versions, taken: Mapping[ImageName, str]) -> None:
        self._versions = versions
        self._taken = taken
        self._base = {image.name: image for image in versions.base.images} if versions.base else {}
        self._ours = {image.name: image for image in versions.ours.images}
        self._theirs = {image.name: image for image in versions.theirs.images}
        self.clashes: list[Clash] = []
        self.unsettled: set[ImageName] = set()

    def image(self, name: ImageName) -> LockedImage | None:
        """Return the merged entry, or None if it is removed."""
        base, ours, theirs = self._base.get(name), self._ours.get(name), self._theirs.get(name)
        mixed = self._versions.mixed.get(name, frozenset())
        if name in self._taken and self._taken[name] not in mixed:
            return ours if self._taken[name] == "ours" else theirs
        try:
            if mixed:
                raise _ClashingError
            if self._versions.base is None and (ours is None or theirs is None):
                return ours or theirs
            is_torn = ("base", name) in self._versions.torn
            both_changed = not _same(ours, theirs) and (is_torn or not (_same(base, ours) or _same(base, theirs)))
            if both_changed and _follows(ours, theirs):
                self.unsettled.add(name)
                return self._within(base, ours, theirs) if ours and theirs else ours or theirs
            if is_torn and both_changed:
                raise _ClashingError
            if ours is None or theirs is None or _same(base, ours) or _same(base, theirs):
                return _three(base, ours, theirs)
            return ours if _same(ours, theirs) else self._within(base, ours, theirs)
        except _ClashingError:
            self.clashes.append(Clash(name=name, base=base, ours=ours, theirs=theirs, mixed=mixed))
            return ours

    def _within(self, base: LockedImage | None, ours: LockedImage, theirs: LockedImage) -> LockedImage | None:
        """Merge an entry that both sides changed, or added."""
        choice = _three(base and _choice(base), _choice(ours), _choice(theirs))
        chosen = ours if _choice(ours) == choice else theirs
        requests = _derived(dict(base.requests) if base else {}, dict(ours.requests), dict(theirs.requests))
        binaries = _derived(dict(base.binaries) if base else {}, dict(ours.binaries), dict(theirs.binaries))
        if not requests:
            return None  # no requester is left that wants it
        if not _is_settled(base, ours, theirs):
            self.unsettled.add(ours.name)
        entry = replace(
            chosen,
            requests=_pairs(requests.items()),
            binaries=_pairs((binaries or dict(chosen.binaries)).items()),
            extra=_by_key(base.extra if base else {}, ours.extra, theirs.extra),
            platforms=_platforms(base, ours, theirs) if _same_choice(ours, theirs) else chosen.platforms,
        )
        fill: Callable[..., LockedImage] = replace
        merged = fill(entry, **_derived(_rest(base) if base else {}, _rest(ours), _rest(theirs)))
        if _same_choice(ours, theirs):
            return merged
        of_version = {name: getattr(chosen, name) for name in ("contract", "needs", "needs_if_present")}
        return fill(merged, **of_version)

    def extra(self) -> Mapping[str, object]:
        """Merge the unknown top-level keys."""
        base = self._versions.base.extra if self._versions.base is not None else {}
        ours, theirs = self._versions.ours.extra, self._versions.theirs.extra
        try:
            return _by_key(base, ours, theirs)
        except _ClashingError:
            keys = [key for key in ours if key in theirs and not _same(ours[key], theirs[key])]
            self.clashes += [Clash(name=None, key=key) for key in keys or ours.keys() ^ theirs.keys()]
            return ours


def _follows(ours: LockedImage | None, theirs: LockedImage | None) -> bool:
    """Whether the image is there only for others that need it, in one version.

    Then who asks for it, and whether it stays, follows from those.
    """
    sides = [image for image in (ours, theirs) if image is not None]
    requesters = [requester for image in sides for requester, _ in image.requests]
    is_one = len({_choice(image) for image in sides}) == 1
    return is_one and all(needing_image(requester) is not None for requester in requesters)


def _choice(image: LockedImage) -> tuple[str, object]:
    return image.version, image.index


def _same_choice(one: LockedImage, other: LockedImage) -> bool:
    return _choice(one) == _choice(other)


def _is_settled(base: LockedImage | None, ours: LockedImage, theirs: LockedImage) -> bool:
    """Whether both sides only added to the entry of one choice, so that neither dropped what the other needs."""
    sides = [image for image in (base, ours, theirs) if image is not None]
    if any(not _same_choice(ours, image) or _rest(image) != _rest(ours) for image in sides):
        return False
    parts = [[dict(image.requests), dict(image.binaries), dict(image.platforms)] for image in sides]
    for before, mine, others in zip(parts[0] if base is not None else ({}, {}, {}), *parts[-2:], strict=True):
        agree = all(_same(others.get(key, value), value) for key, value in mine.items())
        if not agree or any(
            not _same(side.get(key), value) for side in (mine, others) for key, value in before.items()
        ):
            return False
    return True


def _platforms(base: LockedImage | None, ours: LockedImage, theirs: LockedImage) -> tuple[tuple[str, Pin], ...]:
    before = dict(base.platforms) if base is not None and _same_choice(base, ours) else {}
    pins = _by_key(before, dict(ours.platforms), dict(theirs.platforms))
    return _pairs((pins or dict(ours.platforms)).items())


def _rest(image: LockedImage) -> dict[str, object]:
    """Return the fields that describe the whole entry and follow from the manifests."""
    return {name: getattr(image, name) for name in field_names(image) if name not in _OWN_RULE}

"""Three locks become one: base, ours and theirs, image by image and by value. Pure; git's lines play no part.

an image that one side alone changed     -> as that side has it
changed on both sides, the same choice   -> key by key, and to be asked for again where more than additions met
two versions, or removed and changed     -> a Clash: only a person can know
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from d8_installer.model.conflict_markers import put_together
from d8_installer.model.lock import END, Lock, LockedImage
from d8_installer.model.value import Struct, field, field_names, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from d8_installer.model.lock import Pin
    from d8_installer.model.reference import ImageName

T = TypeVar("T")

_OWN_RULE = frozenset(["name", "version", "index", "platforms", "extra", "requests", "binaries"])
"""The fields of an entry that are merged by a rule of their own."""


class Clash(Struct, frozen=True, kw_only=True):
    """What both sides changed: an image with its three entries, or the top-level key *key* that no rule knows.

    ``mixed`` are the sides ("base", "ours", "theirs") whose entry cannot be believed.
    """

    name: ImageName | None
    base: LockedImage | None = None
    ours: LockedImage | None = None
    theirs: LockedImage | None = None
    key: str = ""
    mixed: frozenset[str] = frozenset()

    def as_json(self) -> dict[str, object]:
        """Return the image with both sides' versions (None: removed), and the sides that git mixed up."""
        sides = {"ours": self.ours, "theirs": self.theirs}
        versions = {side: None if image is None else image.version for side, image in sides.items()}
        return {"image": str(self.name), **versions, "mixed": sorted(self.mixed & sides.keys())}

    def __str__(self) -> str:
        if self.name is None:
            return f"the key `{self.key}`"
        same = self.ours and self.theirs and self.ours.version == self.theirs.version
        said = [
            f"{side}: {'mixed up by git' if side in self.mixed else _said(image, with_digest=bool(same))}"
            for side, image in (("ours", self.ours), ("theirs", self.theirs))
        ]
        return f"{self.name} ({'; '.join(said)})"


class Merged(Struct, frozen=True):
    """What came of it; where there is a clash, ours stands in *lock*.

    ``unsettled`` are images whose version is settled while both sides changed what follows from the manifests: they
    are to be pinned again, at that version, from the manifests as they are then.
    """

    lock: Lock
    clashes: tuple[Clash, ...] = ()
    unsettled: frozenset[ImageName] = frozenset()


class Versions(Struct, frozen=True, kw_only=True):
    """The three locks. ``base`` None: not known, and then what only one side has was added there.

    ``mixed`` are images whose text was put together from both sides, and the locks in which it was: "base", "ours",
    "theirs". ``torn`` is what one of these says of an image that it says no one thing of, between markers of its own;
    of the base, it is only known that it had the image.
    """

    base: Lock | None
    ours: Lock
    theirs: Lock
    mixed: Mapping[ImageName, frozenset[str]] = field(default_factory=dict)
    torn: Mapping[tuple[str, ImageName], str] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[ImageName]:
        """Every image that one of the three has."""
        locks = (lock for lock in (self.base, self.ours, self.theirs) if lock is not None)
        return frozenset(image.name for lock in locks for image in lock.images) | {name for _, name in self.torn}

    def text_of(self, side: str, name: ImageName) -> str:
        """Return the block of *name* in "base", "ours" or "theirs", or "" where that has none."""
        lock: Lock | None = getattr(self, side)
        entry = lock.find(name) if lock is not None else None
        return self.torn.get((side, name), "") if entry is None else entry.render()


def merge(versions: Versions, taken: Mapping[ImageName, str] | None = None) -> Merged:
    """Merge by value; *taken* says for an image that its entry is that of "ours" or "theirs", come what may."""
    work = _Work(versions, taken or {})
    images = [image for name in sorted(versions.names) if (image := work.image(name)) is not None]
    extra = work.extra()
    return Merged(Lock.of(images, extra), tuple(work.clashes), frozenset(work.unsettled))


def render(versions: Versions, merged: Merged) -> str:
    """Return the text of *merged*, with each image that needs more than git's driver knows between markers."""
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


def _said(image: LockedImage | None, *, with_digest: bool) -> str:
    if image is None:
        return "removed"
    return f"{image.version} as {str(image.top)[:19]}…" if with_digest else image.version


class _Clashing(Exception):  # noqa: N818 - it never leaves this module
    """Both sides changed one value."""


def _three(base: T, ours: T, theirs: T) -> T:
    """Return the value of the side that changed it."""
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    raise _Clashing


def _by_key(base: Mapping[str, T], ours: Mapping[str, T], theirs: Mapping[str, T]) -> dict[str, T]:
    """Merge two mappings, whose values are never None, key by key; ours come first, where both changed."""
    if ours == base:
        return dict(theirs)
    merged = {}
    for key in dict.fromkeys([*ours, *theirs]):
        value = _three(base.get(key), ours.get(key), theirs.get(key))
        if value is not None:
            merged[key] = value
    return merged


def _derived(base: Mapping[str, T], ours: Mapping[str, T], theirs: Mapping[str, T]) -> dict[str, T]:
    """Merge what is written anew from the manifests afterwards: where both sides changed a key, ours stands for now."""
    try:
        return _by_key(base, ours, theirs)
    except _Clashing:
        return {**theirs, **ours}


def _pairs(pairs: Iterable[tuple[str, T]]) -> tuple[tuple[str, T], ...]:
    return tuple(sorted(pairs, key=lambda pair: pair[0]))


class _Work:
    """One merge under way: gathers what clashes and what is unsettled."""

    def __init__(self, versions: Versions, taken: Mapping[ImageName, str]) -> None:
        self._versions = versions
        self._taken = taken
        self._base = {image.name: image for image in versions.base.images} if versions.base else {}
        self._ours = {image.name: image for image in versions.ours.images}
        self._theirs = {image.name: image for image in versions.theirs.images}
        self.clashes: list[Clash] = []
        self.unsettled: set[ImageName] = set()

    def image(self, name: ImageName) -> LockedImage | None:
        """Return the merged entry, or None where it is gone."""
        base, ours, theirs = self._base.get(name), self._ours.get(name), self._theirs.get(name)
        mixed = self._versions.mixed.get(name, frozenset())
        if name in self._taken and self._taken[name] not in mixed:
            return ours if self._taken[name] == "ours" else theirs
        try:
            if mixed or (("base", name) in self._versions.torn and ours != theirs):
                raise _Clashing
            if self._versions.base is None and (ours is None or theirs is None):
                return ours or theirs
            if ours is None or theirs is None or base in (ours, theirs):
                return _three(base, ours, theirs)
            return ours if ours == theirs else self._within(base, ours, theirs)
        except _Clashing:
            self.clashes.append(Clash(name=name, base=base, ours=ours, theirs=theirs, mixed=mixed))
            return ours

    def _within(self, base: LockedImage | None, ours: LockedImage, theirs: LockedImage) -> LockedImage | None:
        """Merge an entry that both sides changed, or added."""
        choice = _three(base and _choice(base), _choice(ours), _choice(theirs))
        chosen = ours if _choice(ours) == choice else theirs
        requests = _derived(dict(base.requests) if base else {}, dict(ours.requests), dict(theirs.requests))
        binaries = _derived(dict(base.binaries) if base else {}, dict(ours.binaries), dict(theirs.binaries))
        if not requests:
            return None  # nobody is left who wants it
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
        return fill(entry, **_derived(_rest(base) if base else {}, _rest(ours), _rest(theirs)))

    def extra(self) -> Mapping[str, object]:
        """Merge the top-level keys that no rule knows."""
        base = self._versions.base.extra if self._versions.base is not None else {}
        ours, theirs = self._versions.ours.extra, self._versions.theirs.extra
        try:
            return _by_key(base, ours, theirs)
        except _Clashing:
            keys = [key for key in ours if key in theirs and ours[key] != theirs[key]]
            self.clashes += [Clash(name=None, key=key) for key in keys or ours.keys() ^ theirs.keys()]
            return ours


def _choice(image: LockedImage) -> tuple[str, object]:
    return image.version, image.index


def _same_choice(one: LockedImage, other: LockedImage) -> bool:
    return _choice(one) == _choice(other)


def _is_settled(base: LockedImage | None, ours: LockedImage, theirs: LockedImage) -> bool:
    """Whether both only added to the entry of one choice: nothing that one side dropped can be what the other needs."""
    sides = [image for image in (base, ours, theirs) if image is not None]
    if any(not _same_choice(ours, image) or _rest(image) != _rest(ours) for image in sides):
        return False
    parts = [[dict(image.requests), dict(image.binaries), dict(image.platforms)] for image in sides]
    for before, mine, others in zip(parts[0] if base is not None else ({}, {}, {}), *parts[-2:], strict=True):
        agree = all(others.get(key, value) == value for key, value in mine.items())
        if not agree or any(side.get(key) != value for side in (mine, others) for key, value in before.items()):
            return False
    return True


def _platforms(base: LockedImage | None, ours: LockedImage, theirs: LockedImage) -> tuple[tuple[str, Pin], ...]:
    before = dict(base.platforms) if base is not None and _same_choice(base, ours) else {}
    pins = _by_key(before, dict(ours.platforms), dict(theirs.platforms))
    return _pairs((pins or dict(ours.platforms)).items())


def _rest(image: LockedImage) -> dict[str, object]:
    """Return the fields that say something of the whole entry, and follow from the manifests."""
    return {name: getattr(image, name) for name in field_names(image) if name not in _OWN_RULE}

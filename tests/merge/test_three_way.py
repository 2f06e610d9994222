"""Three locks become one: what one side alone changed counts, and what both changed is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.merge.three_way import Versions, merge, render
from d8_installer.model.conflict_markers import take_apart
from d8_installer.model.digest import Digest
from d8_installer.model.lock import Lock, LockedImage, Pin
from d8_installer.model.reference import ImageName
from d8_installer.model.value import field_names, replace
from tests.strategies import locked_images, locks, steady

NAME = ImageName("stronghold")


def digest(*what: object) -> Digest:
    return Digest.of(repr(what).encode())


def entry(version: str = "v1.0.0", *platforms: str, **changes: object) -> LockedImage:
    """Return an entry whose digests follow from version and platform, as those of a source do."""
    pins = tuple(
        (p, Pin(child=digest(version, p), layer=digest(version, p, "layer"), size=7))
        for p in platforms or ("linux-amd64",)
    )
    image = LockedImage(
        name=NAME,
        version=version,
        index=digest(version),
        binaries=(("stronghold", "plugin"),),
        requests=(("d8.toml", digest("asked")),),
        platforms=pins,
    )
    return replace(image, **changes)


BASE = entry()
UP = entry("v1.1.0")
WIDER = entry("v1.0.0", "darwin-arm64", "linux-amd64")


def requests(*pairs: tuple[str, object]) -> tuple[tuple[str, Digest], ...]:
    return tuple((who, digest(what)) for who, what in pairs)


def one(base: LockedImage | None, ours: LockedImage | None, theirs: LockedImage | None) -> Versions:
    first, mine, others = (Lock.of([image] if image is not None else []) for image in (base, ours, theirs))
    return Versions(base=first, ours=mine, theirs=others)


# -- whole entries -------------------------------------------------------------------------------------------


@steady
@given(locks, locks)
def test_what_one_side_alone_changed_counts(base: Lock, changed: Lock) -> None:
    for versions in (
        Versions(base=base, ours=base, theirs=changed),
        Versions(base=base, ours=changed, theirs=base),
        Versions(base=base, ours=changed, theirs=changed),
    ):
        merged = merge(versions)
        assert (merged.lock, merged.clashes, merged.unsettled) == (changed, (), frozenset())
        assert render(versions, merged) == changed.render()


@steady
@given(locks, st.lists(locked_images(), max_size=4, unique_by=lambda image: image.name), st.data())
def test_changes_of_different_images_all_count(base: Lock, images: list[LockedImage], data: st.DataObject) -> None:
    """Whichever side changes, adds or removes an image, the result has it so; and the sides may be exchanged."""
    sides = [{image.name: image for image in base.images} for _ in range(2)]
    expected = dict(sides[0])
    for image in images:
        removed = data.draw(st.booleans())
        for entries in (sides[data.draw(st.integers(0, 1))], expected):
            if removed:
                entries.pop(image.name, None)
            else:
                entries[image.name] = image
    ours, theirs = (Lock.of(entries.values(), base.extra) for entries in sides)
    wanted = Lock.of(expected.values(), base.extra)
    assert merge(Versions(base=base, ours=ours, theirs=theirs)).lock == wanted
    assert merge(Versions(base=base, ours=theirs, theirs=ours)) == merge(Versions(base=base, ours=ours, theirs=theirs))


def added_together(was: LockedImage | None, mine: LockedImage, other: LockedImage) -> LockedImage:
    """Return the entry to which both sides only added: nothing that either has is lost."""
    parts = {
        part: tuple(sorted({**dict(getattr(mine, part)), **dict(getattr(other, part))}.items()))
        for part in ("requests", "binaries", "platforms")
    }
    return replace(mine, extra={**mine.extra, **other.extra}, **parts)


@steady
@given(locks, locks, locks)
def test_every_image_is_taken_or_named(base: Lock, ours: Lock, theirs: Lock) -> None:
    """Any three locks: no entry is lost or invented without a word."""
    merged = merge(Versions(base=base, ours=ours, theirs=theirs))
    named = {clash.name for clash in merged.clashes} | merged.unsettled
    for name in {image.name for lock in (base, ours, theirs) for image in lock.images} - named:
        was, mine, other = (lock.find(name) for lock in (base, ours, theirs))
        if mine == other or was in (mine, other):
            assert merged.lock.find(name) == (other if mine == was else mine)
        else:
            assert mine is not None and other is not None, "removed here and changed there is a clash"
            assert merged.lock.find(name) == added_together(was, mine, other)
    mirrored = merge(Versions(base=base, ours=theirs, theirs=ours))
    assert {c.name for c in mirrored.clashes} == {c.name for c in merged.clashes}
    assert mirrored.unsettled == merged.unsettled


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "said"),
    [
        (BASE, UP, entry("v1.2.0"), "stronghold (ours: v1.1.0; theirs: v1.2.0)"),
        (BASE, UP, None, "stronghold (ours: v1.1.0; theirs: removed)"),
        (BASE, None, entry(optional=True), "stronghold (ours: removed; theirs: v1.0.0)"),
        (None, BASE, UP, "stronghold (ours: v1.0.0; theirs: v1.1.0)"),
        (BASE, entry(extra={"new": 1}), entry(extra={"new": 2}), "stronghold (ours: v1.0.0 as sha256:"),
        (BASE, entry(index=digest("moved")), entry(index=digest("again")), "stronghold (ours: v1.0.0 as sha256:"),
    ],
)  # fmt: skip
def test_what_both_changed_is_named(
    base: LockedImage | None, ours: LockedImage | None, theirs: LockedImage | None, said: str
) -> None:
    versions = one(base, ours, theirs)
    merged = merge(versions)
    assert [str(clash)[: len(said)] for clash in merged.clashes] == [said]
    for side, image in (("ours", ours), ("theirs", theirs)):
        taken = merge(versions, {NAME: side})
        assert (taken.clashes, taken.lock.find(NAME)) == ((), image)


# -- inside an entry -----------------------------------------------------------------------------------------


def test_additions_inside_an_entry_are_joined() -> None:
    ours = entry(requests=requests(("d8-a", 1), ("d8.toml", "asked")), binaries=(("a", "x"), ("stronghold", "plugin")))
    theirs = replace(WIDER, requests=requests(("d8-b", 2), ("d8.toml", "asked")))
    merged = merge(one(BASE, ours, theirs))
    assert (merged.clashes, merged.unsettled) == ((), frozenset())
    image = merged.lock.find(NAME)
    assert image == replace(
        WIDER, binaries=ours.binaries, requests=requests(("d8-a", 1), ("d8-b", 2), ("d8.toml", "asked"))
    )


MORE = requests(("d8.toml", "more"))
OTHER = requests(("d8.toml", "other"))


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (UP, replace(WIDER, requests=MORE), replace(UP, requests=MORE)),
        (UP, entry(optional=True), replace(UP, optional=True)),
        (entry(requests=MORE), entry(requests=OTHER), entry(requests=MORE)),
    ],
)
def test_what_follows_from_the_manifests_is_unsettled(
    ours: LockedImage, theirs: LockedImage, expected: LockedImage
) -> None:
    """A new version and another range, or two ranges: one version, to be pinned again from the manifests."""
    merged = merge(one(BASE, ours, theirs))
    assert (merged.clashes, set(merged.unsettled), merged.lock.images) == ((), {NAME}, (expected,))


def test_nobody_is_left_who_wants_it() -> None:
    both = entry(requests=requests(("d8-a", 1), ("d8-b", 2)))
    sides = (entry(requests=requests(("d8-a", 1))), entry(requests=requests(("d8-b", 2))))
    merged = merge(one(both, *sides))
    assert (merged.lock.images, merged.clashes, merged.unsettled) == ((), (), frozenset())


def test_every_field_has_a_rule() -> None:
    """A field that is new in the entry must be merged as well: one side's change of any field alone is the result."""
    changes: dict[str, object] = {
        "name": NAME,
        "version": "v1.1.0",
        "index": digest("moved"),
        "binaries": (("stronghold", "other"),),
        "requests": requests(("d8.toml", "more")),
        "platforms": WIDER.platforms,
        "optional": True,
        "extra": {"new": 1},
    }
    for name in field_names(LockedImage):
        change = changes.get(name, ("changed",))
        ours = replace(BASE, **{name: change})
        theirs = replace(BASE, requests=requests(("d8-z", 3), *(("d8.toml", "asked"),)))
        image = merge(one(BASE, ours, theirs)).lock.find(NAME)
        assert image is not None
        assert name == "requests" or getattr(image, name) == change


# -- without a base, and with texts that git put together ----------------------------------------------------


def test_without_a_base_what_one_side_has_is_kept() -> None:
    other = replace(BASE, name=ImageName("other"))
    merged = merge(Versions(base=None, ours=Lock.of([BASE]), theirs=Lock.of([other])))
    assert (merged.lock.images, merged.clashes) == ((other, BASE), ())
    assert [clash.name for clash in merge(Versions(base=None, ours=Lock.of([BASE]), theirs=Lock.of([UP]))).clashes] == [
        NAME
    ]


def test_a_text_of_both_sides_is_not_believed() -> None:
    versions = replace(one(BASE, UP, BASE), mixed={NAME: frozenset(["theirs"])})
    (clash,) = merge(versions).clashes
    assert str(clash) == "stronghold (ours: v1.1.0; theirs: mixed up by git)"
    assert merge(versions, {NAME: "theirs"}).clashes == (clash,)
    assert merge(versions, {NAME: "ours"}).lock.images == (UP,)


@pytest.mark.parametrize(("before", "after"), [(False, 0), (0, 0.0), (True, 1), ([1], [True]), ({"a": 1}, {"a": 1.0})])
def test_values_of_another_type_are_changes_although_python_calls_them_equal(before: object, after: object) -> None:
    base, changed = Lock.of([entry(extra={"new": before})]), Lock.of([entry(extra={"new": after})])
    for ours, theirs in ((changed, base), (base, changed)):
        (image,) = merge(Versions(base=base, ours=ours, theirs=theirs)).lock.images
        assert repr(image.extra["new"]) == repr(after)


def test_unknown_keys_take_part() -> None:
    base, ours, theirs = (Lock.of([BASE], extra) for extra in ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "c": 3}))
    assert merge(Versions(base=base, ours=ours, theirs=theirs)).lock.extra == {"a": 2, "c": 3}
    clashing = merge(Versions(base=base, ours=ours, theirs=Lock.of([BASE], {"a": 3, "b": 1})))
    assert [str(clash) for clash in clashing.clashes] == ["the key `a`"]


@steady
@given(locks, locks, locks)
def test_a_clash_stands_between_markers_and_is_read_again(base: Lock, ours: Lock, theirs: Lock) -> None:
    versions = Versions(base=base, ours=ours, theirs=theirs)
    merged = merge(versions)
    if not any(clash.name for clash in merged.clashes) and not merged.unsettled:
        return
    sides = take_apart(render(versions, merged), "d8.lock")
    assert sides is not None
    texts = (sides.base or "", sides.ours, sides.theirs)
    first, mine, others = (Lock.parse(text.encode(), "d8.lock") for text in texts)
    again = Versions(base=first, ours=mine, theirs=others)
    images = [clash.name for clash in merged.clashes if clash.name is not None]
    assert [clash.name for clash in merge(again).clashes] == images
    assert merge(again).unsettled == merged.unsettled
    assert merge(again).lock.images == merged.lock.images


# -- what images need --------------------------------------------------------------------------------------------------


def needed(*requesters: str, version: str = "v1.0.0") -> LockedImage:
    digest = Digest("1" * 64)
    return LockedImage(
        name=ImageName("alpha"),
        version=version,
        index=digest,
        binaries=(("alpha", "plugin"),),
        requests=tuple((who, digest) for who in sorted(requesters)),
        platforms=(("linux-amd64", Pin(child=digest, layer=digest, size=1)),),
    )


@pytest.mark.parametrize("swapped", [False, True])
def test_an_image_that_is_only_needed_stays_if_anything_still_needs_it(swapped: bool) -> None:
    """One side removed the last image that needed it there; the other side has another one that needs it."""
    base, removed, other = needed("image:beta"), None, needed("image:beta", "image:gamma")
    ours, theirs = (other, removed) if swapped else (removed, other)
    merged = merge(three(base, ours, theirs))
    assert merged.clashes == ()
    assert merged.unsettled == {ImageName("alpha")}
    assert merged.lock.images == (other,)


def test_an_image_that_somebody_wants_is_still_a_conflict() -> None:
    base, other = needed("d8.toml"), needed("d8.toml", "image:gamma")
    assert len(merge(three(base, None, other)).clashes) == 1
    versions = (needed("image:beta", version=f"v{number}.0.0") for number in (1, 2, 3))
    assert len(merge(three(*versions)).clashes) == 1


def test_the_needs_are_those_of_the_version_that_counts() -> None:
    base = needed("d8.toml")
    ours = replace(base, needs=(("x", ""),), contract=Digest("2" * 64))
    theirs = replace(base, version="v2.0.0", needs=(("y", ""),), contract=Digest("3" * 64))
    for sides in ((ours, theirs), (theirs, ours)):
        (image,) = merge(three(base, *sides)).lock.images
        assert (image.version, image.needs, image.contract) == ("v2.0.0", theirs.needs, theirs.contract)


def three(base: LockedImage | None, ours: LockedImage | None, theirs: LockedImage | None) -> Versions:
    locks = [Lock.of([] if image is None else [image]) for image in (base, ours, theirs)]
    return Versions(base=locks[0], ours=locks[1], theirs=locks[2])

"""Resolving, driven from dictionaries: which version, which bytes, and that nothing moves unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import ConflictError, D8Error, MismatchError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.lock import Lock, LockedImage
from d8_installer.model.oci import OCI_INDEX
from d8_installer.model.platform import Platform
from d8_installer.model.reference import ImageName
from d8_installer.model.requirement import Request, Requirement
from d8_installer.model.resolution import (
    LENIENT,
    KeptRequests,
    ManifestOf,
    Resolution,
    Selection,
    Strictness,
    TagsOf,
    Trust,
    Wanted,
)
from d8_installer.model.value import replace
from d8_installer.model.version import Specifier, Version
from d8_installer.resolve.choose import resolve
from d8_installer.resolve.pin import pin
from d8_installer.resolve.stale import staleness
from tests.strategies import (
    CATALOGUE_NAMES,
    LINUX,
    LINUX_ARM,
    MAC,
    WINDOWS,
    Catalogue,
    catalogues,
    digests,
    image_index,
    image_manifest,
    steady,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from d8_installer.model.resolution import Answers

R = TypeVar("R")
A = ImageName("a")
NO_TRUST = Trust({})


def drive(asking: Generator[tuple[TagsOf | ManifestOf, ...], Answers, R], catalogue: Catalogue) -> R:
    """Run *asking* to its end against the catalogue, a round at a time."""
    try:
        needs = next(asking)
        while True:
            assert needs, "a round asks for something"
            needs = asking.send(catalogue.answer(needs))
    except StopIteration as end:
        result: R = end.value
        return result


KEPT = KeptRequests(absent=True)


def want(*asked: str | Requirement, locked: Lock | None = None, **more: object) -> Wanted:
    """What ``who: name[spec]`` says, or ``d8.toml`` where nobody is named."""
    requirements = tuple(one if isinstance(one, Requirement) else requirement(one) for one in asked)
    present = frozenset(["d8.toml", *(one.requester for one in requirements)])
    return Wanted(requirements=requirements, present=present, locked=locked or Lock(), **more)  # type: ignore[arg-type]


def requirement(text: str, **changes: object) -> Requirement:
    who, _, what = text.rpartition(": ")
    name, _, spec = what.partition(" ")
    request = replace(Request.of(ImageName(name), spec), **changes)
    return Requirement(who or "d8.toml", request)


def resolved(catalogue: Catalogue, wanted: Wanted) -> Resolution:
    return drive(resolve(wanted), catalogue)


def locked(catalogue: Catalogue, wanted: Wanted, trust: Trust = NO_TRUST) -> Lock:
    """The whole road: which version, then which bytes; what is rendered can be read again."""
    lock = drive(pin(resolved(catalogue, wanted), wanted, trust), catalogue)
    assert Lock.parse(lock.render().encode(), "d8.lock") == lock
    return lock


def chosen(catalogue: Catalogue, wanted: Wanted) -> dict[str, str]:
    return {str(choice.name): choice.tag for choice in resolved(catalogue, wanted).choices}


def said(wanted: Wanted) -> tuple[str, ...]:
    return tuple(map(str, staleness(wanted)))


def offering(*tags: str, on: Sequence[Platform] = (LINUX, MAC)) -> Catalogue:
    catalogue = Catalogue()
    catalogue.publish("a", *tags, on=on)
    return catalogue


def only(lock: Lock) -> LockedImage:
    (image,) = lock.images
    return image


def failing(kind: type[D8Error], catalogue: Catalogue, wanted: Wanted, trust: Trust = NO_TRUST) -> D8Error:
    with pytest.raises(kind) as caught:
        locked(catalogue, wanted, trust)
    assert caught.value.hint
    return caught.value


# -- which version -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "spec", "expected"),
    [
        ("v1.0.0 v1.10.0 v1.9.0", "", "v1.10.0"),
        ("v1.0.0 v2.0.0-rc.1", "", "v1.0.0"),
        ("v1.0.0 v2.0.0-main", "", "v1.0.0"),
        ("v1.0.0 v2.0.0-rc.1 v2.0.0-rc.2", ">=0-0", "v2.0.0-rc.2"),
        ("v1.0.0 v2.0.0-rc.1", "===v2.0.0-rc.1", "v2.0.0-rc.1"),
        ("1.0.0 v1.0.0 1.0", "", "v1.0.0"),
        ("v1.0.0 1.0.1", "", "1.0.1"),
        ("v1.0.0 1.0.0", "===1.0.0", "1.0.0"),
        ("v1.0.0 latest main", "===latest", "latest"),
        ("v1.0.0 latest main", "", "v1.0.0"),
        ("v1.4.0 v1.9.0 v2.0.0", ">=1.4, <2", "v1.9.0"),
        ("v1.2.3 v1.2.9 v1.3.0", "==1.2.*", "v1.2.9"),
        ("v1.0.0 v1.1.0+build v1.2.0+b", "", "v1.0.0"),  # no registry can be asked for a `+`
        (f"v1.0.0 v1.0.1-{'x' * 130} v1.0.{'1' * 19}", "", f"v1.0.{'1' * 19}"),
    ],
)
def test_the_newest_that_is_allowed(tags: str, spec: str, expected: str) -> None:
    catalogue = Catalogue({A.path: dict.fromkeys(tags.split(), b"")})
    assert chosen(catalogue, want(f"a {spec}")) == {"a": expected}


def test_a_range_that_all_allow() -> None:
    catalogue = offering("v1.0.0", "v1.5.0", "v1.6.0", "v2.0.0")
    assert chosen(catalogue, want("x: a >=1.5", "y: a <1.6", "z: a")) == {"a": "v1.5.0"}
    assert chosen(catalogue, want("x: a ===v1.0.0", "y: a <2")) == {"a": "v1.0.0"}


@pytest.mark.parametrize(
    ("tags", "asked", "kind", "said"),
    [
        (["v1.0.0"], ["a >=2"], NotFoundError, ["d8.toml wants a >=2", "the newest stable one is v1.0.0"]),
        (["v2.0.0-rc.1"], ["a"], NotFoundError, ["d8.toml wants a *", "only pre-releases, such as v2.0.0-rc.1"]),
        (["latest"], ["a"], NotFoundError, ["a has no published version: none of its tags is a version"]),
        ([], ["a"], NotFoundError, ["a has no published version: its list of tags is empty"]),
        (["v1.0.0"], ["a ===v1"], NotFoundError, ["d8.toml wants a ===v1"]),
        (["v1.0.0", "v2.0.0"], ["x: a ^1", "y: a ^2"], ConflictError, ["x wants a ^1", "y wants a ^2"]),
        (["v1.0.0", "1.0.0"], ["x: a ===v1.0.0", "y: a ===1.0.0"], ConflictError, ["===v1.0.0", "y wants a ===1.0.0"]),
        # where one alone can never be right, it alone is named
        (["v1.0.0"], ["x: a ^1", "y: a ^2"], NotFoundError, ["y wants a ^2"]),
    ],
)
def test_no_version_is_right(tags: list[str], asked: list[str], kind: type[D8Error], said: list[str]) -> None:
    error = failing(kind, offering(*tags), want(*asked))
    assert all(part in error.message for part in said), error.message


def test_pre_releases_are_hinted_at() -> None:
    error = failing(NotFoundError, offering("v2.0.0-rc.1"), want("a"))
    assert error.hint == "see `d8-installer versions a`; ask for pre-releases with '>=0-0'"


# -- the lock so far -----------------------------------------------------------------------------------------


def test_the_locked_version_stays_while_it_will_do() -> None:
    catalogue = offering("v1.0.0")
    lock = locked(catalogue, want("a"))
    catalogue.publish("a", "v1.1.0", "v2.0.0")
    catalogue.asked.clear()
    assert locked(catalogue, want("a", locked=lock)) == lock
    assert catalogue.asked == []
    assert chosen(catalogue, want("a <2", locked=lock)) == {"a": "v1.0.0"}
    assert catalogue.asked == []
    assert chosen(catalogue, want("a >1.0.0", locked=lock)) == {"a": "v2.0.0"}


@pytest.mark.parametrize("upgrade", [None, frozenset([A])])
def test_upgrades_look_again(upgrade: frozenset[ImageName] | None) -> None:
    catalogue = offering("v1.0.0")
    catalogue.publish("b", "v1.0.0")
    lock = locked(catalogue, want("a", "b"))
    catalogue.publish("a", "v1.1.0")
    catalogue.publish("b", "v1.1.0")
    expected = {"a": "v1.1.0", "b": "v1.1.0" if upgrade is None else "v1.0.0"}
    assert chosen(catalogue, want("a", "b", locked=lock, selection=Selection(upgrade=upgrade))) == expected
    after = locked(catalogue, want("a", "b", locked=lock, selection=Selection(upgrade=upgrade)))
    assert locked(catalogue, want("a", "b", locked=after, selection=Selection(upgrade=upgrade))) == after


def test_what_is_pinned_again_stays_at_its_version() -> None:
    catalogue = offering("v1.0.0")
    lock = locked(catalogue, want("a"))
    catalogue.publish("a", "v1.1.0")
    catalogue.asked.clear()
    assert locked(catalogue, want("a", locked=lock, selection=Selection(repin=frozenset([A])))) == lock
    assert ManifestOf(image=A.path, ref="v1.0.0") in catalogue.asked


def test_unknown_keys_of_the_lock_stay() -> None:
    catalogue = offering("v1.0.0", "v1.1.0")
    lock = locked(catalogue, want("a <1.1"))
    lock = Lock.of([replace(only(lock), extra={"contract": "x"})], {"new": 1})
    after = locked(catalogue, want("a >=1.1", locked=lock))
    assert (after.extra, only(after).extra, only(after).version) == ({"new": 1}, {"contract": "x"}, "v1.1.0")


def test_a_platform_that_is_added_leaves_the_others_alone() -> None:
    catalogue = offering("v1.0.0", on=(LINUX, MAC, WINDOWS))
    lock = locked(catalogue, want(requirement("a", platforms=(LINUX,))))
    odd = replace(only(lock), platforms=tuple((key, replace(pin, size=7)) for key, pin in only(lock).platforms))
    asked = want(requirement("a", platforms=(LINUX,)), locked=Lock.of([odd]), adds=(MAC,))
    grown = locked(catalogue, asked)
    assert [(key, pin.size == 7) for key, pin in only(grown).platforms] == [
        ("darwin-arm64", False),
        ("linux-amd64", True),  # not asked for, so not even mended
    ]
    assert locked(catalogue, replace(asked, locked=grown, adds=())) == grown
    refreshed = only(locked(catalogue, replace(asked, locked=grown, adds=(LINUX,))))
    assert dict(refreshed.platforms)["linux-amd64"] == only(lock).platforms[0][1]


def test_a_platform_that_is_added_to_what_is_not_locked_narrows_nothing() -> None:
    catalogue = offering("v1.0.0", on=(LINUX, MAC))
    assert [key for key, _ in only(locked(catalogue, want("a", adds=(LINUX,)))).platforms] == [
        "darwin-arm64",
        "linux-amd64",
    ]
    assert "windows-amd64" in failing(NotFoundError, catalogue, want("a", adds=(WINDOWS,))).message


def test_demanded_platforms_are_part_of_what_is_stale() -> None:
    catalogue = offering("v1.0.0", on=(LINUX, MAC, WINDOWS))
    mine = requirement("a", platforms=(LINUX,))
    lock = locked(catalogue, want(mine))
    demanding = want(mine, locked=lock, platforms=(MAC,))
    (difference,) = staleness(demanding)
    assert [(one.what, one.locked, one.wanted) for one in difference.details] == [
        ("the demanded platforms", "none", "darwin-arm64")
    ]
    grown = locked(catalogue, demanding)
    assert [key for key, _ in only(grown).platforms] == ["darwin-arm64", "linux-amd64"]
    assert staleness(replace(demanding, locked=grown)) == ()
    assert staleness(want(mine, locked=grown))
    assert locked(catalogue, want(mine, locked=grown)) == lock


def test_optional_images_need_no_demanded_platform() -> None:
    catalogue = offering("v1.0.0", on=(LINUX,))
    mine = requirement("a", optional=True)
    lock = locked(catalogue, want(mine, platforms=(WINDOWS,)))
    assert [key for key, _ in only(lock).platforms] == ["linux-amd64"]
    assert staleness(want(mine, locked=lock, platforms=(WINDOWS,))) == ()


def test_a_lock_that_lacks_a_listed_platform_or_a_binary_is_stale() -> None:
    catalogue = offering("v1.0.0", on=(LINUX, MAC))
    mine = requirement("a", platforms=(LINUX, MAC))
    image = only(locked(catalogue, want(mine)))
    narrow = Lock.of([replace(image, platforms=image.platforms[:1])])
    other = Lock.of([replace(image, binaries=(("a", "other"),))])
    for spoilt, what in ((narrow, "the platforms"), (other, "the binary a")):
        (difference,) = staleness(want(mine, locked=spoilt))
        assert [one.what for one in difference.details] == [what]
        assert locked(catalogue, want(mine, locked=spoilt)) == Lock.of([image])


# -- who cannot agree ----------------------------------------------------------------------------------------


def test_a_newcomer_is_left_out_and_the_locked_version_stays() -> None:
    catalogue = offering("v1.0.0", "v2.0.0")
    lock = locked(catalogue, want("x: a ^1"))
    catalogue.publish("a", "v1.1.0")
    wanted = want("b-newcomer: a ^2", "x: a ^1", "z: a >=1", locked=lock, strictness=LENIENT)
    resolution = resolved(catalogue, wanted)
    (left_out,) = resolution.left_out
    assert str(left_out.requirement) == "b-newcomer wants a ^2"
    assert str(left_out.error) == "b-newcomer wants a ^2 and cannot agree: x wants a ^1"
    assert [choice.tag for choice in resolution.choices] == ["v1.0.0"]
    image = only(locked(catalogue, wanted))
    assert [who for who, _ in image.requests] == ["x", "z"]


def test_leaving_out_changes_nothing_else() -> None:
    catalogue = offering("v1.0.0", "v2.0.0")
    lock = locked(catalogue, want("x: a ^1"))
    catalogue.publish("a", "v1.1.0")
    catalogue.asked.clear()
    assert locked(catalogue, want("w: a ^2", "x: a ^1", locked=lock, strictness=LENIENT)) == lock
    assert catalogue.asked == [TagsOf(A.path)]


def test_without_a_lock_the_first_by_name_stays() -> None:
    catalogue = offering("v1.0.0", "v2.0.0")
    resolution = resolved(catalogue, want("y: a ^2", "x: a ^1", strictness=LENIENT))
    assert [str(out.requirement) for out in resolution.left_out] == ["y wants a ^2"]
    assert resolution.choices[0].tag == "v1.0.0"


def test_those_who_agree_are_not_left_out() -> None:
    catalogue = offering("v1.0.0", "v2.0.0")
    wanted = want("y: a", "x: a ^1", strictness=LENIENT)
    assert resolved(catalogue, wanted) == resolved(catalogue, replace(wanted, strictness=Strictness()))


def test_one_binary_cannot_be_two_files() -> None:
    catalogue = offering("v1.0.0")
    asked = [requirement("x: a", binaries=(("d8-a", "one"),)), requirement("y: a", binaries=(("d8-a", "two"),))]
    error = failing(ConflictError, catalogue, want(*asked))
    assert error.message == "x wants 'd8-a' to be the file 'one' of a, and y wants 'two'"
    lock = locked(catalogue, want(asked[1]))
    wanted = want(*asked, locked=lock, strictness=LENIENT)
    (left_out,) = resolved(catalogue, wanted).left_out
    assert str(left_out.requirement) == "x wants a *"
    assert left_out.error.message == "x wants 'd8-a' to be the file 'one' of a, and y wants 'two'"
    assert locked(catalogue, wanted) == lock


def test_binaries_of_all_requesters_come_together() -> None:
    catalogue = offering("v1.0.0")
    asked = [requirement("x: a", binaries=(("a1", "one"), ("s", "s"))), requirement("y: a", binaries=(("s", "s"),))]
    assert only(locked(catalogue, want(*asked))).binaries == (("a1", "one"), ("s", "s"))


# -- requesters who are not here -----------------------------------------------------------------------------


def test_absent_requesters_are_kept_or_dropped() -> None:
    catalogue = offering("v1.0.0")
    catalogue.publish("b", "v1.0.0")
    lock = locked(catalogue, want("x: a", "d8.toml: a", "x: b"))
    kept = locked(catalogue, want("a", locked=lock, kept=KEPT))
    assert kept == lock
    dropped = locked(catalogue, want("a", locked=lock))
    assert [str(image.name) for image in dropped.images] == ["a"]
    assert [who for who, _ in only(dropped).requests] == ["d8.toml"]


def test_keeping_absent_requesters_asks_nothing() -> None:
    catalogue = offering("v1.0.0")
    lock = locked(catalogue, want("x: a", "a"))
    catalogue.asked.clear()
    assert locked(catalogue, want("a", locked=lock, kept=KEPT)) == lock
    assert locked(catalogue, want(locked=lock, kept=KEPT)).find(A) is not None
    assert catalogue.asked == []


def test_who_is_here_and_no_longer_asks_loses_the_line() -> None:
    catalogue = offering("v1.0.0")
    lock = locked(catalogue, want("x: a", "a"))
    wanted = want(locked=lock, kept=KEPT)
    assert [who for who, _ in only(locked(catalogue, wanted)).requests] == ["x"]
    assert said(wanted) == ("a is locked and nobody here wants it",)
    assert staleness(replace(wanted, locked=locked(catalogue, wanted))) == ()


def test_what_absent_requesters_need_stays_locked() -> None:
    catalogue = offering("v1.0.0", "v1.1.0", on=(LINUX, MAC, WINDOWS))
    absent = requirement("x: a", platforms=(MAC,), binaries=(("x-a", "file"),))
    mine = requirement("a <1.1", platforms=(LINUX,), optional=True)
    lock = locked(catalogue, want(absent, mine))
    assert dict(only(lock).platforms).keys() == {"darwin-arm64", "linux-amd64"}
    again = replace(mine, request=replace(mine.request, version=Specifier.parse(">=1.1")))
    image = only(locked(catalogue, want(again, locked=lock, kept=KEPT)))
    assert (image.version, image.optional) == ("v1.1.0", False)
    assert dict(image.platforms).keys() == {"darwin-arm64", "linux-amd64"}
    assert dict(image.binaries) == {"a": "plugin", "x-a": "file"}
    assert dict(image.requests)["x"] == absent.request.hash
    pruned = only(locked(catalogue, want(again, locked=lock)))
    assert dict(pruned.platforms).keys() == {"linux-amd64"}
    assert (dict(pruned.binaries), pruned.optional) == ({"a": "plugin"}, True)


def test_an_absent_requesters_platform_may_go_with_the_image() -> None:
    catalogue = offering("v1.0.0", on=(LINUX, MAC))
    lock = locked(catalogue, want("x: a", "a"))
    catalogue.publish("a", "v1.1.0", on=(LINUX,))
    image = only(locked(catalogue, want("a >=1.1", locked=lock, kept=KEPT)))
    assert [key for key, _ in image.platforms] == ["linux-amd64"]


# -- what is stale -------------------------------------------------------------------------------------------


def test_staleness_in_words() -> None:
    catalogue = offering("v1.0.0")
    catalogue.publish("b", "v1.0.0")
    lock = locked(catalogue, want("a", "b"))
    assert staleness(want("a", "b", locked=lock)) == ()
    assert said(want("a >=1", "y: c", "x: c", locked=lock)) == (
        "a is locked for another request than that of d8.toml",
        "c is wanted by x and y and not locked",
        "b is locked and nobody here wants it",
    )
    gone = replace(want("x: a", locked=lock), present=frozenset(["x"]))
    assert said(gone) == (
        "a is locked for another request than that of x",
        "b is locked and nobody here wants it",
    )
    assert staleness(replace(gone, requirements=(), kept=KEPT)) == ()


def test_a_version_outside_its_range_is_stale() -> None:
    lock = locked(offering("v1.0.0"), want("a"))
    odd = Lock.of([replace(only(lock), version="v1.0.0-rc.1")])
    assert said(want("a", locked=odd)) == ("a is locked at v1.0.0-rc.1, which d8.toml (*) does not allow",)


def test_a_lock_of_other_bytes_than_demanded_is_stale_and_refused() -> None:
    catalogue = offering("v1.0.0")
    top = only(locked(catalogue, want("a"))).top
    demand = requirement("a ===v1.0.0", digest=top)
    lock = locked(catalogue, want(demand))
    assert staleness(want(demand, locked=lock)) == ()
    forged = Lock.of([replace(only(lock), index=Digest("0" * 64))])
    assert staleness(want(demand, locked=forged))
    assert "was moved" in failing(MismatchError, catalogue, want(demand, locked=forged)).message


# -- which bytes ---------------------------------------------------------------------------------------------


def test_the_pins_are_those_of_the_last_layer() -> None:
    catalogue = Catalogue()
    raw = image_manifest(b"base", b"top!")
    top = catalogue.put("a", "v1", image_index([catalogue.child("a", raw, LINUX)]))
    image = only(locked(catalogue, want("a")))
    ((key, pinned),) = image.platforms
    assert (image.index, key, pinned.child) == (top, "linux-amd64", Digest.of(raw))
    assert (pinned.layer, pinned.size) == (Digest.of(b"top!"), 4)


def test_a_single_image_is_for_any_platform() -> None:
    catalogue = Catalogue()
    top = catalogue.put("a", "v1", image_manifest(b"layer"))
    image = only(locked(catalogue, want(requirement("w: a", platforms=(LINUX,)))))
    assert (image.index, [key for key, _ in image.platforms], image.top) == (None, ["any"], top)
    again = want(requirement("x: a"), locked=Lock.of([image]), kept=KEPT)
    assert [who for who, _ in only(locked(catalogue, again)).requests] == ["w", "x"]


def test_a_single_image_may_become_an_index() -> None:
    catalogue = Catalogue()
    catalogue.put("a", "v1", image_manifest(b"layer"))
    lock = locked(catalogue, want("x: a"))
    catalogue.publish("a", "v2", on=(LINUX, MAC))
    mine = requirement("a ^2", platforms=(LINUX,))
    image = only(locked(catalogue, want(mine, locked=lock, kept=KEPT)))
    assert [key for key, _ in image.platforms] == ["linux-amd64"]


def test_children_that_are_no_builds_are_passed_over() -> None:
    catalogue = Catalogue()
    build = catalogue.child("a", image_manifest(b"l"), LINUX)
    attestation = catalogue.child("a", image_manifest(b"proof"), Platform("unknown", "unknown"))
    bare = catalogue.child("a", image_manifest(b"bare"), None)
    second = catalogue.child("a", image_manifest(b"second"), LINUX)
    nested = catalogue.child("a", image_index([]), None, mediaType=OCI_INDEX)
    catalogue.put("a", "v1", image_index([attestation, bare, nested, build, second]))
    ((key, pinned),) = only(locked(catalogue, want("a"))).platforms
    assert (key, str(pinned.child)) == ("linux-amd64", build["digest"])


SHA512 = f"sha512:{'a' * 128}"


def test_an_index_in_an_index_without_a_platform_is_named_as_such() -> None:
    catalogue = Catalogue()
    catalogue.put("a", "v1", image_index([catalogue.child("a", image_index([]), None, mediaType=OCI_INDEX)]))
    for asked in ("a", requirement("a", platforms=(LINUX,))):
        error = failing(MismatchError, catalogue, want(asked))
        assert error.message == "a v1 holds an index inside its index, which is refused"


def test_a_sha512_child_beside_others_does_no_harm() -> None:
    catalogue = Catalogue()
    build = catalogue.child("a", image_manifest(b"l"), LINUX)
    foreign = {**catalogue.child("a", image_manifest(b"m"), MAC), "digest": SHA512}
    catalogue.put("a", "v1", image_index([foreign, build]))
    assert [key for key, _ in only(locked(catalogue, want("a"))).platforms] == [str(LINUX)]
    error = failing(MismatchError, catalogue, want(requirement("a", platforms=(MAC,))))
    assert error.message == f"a v1 has a build for {MAC} with a sha512 digest; only sha256 is supported"


def test_an_index_of_sha512_children_alone_says_so() -> None:
    catalogue = Catalogue()
    catalogue.put("a", "v1", image_index([{**catalogue.child("a", image_manifest(b"l"), LINUX), "digest": SHA512}]))
    assert "sha512 digest; only sha256 is supported" in failing(MismatchError, catalogue, want("a")).message


def test_an_index_that_names_no_platforms_says_so() -> None:
    catalogue = Catalogue()
    catalogue.put("a", "v1", image_index([catalogue.child("a", image_manifest(b"l"), None)]))
    error = failing(NotFoundError, catalogue, want("a"))
    assert error.message == "the index of a v1 names a platform for none of its builds"


def test_an_index_in_an_index_is_refused() -> None:
    catalogue = Catalogue()
    catalogue.put("a", "v1", image_index([catalogue.child("a", image_index([]), LINUX, mediaType=OCI_INDEX)]))
    error = failing(MismatchError, catalogue, want("a"))
    assert error.message == "a v1 holds an index inside its index for linux-amd64, which is refused"
    assert len(catalogue.asked) == 2, "it is not even asked for"


def test_an_index_that_poses_as_a_build_is_refused() -> None:
    catalogue = Catalogue()
    catalogue.put("a", "v1", image_index([catalogue.child("a", image_index([]), LINUX)]))
    with pytest.raises(MismatchError, match="what linux-amd64 names is an index, not a build"):
        locked(catalogue, want("a"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"size": 1}, "promises"), ({"digest": "sha256:" + "0" * 64}, "promises sha256:0000")],
)
def test_a_child_is_what_its_index_promised(changes: dict[str, object], said: str) -> None:
    catalogue = Catalogue()
    catalogue.put("a", "v1", image_index([catalogue.child("a", image_manifest(b"l"), LINUX, **changes)]))
    error = failing(MismatchError, catalogue, want("a"))
    assert said in error.message
    assert error.exit_code == 76


@pytest.mark.parametrize("raw", [image_manifest(), image_manifest(b"x", b"")])
def test_no_layer(raw: bytes) -> None:
    catalogue = Catalogue()
    catalogue.put("a", "v1", raw)
    assert "has no layer" in failing(MismatchError, catalogue, want("a")).message


def test_a_layer_that_no_lock_can_hold() -> None:
    catalogue = Catalogue()
    catalogue.put("a", "v1", image_manifest(b"xyz").replace(b'"size": 3', b'"size": 1099511627777'))
    assert "1099511627777 bytes" in failing(MismatchError, catalogue, want("a")).message


def test_what_is_no_manifest_is_named() -> None:
    catalogue = Catalogue()
    catalogue.put("a", "v1", b"<html>")
    assert failing(MismatchError, catalogue, want("a")).message.startswith("a:v1: this manifest is not JSON")


# -- platforms -----------------------------------------------------------------------------------------------


def test_a_demanded_platform_is_missing() -> None:
    error = failing(NotFoundError, offering("v1.0.0"), want(requirement("a", platforms=(LINUX, WINDOWS))))
    assert error.message == "a v1.0.0 has no build for windows-amd64"
    assert str(error.hint).startswith("it has darwin-arm64, linux-amd64; no other version is allowed;")


def test_the_newest_version_that_has_a_missing_platform_is_named() -> None:
    catalogue = offering("v2.1.0", "v2.0.0", "v1.9.9")
    catalogue.publish("a", "v1.0.0", "v1.2.0", "v1.1.0", on=(LINUX, WINDOWS))
    catalogue.put("a", "v1.3.0", b"no manifest")
    for wanted in (want(requirement("a", platforms=(WINDOWS,))), want("a", platforms=(WINDOWS,))):
        error = failing(NotFoundError, catalogue, wanted)
        assert error.message == "a v2.1.0 has no build for windows-amd64"
        assert "the newest allowed version that has it is v1.2.0;" in str(error.hint)
    error = failing(NotFoundError, catalogue, want("a >=1.9", platforms=(WINDOWS,)))
    assert "none of the 2 other versions that are allowed has it" in str(error.hint)


def test_the_search_for_a_platform_is_bounded() -> None:
    catalogue = offering(*(f"v1.{minor}.0" for minor in range(40)))
    catalogue.publish("a", "v1.0.0", on=(WINDOWS,))
    error = failing(NotFoundError, catalogue, want(requirement("a", platforms=(WINDOWS,))))
    assert "none of the 32 newest other versions that are allowed has it, and older ones were not" in str(error.hint)
    assert len({need for need in catalogue.asked if isinstance(need, ManifestOf)}) == 1 + 32


def test_the_first_missing_platform_is_named_in_any_order() -> None:
    for some in ((WINDOWS, LINUX_ARM), (LINUX_ARM, WINDOWS)):
        error = failing(NotFoundError, offering("v1.0.0"), want(requirement("a", platforms=some)))
        assert error.message == "a v1.0.0 has no build for linux-arm64"


def test_an_index_without_platforms() -> None:
    catalogue = Catalogue()
    catalogue.put("a", "v1", image_index([]))
    assert "any wanted platform" in failing(NotFoundError, catalogue, want("a")).message
    asked = want(requirement("a", platforms=(LINUX,)))
    assert "no platform at all" in str(failing(NotFoundError, catalogue, asked).hint)


def test_an_optional_platform_is_skipped() -> None:
    wanted = want(requirement("a", platforms=(LINUX, WINDOWS), optional=True))
    image = only(locked(offering("v1.0.0"), wanted))
    assert ([key for key, _ in image.platforms], image.optional) == (["linux-amd64"], True)


def test_one_who_demands_is_enough() -> None:
    asked = [requirement("x: a", platforms=(WINDOWS,), optional=True), requirement("y: a", platforms=(WINDOWS,))]
    assert "windows-amd64" in failing(NotFoundError, offering("v1.0.0"), want(*asked)).message
    asked[1] = requirement("y: a", platforms=(MAC,))
    image = only(locked(offering("v1.0.0"), want(*asked)))
    assert ([key for key, _ in image.platforms], image.optional) == (["darwin-arm64"], False)


def test_platforms_of_all_requesters_come_together() -> None:
    asked = [requirement("x: a", platforms=(LINUX,)), requirement("y: a", platforms=(MAC,))]
    catalogue = offering("v1.0.0", on=(LINUX, MAC, WINDOWS))
    assert [key for key, _ in only(locked(catalogue, want(*asked))).platforms] == ["darwin-arm64", "linux-amd64"]
    everything = want(*asked, "z: a")
    assert len(only(locked(catalogue, everything)).platforms) == 3


# -- what a tag may mean -------------------------------------------------------------------------------------


def moved(catalogue: Catalogue) -> tuple[Lock, Catalogue]:
    """The lock of what was published first, and the catalogue with its tag moved."""
    lock = locked(catalogue, want("a"))
    catalogue.put("a", "v1.0.0", image_manifest(b"other"))
    return lock, catalogue


def test_a_tag_that_moved_since_it_was_remembered() -> None:
    lock, catalogue = moved(offering("v1.0.0"))
    trust = Trust({(A.path, "v1.0.0"): only(lock).top})
    error = failing(MismatchError, catalogue, want("a"), trust)
    now = Digest.of(catalogue.tagged[A.path]["v1.0.0"])
    assert error.message == f"the tag a:v1.0.0 was moved: it meant {only(lock).top}, and now means {now}"
    assert (error.exit_code, "--accept-moved a:v1.0.0" in str(error.hint)) == (76, True)


def test_a_tag_that_moved_since_it_was_locked() -> None:
    lock, catalogue = moved(offering("v1.0.0"))
    asked = want("a", locked=lock, selection=Selection(repin=frozenset([A])))
    assert "was moved" in failing(MismatchError, catalogue, asked).message
    assert "was moved" in failing(MismatchError, catalogue, want("a >=1", locked=lock)).message
    assert locked(catalogue, want("a", locked=lock)) == lock  # nothing is asked, nothing is compared


def test_a_lock_outweighs_what_was_remembered() -> None:
    catalogue = offering("v1.0.0")
    lock = locked(catalogue, want("a"))
    stale = Trust({(A.path, "v1.0.0"): Digest("0" * 64)})
    assert only(locked(catalogue, want("a >=1", locked=lock), stale)).top == only(lock).top


def test_moved_tags_are_taken_when_accepted() -> None:
    lock, catalogue = moved(offering("v1.0.0"))
    trust = Trust({(A.path, "v1.0.0"): only(lock).top}, frozenset([(A.path, "v1.0.0")]))
    image = only(locked(catalogue, want("a", locked=lock, selection=Selection(repin=frozenset([A]))), trust))
    assert image.top == Digest.of(catalogue.tagged[A.path]["v1.0.0"])
    other = replace(trust, accept_moved=frozenset([(A.path, "v1.0.1")]))
    failing(MismatchError, catalogue, want("a"), other)


def test_another_version_has_not_moved() -> None:
    catalogue = offering("v1.0.0")
    lock = locked(catalogue, want("a"))
    catalogue.publish("a", "v1.1.0")
    assert only(locked(catalogue, want("a >1.0.0", locked=lock))).version == "v1.1.0"


def test_a_demanded_digest() -> None:
    catalogue = offering("v1.0.0")
    top = Digest.of(catalogue.tagged[A.path]["v1.0.0"])
    assert only(locked(catalogue, want(requirement("a ===v1.0.0", digest=top)))).index == top
    other = Digest("0" * 64)
    accepting = Trust({}, frozenset([(A.path, "v1.0.0")]))
    error = failing(MismatchError, catalogue, want(requirement("x: a ===v1.0.0", digest=other)), accepting)
    assert error.message == f"a:v1.0.0 is {top}, but x demands {other}"


# -- whatever is asked ---------------------------------------------------------------------------------------

_asked = st.tuples(
    st.sampled_from(["d8.toml", "x", "y"]),
    st.sampled_from(CATALOGUE_NAMES),
    st.sampled_from(["*", ">=1", "<3", "^1", ">=1.2-0"]),
    st.none() | st.just((LINUX,)) | st.just((LINUX, LINUX_ARM)),
    st.booleans(),
)


def _requirements(asked: Sequence[tuple[str, str, str, tuple[Platform, ...] | None, bool]]) -> tuple[Requirement, ...]:
    return tuple(
        requirement(f"{who}: {name} {spec}", platforms=some, optional=optional or some == (LINUX, LINUX_ARM))
        for who, name, spec, some, optional in asked
    )


requirements = st.lists(_asked, min_size=1, max_size=4, unique_by=lambda one: one[:2]).map(_requirements)


@steady
@given(catalogues(), requirements)
def test_resolving_again_asks_nothing_and_changes_nothing(catalogue: Catalogue, asked: tuple[Requirement, ...]) -> None:
    lock = locked(catalogue, want(*asked))
    for name in CATALOGUE_NAMES:
        catalogue.publish(name, "v1.99.0", on=[LINUX])
    catalogue.asked.clear()
    for keep_absent in (False, True):
        wanted = want(*asked, locked=lock, kept=KeptRequests(absent=keep_absent))
        assert locked(catalogue, wanted).render() == lock.render()
        assert staleness(wanted) == ()
    assert catalogue.asked == []


@steady
@given(catalogues(), requirements, requirements)
def test_a_locked_version_stays_while_all_allow_it(
    catalogue: Catalogue, before: tuple[Requirement, ...], after: tuple[Requirement, ...]
) -> None:
    lock = locked(catalogue, want(*before))
    for name in CATALOGUE_NAMES:
        catalogue.publish(name, "v0.9.0", "v1.99.0", "v2.99.0", on=[LINUX])
    for choice in resolved(catalogue, want(*after, locked=lock)).choices:
        entry = lock.find(choice.name)
        allowed = [r.request.version.allows(Version.parse(entry.version)) for r in choice.requirements] if entry else []
        assert (entry is not None and choice.tag == entry.version) == (bool(allowed) and all(allowed))


@steady
@given(catalogues(), requirements, st.data())
def test_orders_say_nothing(catalogue: Catalogue, asked: tuple[Requirement, ...], data: st.DataObject) -> None:
    shuffled = Catalogue(
        {path: dict(data.draw(st.permutations(list(tags.items())))) for path, tags in catalogue.tagged.items()},
        catalogue.blobs,
    )
    turned = data.draw(st.permutations(asked))
    assert locked(shuffled, want(*turned)).render() == locked(catalogue, want(*asked)).render()


@steady
@given(st.permutations([LINUX, LINUX_ARM, MAC, WINDOWS]))
def test_the_order_of_children_matters_to_the_index_only(order: list[Platform]) -> None:
    plain, turned = (offering("v1.0.0", on=on) for on in ((LINUX, LINUX_ARM, MAC, WINDOWS), order))
    first, second = only(locked(plain, want("a"))), only(locked(turned, want("a")))
    assert first.platforms == second.platforms
    assert replace(second, index=first.index) == first


@steady
@given(catalogues(), requirements)
def test_one_image_more_changes_its_own_block_only(catalogue: Catalogue, asked: tuple[Requirement, ...]) -> None:
    lock = locked(catalogue, want(*asked))
    catalogue.publish("new", "v1.0.0")
    catalogue.asked.clear()
    more = locked(catalogue, want(*asked, "new", locked=lock))
    (block,) = (image.render() for image in more.images if image.name.short == "new")
    assert more.render().replace(f"\n{block}", "", 1) == lock.render()
    assert {need.image for need in catalogue.asked} == {ImageName("new").path}


@steady
@given(catalogues(), requirements, st.sampled_from(CATALOGUE_NAMES))
def test_upgrading_one_image_changes_its_own_block_only(
    catalogue: Catalogue, asked: tuple[Requirement, ...], name: str
) -> None:
    lock = locked(catalogue, want(*asked))
    for other in CATALOGUE_NAMES:
        catalogue.publish(other, "v1.99.0", "v2.99.0", on=[LINUX])
    catalogue.asked.clear()
    after = locked(catalogue, want(*asked, locked=lock, selection=Selection(upgrade=frozenset([ImageName(name)]))))
    old, new = _blocks(lock.render()), _blocks(after.render())
    assert new.keys() == old.keys()
    assert {other for other in old if old[other] != new[other]} <= {name}
    assert {need.image for need in catalogue.asked} <= {ImageName(name).path}


@steady
@given(requirements)
def test_adding_a_platform_touches_no_other_line(asked: tuple[Requirement, ...]) -> None:
    catalogue = Catalogue()
    for name in CATALOGUE_NAMES:
        catalogue.publish(name, "v1.5.0", on=(LINUX, MAC, WINDOWS))
    narrow = [replace(one, request=replace(one.request, platforms=(LINUX,))) for one in asked]
    lock = locked(catalogue, want(*narrow))
    for name in CATALOGUE_NAMES:
        catalogue.publish(name, "v1.6.0")
    grown = locked(catalogue, want(*narrow, locked=lock, adds=(MAC,)))
    only_before = [
        replace(image, platforms=tuple(pair for pair in image.platforms if pair[0] != "darwin-arm64"))
        for image in grown.images
    ]
    assert all("darwin-arm64" in dict(image.platforms) for image in grown.images)
    assert Lock.of(only_before).render() == lock.render()
    assert locked(catalogue, want(*narrow, locked=grown)).render() == grown.render()


def _blocks(text: str) -> dict[str, str]:
    """Return the text of each image's block by its name."""
    _, *blocks = text.split("[[images]]\n")
    return {block.split('"')[1]: block for block in blocks}


@steady
@given(catalogues(), requirements, requirements)
def test_lenient_never_fails_where_agreement_fails(
    catalogue: Catalogue, before: tuple[Requirement, ...], after: tuple[Requirement, ...]
) -> None:
    lock = locked(catalogue, want(*before))
    wanted = want(*after, locked=lock, strictness=LENIENT, kept=KEPT)
    resolution = resolved(catalogue, wanted)
    asked = {r for choice in resolution.choices for r in choice.requirements}
    assert asked | {newcomer.requirement for newcomer in resolution.left_out} == set(after)
    again = locked(catalogue, wanted)
    assert locked(catalogue, replace(wanted, locked=again)).render() == again.render()


@steady
@given(catalogues(), requirements, digests)
def test_no_tag_moves_unseen(catalogue: Catalogue, asked: tuple[Requirement, ...], digest: Digest) -> None:
    lock = locked(catalogue, want(*asked))
    moved_image = lock.images[0]
    trust = Trust({(moved_image.name.path, moved_image.version): digest})
    failing(MismatchError, catalogue, want(*asked), trust)

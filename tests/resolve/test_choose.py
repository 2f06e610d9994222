"""Which version: the newest that is allowed, the locked one while it will do, and who cannot agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import ConflictError, D8Error, NotFoundError
from d8_installer.model.lock import Lock
from d8_installer.model.resolution import (
    LENIENT,
    ManifestOf,
    Selection,
    Strictness,
    TagsOf,
)
from d8_installer.model.value import replace
from d8_installer.resolve.stale import staleness
from tests.resolve.asking import A, chosen, failing, locked, offering, only, requirement, resolved, want
from tests.strategies import (
    LINUX,
    MAC,
    WINDOWS,
    Catalogue,
)

if TYPE_CHECKING:
    from d8_installer.model.reference import ImageName


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
    assert not any(isinstance(need, TagsOf) for need in catalogue.asked)
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
    lock = Lock.of([replace(only(lock), extra={"seal": "x"})], {"new": 1})
    after = locked(catalogue, want("a >=1.1", locked=lock))
    assert (after.extra, only(after).extra, only(after).version) == ({"new": 1}, {"seal": "x"}, "v1.1.0")


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

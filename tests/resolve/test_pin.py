"""Which bytes are pinned, for which platforms, and what a tag may mean."""

from __future__ import annotations

import pytest

from d8_installer.errors import MismatchError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.lock import Lock
from d8_installer.model.oci import OCI_INDEX
from d8_installer.model.platform import Platform
from d8_installer.model.resolution import (
    ManifestOf,
    Selection,
    Trust,
)
from d8_installer.model.value import replace
from tests.resolve.asking import KEPT, A, failing, locked, offering, only, requirement, want
from tests.strategies import (
    LINUX,
    LINUX_ARM,
    MAC,
    WINDOWS,
    Catalogue,
    image_index,
    image_manifest,
)

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
    assert all(need.ref == "v1" for need in catalogue.asked if isinstance(need, ManifestOf)), "it is not asked for"


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

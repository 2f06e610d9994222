"""What images need of each other: chosen along, never against what is locked, and gone with the last that needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import ConflictError, DocumentError, NotFoundError
from d8_installer.model.contract import Contract, Need, PluginNeeds
from d8_installer.model.facts import ClusterFacts
from d8_installer.model.lock import Lock, LockedImage
from d8_installer.model.reference import ImageName
from d8_installer.model.requirement import needing_image
from d8_installer.model.resolution import LENIENT, ContractOf, KeptRequests, Selection, Strictness, TagsOf
from d8_installer.model.value import replace
from d8_installer.resolve.dependencies import with_needs
from tests.resolve.asking import chosen, failing, locked, requirement, resolved, said, want
from tests.strategies import LINUX, MAC, WINDOWS, Catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d8_installer.model.platform import Platform
    from d8_installer.model.resolution import Wanted


def needs(text: str) -> tuple[Need, ...]:
    """Return what ``alpha >=1 <2; gamma`` says."""
    return tuple(Need(name, spec) for name, _, spec in (one.strip().partition(" ") for one in text.split(";")) if name)


def world(on: Sequence[Platform] = (LINUX, MAC), /, **images: Mapping[str, str] | str) -> Catalogue:
    """Return a catalogue of images with versions: a text of tags, or each tag with what it needs (``?`` if present)."""
    catalogue = Catalogue()
    for name, versions in images.items():
        tags = dict.fromkeys(versions.split(), "") if isinstance(versions, str) else versions
        for tag, needed in tags.items():
            catalogue.publish(name, tag, on=on)
            mandatory, _, conditional = needed.partition("?")
            if needed:
                plugins = PluginNeeds(needs(mandatory), needs(conditional))
                catalogue.require(name, tag, Contract(name=name, version=tag, plugins=plugins))
    return catalogue


def entry(lock: Lock, name: str) -> LockedImage:
    image = lock.find(ImageName(name))
    assert image is not None
    return image


def upgrading(*names: str, **more: object) -> Selection:
    return Selection(upgrade=frozenset(map(ImageName, names)), **more)  # type: ignore[arg-type]


def passed_over(catalogue: Catalogue, wanted: Wanted) -> dict[str, str]:
    return {f"{one.name} {one.tag}": one.why for one in resolved(catalogue, wanted).passed_over}


# -- what comes along --------------------------------------------------------------------------------------------------

SIMPLE: dict[str, Mapping[str, str] | str] = {
    "beta": {"v1.0.0": "alpha >=1.1, <2"},
    "alpha": "v1.0.0 v1.1.0 v1.2.0 v2.0.0",
}


def test_what_is_needed_is_locked_along() -> None:
    lock = locked(world(**SIMPLE), want("beta"))
    alpha, beta = entry(lock, "alpha"), entry(lock, "beta")
    assert (alpha.version, beta.version) == ("v1.2.0", "v1.0.0")
    assert [who for who, _ in alpha.requests] == ["image:beta"]
    assert alpha.binaries == (("alpha", "plugin"),)
    assert beta.needs == (("alpha", ">=1.1, <2"),)
    assert beta.contract is not None
    assert alpha.contract is None


def test_locking_again_asks_nothing() -> None:
    catalogue = world(**SIMPLE)
    lock = locked(catalogue, want("beta"))
    catalogue.publish("alpha", "v1.9.0")
    catalogue.asked.clear()
    assert locked(catalogue, want("beta", locked=lock)).render() == lock.render()
    assert catalogue.asked == []
    assert said(want("beta", locked=lock)) == ()


def test_the_last_one_that_needs_it_takes_it_along() -> None:
    catalogue = world(gamma={"v1.0.0": "beta"}, **SIMPLE)
    lock = locked(catalogue, want("gamma"))
    assert [str(image.name) for image in lock.images] == ["alpha", "beta", "gamma"]
    both = locked(catalogue, want("gamma", "beta", locked=lock))
    assert [who for who, _ in entry(both, "beta").requests] == ["d8.toml", "image:gamma"]
    assert [str(image.name) for image in locked(catalogue, want("beta", locked=both)).images] == ["alpha", "beta"]
    assert locked(catalogue, want(locked=both)).images == ()
    assert locked(catalogue, want(locked=both, kept=KeptRequests(absent=True))).images == ()


def test_who_needs_an_image_is_written_without_asking_for_it() -> None:
    catalogue = world(gamma={"v1.0.0": "beta"}, **SIMPLE)
    for first, then in ((["beta"], ["beta", "gamma"]), (["beta", "gamma"], ["beta"])):
        lock = locked(catalogue, want(*first))
        catalogue.asked.clear()
        after = locked(catalogue, want(*then, locked=lock))
        assert {need.image for need in catalogue.asked} <= {"deckhouse-cli/plugins/gamma"}
        assert after.render() == locked(catalogue, want(*then)).render(), "the same as a new lock"


def test_who_needs_an_image_may_make_it_pinned_again() -> None:
    catalogue = world((LINUX, MAC, WINDOWS), gamma={"v1.0.0": "beta"}, **SIMPLE)
    narrow = requirement("beta", platforms=(LINUX,))
    lock = locked(catalogue, want(narrow))
    wider = locked(catalogue, want(narrow, "gamma", locked=lock))
    assert wider.render() == locked(catalogue, want(narrow, "gamma")).render()
    assert len(entry(wider, "beta").platforms) == 3
    back = locked(catalogue, want(narrow, locked=wider))
    assert back.render() == lock.render()


def test_an_upgrade_without_the_need_drops_it() -> None:
    catalogue = world(beta={"v1.0.0": "alpha", "v1.1.0": ""}, alpha="v1.0.0")
    lock = locked(catalogue, want("beta <1.1"))
    assert len(lock.images) == 2
    after = locked(catalogue, want("beta", locked=lock, selection=upgrading("beta")))
    assert [(str(image.name), image.version) for image in after.images] == [("beta", "v1.1.0")]


def test_a_chain_comes_along_in_one_round_for_each_link() -> None:
    catalogue = world(a={"v1.0.0": "b; c"}, b={"v1.0.0": "d"}, c={"v1.0.0": "d"}, d="v1.0.0")
    assert chosen(catalogue, want("a")) == dict.fromkeys("abcd", "v1.0.0")


def test_a_need_without_a_range_takes_any_locked_version_and_a_stable_new_one() -> None:
    catalogue = world(beta={"v1.0.0": "alpha"}, alpha="v1.0.0 v2.0.0-rc.1")
    assert chosen(catalogue, want("beta")) == {"alpha": "v1.0.0", "beta": "v1.0.0"}
    for exact in ("===v2.0.0-rc.1", "===latest"):
        catalogue.publish("alpha", "latest")
        lock = locked(catalogue, want("beta", f"alpha {exact}"))
        assert entry(lock, "alpha").version == exact[3:]
        assert said(want("beta", f"alpha {exact}", locked=lock)) == ()


def test_stable_versions_come_before_the_pre_releases_that_a_range_names() -> None:
    catalogue = world(beta={"v1.0.0": "alpha >=1.0.0-0"}, alpha="v1.0.0 v1.1.0-rc.1")
    assert chosen(catalogue, want("beta"))["alpha"] == "v1.0.0"
    only_pre = world(beta={"v1.0.0": "alpha >=1.0.0-0"}, alpha="v1.1.0-rc.1")
    assert chosen(only_pre, want("beta"))["alpha"] == "v1.1.0-rc.1"


# -- platforms ---------------------------------------------------------------------------------------------------------


def test_a_dependency_is_asked_for_on_the_platforms_of_its_dependent() -> None:
    catalogue = world((LINUX, MAC, WINDOWS), **SIMPLE)
    lock = locked(catalogue, want(requirement("beta", platforms=(LINUX,))))
    assert [key for key, _ in entry(lock, "alpha").platforms] == ["linux-amd64"]
    wider = want(requirement("beta", platforms=(LINUX, MAC)), locked=lock)
    assert said(wider)[0] == "alpha is locked for another request than that of image:beta"
    grown = locked(catalogue, wider)
    assert [key for key, _ in entry(grown, "alpha").platforms] == ["darwin-arm64", "linux-amd64"]
    assert locked(catalogue, want(requirement("beta", platforms=(LINUX,)), locked=grown)).render() == lock.render()


def test_a_platform_that_only_the_dependent_has_is_no_error_unless_it_is_demanded() -> None:
    catalogue = world(**SIMPLE)
    catalogue.publish("beta", "v1.0.0", on=(LINUX, MAC, WINDOWS))
    lock = locked(catalogue, want("beta"))
    assert "windows-amd64" not in dict(entry(lock, "alpha").platforms)
    error = failing(NotFoundError, catalogue, want(requirement("beta", platforms=(LINUX, WINDOWS))))
    assert error.message == "alpha v1.2.0 has no build for windows-amd64"
    optional = want(requirement("beta", platforms=(LINUX, WINDOWS), optional=True))
    assert [key for key, _ in entry(locked(catalogue, optional), "alpha").platforms] == ["linux-amd64"]


def test_what_a_project_demands_is_demanded_of_a_dependency() -> None:
    catalogue = world(**SIMPLE)
    catalogue.publish("beta", "v1.0.0", on=(LINUX, MAC, WINDOWS))
    failing(NotFoundError, catalogue, want("beta", platforms=(WINDOWS,)))
    lock = locked(catalogue, want("beta", platforms=(LINUX,)))
    assert entry(lock, "alpha").demanded == (LINUX,)


# -- what is locked ----------------------------------------------------------------------------------------------------


def test_a_locked_image_moves_up_for_a_need() -> None:
    catalogue = world(beta={"v1.0.0": "alpha >=1.1"}, alpha="v1.0.0 v1.5.0 v1.6.0 v2.0.0")
    lock = locked(catalogue, want("alpha ===v1.0.0"))
    assert chosen(catalogue, want("alpha", "beta", locked=lock)) == {"alpha": "v1.6.0", "beta": "v1.0.0"}
    assert chosen(catalogue, want("alpha <1.6", "beta", locked=lock))["alpha"] == "v1.5.0"
    error = failing(ConflictError, catalogue, want("alpha <1.1", "beta", locked=lock))
    assert error.message == (
        'beta cannot be locked: unresolved dependencies: v1.0.0 (dependency "alpha" (via beta -> alpha):'
        " no compatible version (needs >=1.1; d8.toml wants <1.1))"
    )
    assert error.hint == "loosen one of the ranges, or do without beta"


def test_a_locked_image_never_moves_down_for_a_need() -> None:
    catalogue = world(beta={"v1.0.0": "", "v1.1.0": "alpha <1.5"}, alpha="v1.0.0 v1.5.0")
    lock = locked(catalogue, want("alpha"))
    wanted = want("alpha", "beta", locked=lock)
    assert chosen(catalogue, wanted) == {"alpha": "v1.5.0", "beta": "v1.0.0"}
    assert passed_over(catalogue, wanted) == {
        "beta v1.1.0": 'dependency "alpha" (via beta -> alpha): no compatible version (needs <1.5)'
    }
    assert chosen(catalogue, want("alpha", "beta")) == {"alpha": "v1.0.0", "beta": "v1.1.0"}, "nothing was locked"


def test_the_way_back_is_named_where_it_helps() -> None:
    """The version in the hint is the newest that all ranges allow, so that what was typed works after it."""
    catalogue = world(beta={"v1.0.0": "alpha <2"}, gamma={"v1.0.0": "alpha >=1.1"}, alpha="v1.0.0 v1.4.0 v1.5.0 v2.0.0")
    lock = locked(catalogue, want("alpha", "gamma"))
    error = failing(ConflictError, catalogue, want("alpha", "beta", "gamma", locked=lock))
    assert "no compatible version (needs <2)" in error.message
    assert "alpha is locked at v2.0.0, and goes back" in str(error.hint)
    assert "type `d8-installer use alpha v1.5.0` first" in str(error.hint)
    error = failing(ConflictError, catalogue, want("alpha >=2", "beta", "gamma", locked=lock))
    assert error.hint == "loosen one of the ranges, or do without beta"


def test_a_dependency_gets_the_major_version_that_is_typed() -> None:
    catalogue = world(beta={"v1.0.0": "alpha >=1"}, alpha="v1.0.0 v1.5.0 v2.0.0 v2.1.0 v3.0.0")
    lock = locked(catalogue, want("alpha ===v1.0.0", "beta"))
    for major, version in ((1, "v1.5.0"), (2, "v2.1.0"), (3, "v3.0.0")):
        wanted = want("beta", locked=lock, selection=upgrading("alpha", use_major=major, named={ImageName("alpha")}))
        assert chosen(catalogue, wanted)["alpha"] == version
    wanted = want("beta", locked=lock, selection=upgrading("alpha", use_major=7, named={ImageName("alpha")}))
    error = failing(ConflictError, catalogue, wanted)
    assert "no compatible version of major version 7 (needs >=1)" in error.message


def test_a_need_leaves_the_major_version_only_if_that_is_typed() -> None:
    catalogue = world(beta={"v1.0.0": "alpha ^1", "v2.0.0": "alpha ^2"}, alpha="v1.0.0 v2.0.0 v2.1.0")
    lock = locked(catalogue, want("beta <2"))
    upgrade = want("beta", locked=lock, selection=upgrading("beta"))
    assert chosen(catalogue, upgrade) == {"alpha": "v1.0.0", "beta": "v1.0.0"}
    selection = upgrading("beta", use_major=2, named=frozenset([ImageName("beta")]))
    assert chosen(catalogue, replace(upgrade, selection=selection)) == {"alpha": "v2.1.0", "beta": "v2.0.0"}


def test_an_upgrade_of_all_moves_nothing_down() -> None:
    catalogue = world(alpha="v1.0.0 v2.0.0", beta="v1.0.0")
    lock = locked(catalogue, want("alpha", "beta"))
    catalogue.publish("beta", "v1.1.0")
    catalogue.require("beta", "v1.1.0", Contract(name="beta", version="v1.1.0", plugins=PluginNeeds(needs("alpha <2"))))
    every = want("alpha", "beta", locked=lock, selection=Selection(upgrade=None))
    assert chosen(catalogue, every) == {"alpha": "v2.0.0", "beta": "v1.0.0"}
    assert chosen(catalogue, want("alpha", "beta")) == {"alpha": "v1.0.0", "beta": "v1.1.0"}


def test_a_typed_major_version_is_the_only_one() -> None:
    catalogue = world(alpha="v1.0.0 v1.1.0 v2.0.0")
    for lock in (Lock(), locked(catalogue, want("alpha"))):
        of_one = Selection(use_major=1, named=frozenset([ImageName("alpha")]))
        assert chosen(catalogue, want("alpha", locked=lock, selection=of_one)) == {"alpha": "v1.1.0"}
        none = replace(of_one, use_major=7)
        error = failing(NotFoundError, catalogue, want("alpha", locked=lock, selection=none))
        assert error.message == "no versions of alpha found for major version 7: none is published"


def test_a_candidate_that_breaks_what_a_locked_image_needs_is_passed_over() -> None:
    catalogue = world(beta={"v1.0.0": "alpha <2"}, alpha="v1.0.0 v2.0.0")
    lock = locked(catalogue, want("beta"))
    error = failing(ConflictError, catalogue, want("beta", "alpha >=2", locked=lock))
    assert error.message == "no version of alpha fits both: d8.toml wants alpha >=2 and image:beta wants alpha <2"
    lenient = want("beta", "x: alpha >=2", locked=lock, strictness=LENIENT)
    assert chosen(catalogue, lenient) == {"alpha": "v1.0.0", "beta": "v1.0.0"}
    assert [str(one.error) for one in resolved(catalogue, lenient).left_out] == [
        "x wants alpha >=2 and cannot agree: image:beta wants alpha <2"
    ]


def test_a_need_of_an_image_that_moves_away_binds_nothing() -> None:
    catalogue = world(beta={"v1.0.0": "alpha <2", "v1.1.0": "alpha <3"}, alpha="v1.0.0 v2.0.0")
    lock = locked(catalogue, want("beta <1.1"))
    after = want("beta", "alpha >=2", locked=lock, selection=Selection(upgrade=None))
    assert chosen(catalogue, after) == {"alpha": "v2.0.0", "beta": "v1.1.0"}


# -- only if present ---------------------------------------------------------------------------------------------------


def test_what_counts_only_if_present_is_not_installed_and_not_moved() -> None:
    catalogue = world(beta={"v1.0.0": "", "v1.1.0": "? alpha >=2"}, alpha="v1.0.0 v2.0.0")
    assert chosen(catalogue, want("beta")) == {"beta": "v1.1.0"}
    lock = locked(catalogue, want("alpha <2"))
    wanted = want("alpha", "beta", locked=lock)
    assert chosen(catalogue, wanted) == {"alpha": "v1.0.0", "beta": "v1.0.0"}
    assert "conditional dependency installed at v1.0.0" in passed_over(catalogue, wanted)["beta v1.1.0"]
    lock = locked(catalogue, want("beta"))
    assert entry(lock, "beta").needs_if_present == (("alpha", ">=2"),)
    lenient = resolved(catalogue, want("alpha <2", "beta", locked=lock, strictness=LENIENT))
    assert [str(one.requirement) for one in lenient.left_out] == ["d8.toml wants alpha <2"]
    error = failing(ConflictError, catalogue, want("alpha <2", "beta", locked=lock))
    assert "d8.toml wants alpha <2" in error.message
    assert "image:beta wants alpha >=2" in error.message


def test_what_is_new_too_gives_way_to_what_counts_only_if_present() -> None:
    catalogue = world(alpha="v1.0.0 v2.0.0", beta={"v1.0.0": "? alpha <2"})
    assert chosen(catalogue, want("alpha", "beta")) == {"alpha": "v1.0.0", "beta": "v1.0.0"}


def test_what_is_built_into_d8_is_there_unless_a_plugin_of_that_name_is() -> None:
    images: dict[str, Mapping[str, str] | str] = {"beta": {"v1.0.0": "delivery-kit >=999"}, "delivery-kit": "v1.0.0"}
    catalogue = world(**images)
    assert chosen(catalogue, want("beta")) == {"beta": "v1.0.0"}
    lock = locked(catalogue, want("delivery-kit"))
    failing(ConflictError, catalogue, want("beta", "delivery-kit", locked=lock))


# -- what cannot be had ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "said_of_it"),
    [
        (
            {"beta": {"v1.0.0": "alpha"}},
            'dependency "alpha" (via beta -> alpha): not published as deckhouse-cli/plugins',
        ),
        ({"beta": {"v1.0.0": "alpha >=2"}, "alpha": "v1.0.0"}, "no compatible version (needs >=2)"),
        ({"beta": {"v1.0.0": "beta"}}, "(via beta -> beta): dependency cycle"),
        (
            {"beta": {"v1.0.0": "alpha"}, "alpha": {"v1.0.0": "gamma"}, "gamma": {"v1.0.0": "beta"}},
            "(via beta -> alpha -> gamma -> beta): dependency cycle",
        ),
    ],
)
def test_an_older_version_is_taken_or_the_reason_said(
    images: dict[str, Mapping[str, str] | str], said_of_it: str
) -> None:
    catalogue = world(**images)
    if "alpha" not in images:
        absent = {TagsOf("deckhouse-cli/plugins/alpha"): NotFoundError("no image 'alpha'")}
        answer = catalogue.answer
        catalogue.answer = lambda needs: replace(answer(needs), absent=absent)  # type: ignore[method-assign]
    error = failing(ConflictError, catalogue, want("beta"))
    assert said_of_it in error.message
    catalogue.publish("beta", "v0.9.0")
    assert chosen(catalogue, want("beta")) == {"beta": "v0.9.0"}
    (why,) = passed_over(catalogue, want("beta")).values()
    assert said_of_it in why


def test_a_circle_of_images_that_are_asked_for_by_name_is_one() -> None:
    catalogue = world(alpha={"v1.0.0": "beta"}, beta={"v1.0.0": "alpha"})
    assert "dependency cycle" in failing(ConflictError, catalogue, want("alpha", "beta")).message


@pytest.mark.parametrize(("length", "is_fine"), [(16, True), (17, False)])
def test_a_chain_has_an_end(length: int, is_fine: bool) -> None:
    images: dict[str, Mapping[str, str] | str] = {
        f"d{n}": {"v1.0.0": f"d{n + 1}" if n < length else ""} for n in range(length + 1)
    }
    catalogue = world(**images)
    if is_fine:
        assert len(chosen(catalogue, want("d0"))) == 17
        return
    error = failing(DocumentError, catalogue, want("d0"))
    assert error.message.startswith("d0 needs a chain of more than 16 plugins: d0 -> d1 -> d2")


@pytest.mark.parametrize(
    ("needed", "problem"),
    [
        ("alpha >=1.0<2", "the contract of beta v1.1.0 needs alpha, but '>=1.0<2' is not a version specifier"),
        ("?alpha ==1", "the contract of beta v1.1.0 needs alpha, but '==1' is not a version specifier"),
        (
            "nul",
            (
                "the contract of beta v1.1.0 needs nul, and the binary of image 'nul' needs another name, because "
                "'nul' is a device name on Windows"
            ),
        ),
        ("../alpha", "the contract of beta v1.1.0 needs a plugin whose name '../alpha' is not an image name"),
    ],
)
def test_a_contract_that_cannot_be_read_is_no_reason_for_an_older_version(needed: str, problem: str) -> None:
    catalogue = world(beta={"v1.0.0": "", "v1.1.0": needed}, alpha="v1.0.0")
    assert failing(DocumentError, catalogue, want("beta")).message == problem
    lenient = want("x: beta", "alpha", strictness=LENIENT)
    assert chosen(catalogue, lenient) == {"alpha": "v1.0.0"}
    assert [str(one.error) for one in resolved(catalogue, lenient).left_out] == [f"x wants beta *: {problem}"]


def test_a_plugins_image_whose_needs_cannot_be_had_is_left_out_alone() -> None:
    catalogue = world(beta={"v1.0.0": "alpha >=2"}, alpha="v1.0.0", gamma={"v1.0.0": "alpha"})
    strictness = Strictness(lenient=True, insist=frozenset(["d8.toml"]))
    wanted = want("x: beta", "gamma", strictness=strictness)
    assert chosen(catalogue, wanted) == {"alpha": "v1.0.0", "gamma": "v1.0.0"}
    assert [one.requirement.requester for one in resolved(catalogue, wanted).left_out] == ["x"]
    failing(ConflictError, catalogue, want("beta", "gamma", strictness=strictness))


# -- several that need one ---------------------------------------------------------------------------------------------


def test_all_that_need_an_image_agree_on_its_version() -> None:
    catalogue = world(a={"v1.0.0": "d"}, b={"v1.0.0": "d <1.5"}, d="v1.0.0 v1.4.0 v1.9.0")
    assert chosen(catalogue, want("a", "b")) == {"a": "v1.0.0", "b": "v1.0.0", "d": "v1.4.0"}
    lock = locked(catalogue, want("a"))
    assert entry(lock, "d").version == "v1.9.0"
    error = failing(ConflictError, catalogue, want("a", "b", locked=lock))
    assert "no compatible version (needs <1.5)" in error.message


def test_images_that_need_different_versions_are_both_named() -> None:
    """No hint says that the locked version stands in the way, or that another major version would help."""
    catalogue = world(a={"v1.0.0": "d ^1"}, b={"v1.0.0": "d ^2"}, d="v1.0.0 v2.0.0")
    for first, second, theirs, mine in (("a", "b", "^1", "^2"), ("b", "a", "^2", "^1")):
        error = failing(ConflictError, catalogue, want("a", "b", locked=locked(catalogue, want(first))))
        assert f"no compatible version (needs {mine}; {first} wants {theirs})" in error.message
        assert error.hint == f"do without {second} or without {first}, or see `d8-installer versions {first}`"


def test_what_was_decided_is_decided_again_for_a_later_need() -> None:
    """The versions of ``d`` decide what it needs itself; the older one needs nothing that contradicts ``c``."""
    catalogue = world(
        a={"v1.0.0": "d"},
        c={"v1.0.0": "e <2"},
        d={"v1.0.0": "e <2", "v2.0.0": "e >=2"},
        e="v1.0.0 v2.0.0",
    )
    assert chosen(catalogue, want("a", "c")) == {"a": "v1.0.0", "c": "v1.0.0", "d": "v1.0.0", "e": "v1.0.0"}


def test_two_that_exclude_each_other_are_named() -> None:
    catalogue = world(a={"v1.0.0": "d ^1"}, b={"v1.0.0": "d ^2"}, d="v1.0.0 v2.0.0")
    error = failing(ConflictError, catalogue, want("a", "b"))
    assert 'dependency "d" (via' in error.message
    catalogue.publish("b", "v0.1.0")
    assert chosen(catalogue, want("a", "b"))["b"] == "v0.1.0"


# -- facts of the cluster ----------------------------------------------------------------------------------------------


def test_facts_choose_a_new_version_and_never_move_a_locked_one() -> None:
    catalogue = world(alpha="v1.0.0 v2.0.0")
    catalogue.require("alpha", "v2.0.0", Contract(name="alpha", version="v2.0.0", kubernetes=">=1.30"))
    assert resolved(catalogue, want("alpha")).missing_facts == frozenset(), "without facts nothing is checked"
    nothing_known = ClusterFacts(kinds=frozenset())
    assert resolved(catalogue, want("alpha", facts=nothing_known)).missing_facts == {"kubernetes"}
    old = ClusterFacts(kinds=frozenset(["kubernetes"]), kubernetes="v1.28.3")
    assert chosen(catalogue, want("alpha", facts=old)) == {"alpha": "v1.0.0"}
    (one,) = resolved(catalogue, want("alpha", facts=old)).passed_over
    assert (one.tag, one.facts) == ("v2.0.0", True)
    assert one.why == "plugin alpha requires Kubernetes >=1.30, but the cluster runs v1.28.3"
    lock = locked(catalogue, want("alpha", facts=replace(old, kubernetes="v1.31.0")))
    assert chosen(catalogue, want("alpha", locked=lock, facts=old)) == {"alpha": "v2.0.0"}
    error = failing(ConflictError, catalogue, want("alpha >=2", facts=old))
    assert "no installable version: v2.0.0 (plugin alpha requires Kubernetes" in error.message
    assert "--skip-cluster-checks" in str(error.hint)


def test_a_cluster_that_says_too_little_is_an_error() -> None:
    catalogue = world(alpha="v1.0.0 v2.0.0")
    catalogue.require("alpha", "v2.0.0", Contract(name="alpha", version="v2.0.0", kubernetes=">=1.30"))
    unknown = ClusterFacts(kinds=frozenset(["kubernetes"]))
    error = failing(DocumentError, catalogue, want("alpha", facts=unknown))
    assert "version is unknown" in error.message


# -- the lock alone ----------------------------------------------------------------------------------------------------


def without(lock: Lock, name: str) -> Lock:
    return Lock.of(image for image in lock.images if str(image.name) != name)


def at(lock: Lock, name: str, version: str) -> Lock:
    return Lock.of(replace(one, version=version) if str(one.name) == name else one for one in lock.images)


def test_what_a_lock_lacks_is_stale_and_mended() -> None:
    catalogue = world(gamma={"v1.0.0": "? alpha >=1.2"}, **SIMPLE)
    lock = locked(catalogue, want("beta", "gamma"))
    assert said(want("beta", "gamma", locked=without(lock, "alpha"))) == (
        "alpha is wanted by image:beta and not locked",
    )
    assert said(want("beta", "gamma", locked=at(lock, "alpha", "v1.0.0"))) == (
        "alpha is locked at v1.0.0, which image:beta (>=1.1, <2) does not allow",
        "alpha is locked at v1.0.0, which image:gamma (>=1.2) does not allow beside it",
    )
    assert said(want("beta", "gamma", locked=at(lock, "alpha", "v1.1.0"))) == (
        "alpha is locked at v1.1.0, which image:gamma (>=1.2) does not allow beside it",
    )
    assert said(want("gamma", locked=lock))[0] == "alpha is locked and no requester here wants it"
    for broken in (without(lock, "alpha"), at(lock, "alpha", "v1.1.0"), at(lock, "alpha", "v2.0.0")):
        assert locked(catalogue, want("beta", "gamma", locked=broken)).render() == lock.render()


def test_a_lock_of_an_older_tool_stays_as_it_is() -> None:
    catalogue = world(**SIMPLE)
    bare = [replace(one, contract=None, needs=()) for one in locked(catalogue, want("beta")).images]
    older = Lock.of(one for one in bare if str(one.name) == "beta")
    catalogue.asked.clear()
    assert locked(catalogue, want("beta", locked=older)).render() == older.render()
    assert said(want("beta", locked=older)) == ()
    assert catalogue.asked == []
    again = Selection(repin=frozenset([ImageName("beta")]))
    assert len(locked(catalogue, want("beta", locked=older, selection=again)).images) == 2


def test_a_dependency_stays_for_a_dependent_whose_requester_is_not_here() -> None:
    catalogue = world(**SIMPLE)
    for asked in (requirement("x: beta"), requirement("x: beta", platforms=(LINUX,))):
        lock = locked(catalogue, want(asked))
        here = replace(want("y: alpha >=1", locked=lock), present=frozenset(["y"]), kept=KeptRequests(absent=True))
        after = locked(catalogue, here)
        assert entry(after, "beta") == entry(lock, "beta")
        lines = dict(entry(after, "alpha").requests)
        assert lines["image:beta"] == dict(entry(lock, "alpha").requests)["image:beta"]
        assert said(replace(here, locked=after)) == ()
        assert locked(catalogue, replace(here, locked=after)).render() == after.render()
        nobody = replace(here, requirements=(), locked=lock)
        assert locked(catalogue, nobody).render() == lock.render()
        pruned = replace(nobody, kept=KeptRequests())
        assert locked(catalogue, pruned).images == ()


def test_needs_are_requirements_of_what_is_wanted() -> None:
    catalogue = world(**SIMPLE)
    lock = locked(catalogue, want("beta"))
    wanted = with_needs(want("beta", locked=lock))
    assert [str(one) for one in wanted.requirements] == ["d8.toml wants beta *", "image:beta wants alpha >=1.1, <2"]
    assert with_needs(wanted) == wanted
    assert {needing_image(one.requester) for one in wanted.requirements} == {None, ImageName("beta")}
    assert with_needs(want("gamma", locked=lock)).requirements == want("gamma").requirements


def test_a_version_that_is_pinned_again_is_read_again() -> None:
    """Accepting a moved tag may change what the image needs."""
    catalogue = world(**SIMPLE)
    lock = locked(catalogue, want("beta"))
    catalogue.require("beta", "v1.0.0", Contract(name="beta", version="v1.0.0"))
    assert len(locked(catalogue, want("beta", locked=lock)).images) == 2
    again = Selection(repin=frozenset([ImageName("beta")]))
    after = locked(catalogue, want("beta", locked=lock, selection=again))
    assert [str(image.name) for image in after.images] == ["beta"]
    assert ContractOf(image="deckhouse-cli/plugins/beta", tag="v1.0.0") in catalogue.asked


def test_a_search_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = world(beta={f"v1.{minor}.0": "alpha >=2" for minor in range(9)}, alpha="v1.0.0")
    failing(ConflictError, catalogue, want("beta"))
    monkeypatch.setattr("d8_installer.resolve.search.MAX_TRIED", 5)
    error = failing(DocumentError, catalogue, want("beta"))
    assert error.message == "beta: no versions that go together were found among 5"

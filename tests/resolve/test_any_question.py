"""Whatever is asked of whatever catalogue: what always holds of the resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import MismatchError
from d8_installer.model.lock import Lock
from d8_installer.model.reference import ImageName
from d8_installer.model.resolution import (
    LENIENT,
    KeptRequests,
    Selection,
    Trust,
)
from d8_installer.model.value import replace
from d8_installer.model.version import Version
from d8_installer.resolve.stale import staleness
from tests.resolve.asking import KEPT, failing, locked, offering, only, requirement, resolved, want
from tests.strategies import (
    CATALOGUE_NAMES,
    LINUX,
    LINUX_ARM,
    MAC,
    WINDOWS,
    Catalogue,
    catalogues,
    digests,
    steady,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.model.digest import Digest
    from d8_installer.model.platform import Platform
    from d8_installer.model.requirement import Requirement


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

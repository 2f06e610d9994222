"""Whatever images need of each other: what always holds of the resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import ConflictError, NotFoundError
from d8_installer.model.lock import Lock
from d8_installer.model.reference import ImageName
from d8_installer.model.resolution import LENIENT, Selection
from d8_installer.model.version import Version
from d8_installer.resolve.dependencies import Pick, reached
from d8_installer.resolve.stale import staleness
from tests.resolve.asking import KEPT, locked, requirement, want
from tests.strategies import NEEDY_NAMES, Catalogue, needy_catalogue, needy_catalogues, steady

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Wanted

_asked = st.tuples(
    st.sampled_from(["d8.toml", "x", "y"]),
    st.sampled_from(NEEDY_NAMES),
    st.sampled_from(["*", "*", ">=1.1", "<2", "^2"]),
)


def _requirements(asked: Sequence[tuple[str, str, str]]) -> tuple[Requirement, ...]:
    return tuple(requirement(f"{who}: {name} {spec}") for who, name, spec in asked)


requirements = st.lists(_asked, min_size=1, max_size=4, unique_by=lambda one: one[:2]).map(_requirements)
selections = st.sampled_from(
    [
        Selection(),
        Selection(upgrade=None),
        Selection(upgrade=frozenset([ImageName("a")])),
        Selection(repin=frozenset([ImageName("b")])),
    ]
)


def made(catalogue: Catalogue, wanted: Wanted) -> Lock | str:
    """Return the lock, or the error if there is none."""
    try:
        return locked(catalogue, wanted)
    except (ConflictError, NotFoundError) as error:
        return error.message


def unmet(lock: Lock) -> list[str]:
    """Return what the images of *lock* need and do not have; the rule is written down apart from ours."""
    picks = {image.name: Pick.of_lock(image) for image in lock.images}
    return [
        f"{pick.name} needs {bound.name} {bound.constraint}"
        for pick in picks.values()
        for bound in pick.bounds
        if (bound.name not in picks and bound.mandatory)
        or (bound.name in picks and not bound.allows(picks[bound.name].tag))
    ]


def roots(asked: Iterable[Requirement]) -> set[ImageName]:
    return {one.request.name for one in asked}


@steady
@given(needy_catalogues, requirements)
def test_locking_again_changes_nothing(catalogue: Catalogue, asked: tuple[Requirement, ...]) -> None:
    lock = made(catalogue, want(*asked))
    if isinstance(lock, str):
        return
    for name in NEEDY_NAMES:
        catalogue.publish(name, "v1.99.0")
    catalogue.asked.clear()
    wanted = want(*asked, locked=lock)
    assert locked(catalogue, wanted).render() == lock.render()
    assert staleness(wanted) == ()
    assert catalogue.asked == []


@steady
@given(needy_catalogues, requirements, requirements, selections)
def test_all_that_is_locked_has_what_it_needs(
    catalogue: Catalogue, before: tuple[Requirement, ...], after: tuple[Requirement, ...], selection: Selection
) -> None:
    """Whatever was locked before, for whomever, and whatever is to move."""
    earlier = made(catalogue, want(*before))
    lock = made(
        catalogue,
        want(*after, locked=Lock() if isinstance(earlier, str) else earlier, strictness=LENIENT, selection=selection),
    )
    if isinstance(lock, str):
        return
    assert unmet(lock) == []
    picks = {image.name: Pick.of_lock(image) for image in lock.images}
    kept = {image.name for image in lock.images if any(not who.startswith("image:") for who, _ in image.requests)}
    assert reached(picks, roots(after) | kept).keys() == picks.keys(), "nothing is there that nothing asks for"
    again = want(*after, locked=lock, strictness=LENIENT)
    assert made(catalogue, again) == lock


@steady
@given(needy_catalogues, requirements, requirements)
def test_plugins_alone_never_make_it_fail(
    catalogue: Catalogue, before: tuple[Requirement, ...], after: tuple[Requirement, ...]
) -> None:
    plugins = [one for one in (*before, *after) if one.requester != "d8.toml"]
    lock = locked(catalogue, want(*plugins[:2], strictness=LENIENT))
    wanted = want(*plugins[2:], locked=lock, strictness=LENIENT, kept=KEPT)
    assert unmet(locked(catalogue, wanted)) == []


@steady
@given(needy_catalogues, requirements, st.data())
def test_orders_say_nothing(catalogue: Catalogue, asked: tuple[Requirement, ...], data: st.DataObject) -> None:
    shuffled = Catalogue(
        {path: dict(data.draw(st.permutations(list(tags.items())))) for path, tags in catalogue.tagged.items()},
        catalogue.blobs,
        contracts=catalogue.contracts,
    )
    turned = data.draw(st.permutations(asked))
    assert made(shuffled, want(*turned)) == made(catalogue, want(*asked))


@steady
@given(needy_catalogues, requirements, requirements)
def test_nothing_moves_down_and_nothing_moves_unasked(
    catalogue: Catalogue, before: tuple[Requirement, ...], more: tuple[Requirement, ...]
) -> None:
    """What was locked stays or, for a new need, moves up: as long as the ranges of all who ask allow it."""
    lock = made(catalogue, want(*before))
    asked = {(one.requester, one.request.name): one for one in (*before, *more)}
    after = lock if isinstance(lock, str) else made(catalogue, want(*asked.values(), locked=lock))
    if isinstance(lock, str) or isinstance(after, str):
        return
    for image in lock.images:
        now = after.find(image.name)
        ranges = [one for one in asked.values() if one.request.name == image.name]
        if now is None or not all(one.allows(image.version) for one in ranges):
            continue
        bounds = [b for pick in map(Pick.of_lock, after.images) for b in pick.bounds if b.name == image.name]
        if all(bound.allows(image.version) for bound in bounds):
            assert now.version == image.version
        else:
            assert Version.parse(now.version).compare(Version.parse(image.version)) > 0


def test_the_cases_are_worth_something() -> None:
    """Of such catalogues, many have dependencies that are locked along, and some that cannot be had."""
    locks = [made(needy_catalogue(seed), want("a", "b")) for seed in range(60)]
    along = [lock for lock in locks if isinstance(lock, Lock) and len(lock.images) > 2]
    refused = [said for said in locks if isinstance(said, str) and "dependency" in said]
    assert min(len(along), len(refused)) >= 10, locks

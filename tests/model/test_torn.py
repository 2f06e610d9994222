"""Locks that a merge has torn: what no marker touches is known, and of the rest that it was there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import DocumentError
from d8_installer.merge.three_way import Versions, merge, render
from d8_installer.model.torn_lock import read_torn
from tests.strategies import locks, steady

if TYPE_CHECKING:
    from d8_installer.model.lock import Lock


@steady
@given(locks, locks, locks)
def test_what_the_driver_leaves_is_known_but_for_its_conflicts(base: Lock, ours: Lock, theirs: Lock) -> None:
    versions = Versions(base=base, ours=ours, theirs=theirs)
    merged = merge(versions)
    left = {clash.name for clash in merged.clashes if clash.name is not None} | merged.unsettled
    torn = read_torn(render(versions, merged), "d8.lock")
    assert torn.lock.images == tuple(image for image in merged.lock.images if image.name not in left)
    assert torn.blocks.keys() == left
    for name in left:
        assert read_torn(merged.lock.head() + torn.blocks[name], "d8.lock").blocks.keys() == {name}


@steady
@given(locks, locks, locks, locks, locks)
def test_a_base_that_was_merged_itself(first: Lock, one: Lock, two: Lock, ours: Lock, theirs: Lock) -> None:
    """An image is open only where the base does not know it and the sides differ, and never comes back by itself.

    It is a conflict, or unsettled if it is there only for images that need it. Read again from the text that the
    driver leaves, all is as it was.
    """
    bases = Versions(base=first, ours=one, theirs=two)
    torn = read_torn(render(bases, merge(bases)), "d8.lock")
    versions = Versions(
        base=torn.lock, ours=ours, theirs=theirs, torn={("base", name): text for name, text in torn.blocks.items()}
    )
    merged = merge(versions)
    clashing = {clash.name for clash in merged.clashes}
    for name in torn.blocks:
        mine, other = ours.find(name), theirs.find(name)
        assert (name in clashing | merged.unsettled) == (mine != other)
        assert mine != other or merged.lock.find(name) == mine
    again = read_torn(render(versions, merged), "d8.lock")
    assert again.blocks.keys() == {name for name in clashing if name is not None} | merged.unsettled
    assert again.lock.images == tuple(image for image in merged.lock.images if image.name not in again.blocks)


@given(locks.filter(lambda lock: bool(lock.images)), st.data())
@steady
def test_one_block_that_git_joined_or_doubled(lock: Lock, data: st.DataObject) -> None:
    image = data.draw(st.sampled_from(lock.images))
    block = image.render()
    doubled = lock.render().replace(block, f"{block}\n{block.replace('# entry', '# other')}")
    torn = read_torn(doubled, "d8.lock")
    assert torn.lock.images == tuple(other for other in lock.images if other != image)
    assert torn.blocks.keys() == {image.name}


@pytest.mark.parametrize(
    "text",
    ["nonsense\n", "lock_version = 7\n<<<<<<< a\n=======\n>>>>>>> b\n", 'lock_version = 1\n[[images]]\nname = "a"\n'],
)
def test_what_is_no_lock_at_all(text: str) -> None:
    try:
        torn = read_torn(text, "d8.lock")
    except DocumentError:
        return
    assert (torn.lock.images, [str(name) for name in torn.blocks]) == ((), ["a"])

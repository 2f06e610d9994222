"""Which versions may be the one that the Go tool installed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.resolve.d8_candidates import MOST, candidates

TAGS = ("v1.0.0", "v1.1.0", "1.1.0", "v1.2.0-rc.1", "v2.0.0", "latest", "v1.2.0")


@pytest.mark.parametrize(
    ("major", "written", "expected"),
    [
        (1, None, ("v1.2.0", "v1.2.0-rc.1", "v1.1.0", "1.1.0", "v1.0.0")),
        (1, "v1.0.0", ("v1.0.0", "v1.2.0", "v1.2.0-rc.1", "v1.1.0", "1.1.0")),
        (1, "1.0.0", ("v1.0.0", "v1.2.0", "v1.2.0-rc.1", "v1.1.0", "1.1.0")),
        (1, "1.1.0", ("1.1.0", "v1.1.0", "v1.2.0", "v1.2.0-rc.1", "v1.0.0")),
        (2, None, ("v2.0.0",)),
        (1, "v2.0.0", ("v2.0.0", "v1.2.0", "v1.2.0-rc.1", "v1.1.0", "1.1.0")),
        (3, None, ()),
        (3, "v1.1.0", ("v1.1.0", "1.1.0")),
        (None, None, ("v2.0.0", "v1.2.0", "v1.2.0-rc.1", "v1.1.0", "1.1.0")),
        (1, "latest", ("v1.2.0", "v1.2.0-rc.1", "v1.1.0", "1.1.0", "v1.0.0")),
    ],
)
def test_the_likeliest_first(major: int | None, written: str | None, expected: tuple[str, ...]) -> None:
    assert candidates(TAGS, major, written) == expected


@given(st.lists(st.text(max_size=8) | st.sampled_from(TAGS)), st.none() | st.integers(0, 3), st.none() | st.text())
def test_few_published_ones_each_once(tags: list[str], major: int | None, written: str | None) -> None:
    found = candidates(tags, major, written)
    assert len(found) <= MOST
    assert set(found) <= set(tags)
    assert len(set(found)) == len(found)

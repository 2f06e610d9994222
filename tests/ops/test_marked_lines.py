"""Lines in somebody's file: whatever the text and the order, all that was added goes, and nothing else does."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.ops.shell.marked_lines import directories_made, with_line, without_lines

TEXTS = st.one_of(st.none(), st.text(alphabet="ab# \n\r\x0b\x85'\\", max_size=12))
HOMES = ("line of home a", "line of home b", "line of home c")


def added(text: str | None, *lines: str) -> str | None:
    for line in lines:
        text = with_line(text, line, f"older {line}") or text
    return text


@given(TEXTS, st.permutations(HOMES), st.permutations(HOMES))
def test_what_was_there_is_there_again(before: str | None, coming: list[str], going: list[str]) -> None:
    text = added(before, *coming, *coming)
    for line in going:
        assert text is not None
        assert text.split("\n").count(line) == 1
        text = without_lines(text, [line])
    assert text == before


@given(st.text(alphabet="ab\n", max_size=8), st.text(alphabet="xy\n", min_size=1, max_size=8))
def test_what_a_person_wrote_behind_it_stays(before: str, later: str) -> None:
    text = added(before, "ours")
    assert text is not None
    gap = "\n" if before and not before.endswith("\n") and later.strip("\n") else ""
    left = without_lines(text + later, ["ours"])
    assert left is not None
    assert left.replace("\n", "") == (before + later).replace("\n", "")
    assert not gap or before + gap + later == left


def test_a_file_that_was_made_goes_only_if_nothing_else_is_in_it() -> None:
    text = with_line(None, "ours", "older", 2)
    assert text is not None
    assert directories_made(text) == 2
    assert without_lines(text, ["ours"]) is None
    assert without_lines(f"{text}x\n", ["ours"]) == "x\n"
    assert directories_made(with_line(None, "ours", "older") or "") == 0
    assert without_lines(text.removesuffix("\n"), ["ours"]) is None


def test_a_person_who_took_the_last_line_end_away_loses_nothing() -> None:
    text = added("a\n", "ours")
    assert text is not None
    assert without_lines(text.removesuffix("\n"), ["ours"]) == "a\n"


@pytest.mark.parametrize("before", [None, "", "a", "a\n"])
def test_what_older_versions_wrote_is_replaced_and_removed(before: str | None) -> None:
    older = added(before, "older line")
    assert older is not None
    text = with_line(older, "line", "older line")
    assert text == older.replace("older line", "line")
    assert without_lines(text, ["line", "older line"]) == before
    assert without_lines(older, ["line", "older line"]) == before
    assert with_line(text, "line", "older line") is None


def test_lines_without_their_mark_are_the_persons() -> None:
    for text in ("ours\n", "# added by d8-installer ensurepath!\nours\n", "# added by d8-installer ensurepath"):
        assert without_lines(text, ["ours"]) == text
    for first, last in itertools.product(("", "x\n"), repeat=2):
        assert with_line(f"{first}ours\n{last}", "ours", "older") is None

"""Conflict markers as git writes them: every style, taken apart into what they were made of."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import DocumentError
from d8_installer.model.conflict_markers import Sides, first_marker, put_together, take_apart
from d8_installer.model.manifest import Manifest
from tests.strategies import steady

if TYPE_CHECKING:
    from pathlib import Path

MARKED = """\
a
<<<<<<< HEAD
b
||||||| 1234567
c
=======
d
>>>>>>> feature/x
e
"""
lines = st.lists(st.text("ab <>=|", max_size=9).map(lambda line: f"{line}\n"), max_size=6).map("".join)
quiet = st.lists(st.sampled_from(["a\n", "b\n", "<<\n", "== =\n", "=======x\n", "\n"]), max_size=4).map("".join)


def test_both_styles() -> None:
    assert take_apart(MARKED, "d8.lock") == Sides("a\nc\ne\n", "a\nb\ne\n", "a\nd\ne\n")
    two_way = MARKED.replace("||||||| 1234567\nc\n", "")
    assert take_apart(two_way, "d8.lock") == Sides(None, "a\nb\ne\n", "a\nd\ne\n")
    assert take_apart("a\nb\n", "d8.lock") is None
    assert first_marker(MARKED) == 2


def test_one_conflict_without_its_base_hides_it() -> None:
    sides = take_apart(MARKED + MARKED.replace("||||||| 1234567\nc\n", ""), "d8.lock")
    assert sides is not None
    assert (sides.base, sides.ours) == (None, "a\nb\ne\na\nb\ne\n")


def test_ends_of_lines_and_longer_markers() -> None:
    expected = take_apart(MARKED, "d8.lock")
    assert take_apart(MARKED.replace("\n", "\r\n"), "d8.lock") == expected
    longer = MARKED.replace("<" * 7, "<" * 9).replace("|" * 7, "|" * 9).replace("=" * 7, "=" * 9)
    assert take_apart(longer.replace(">" * 7, ">" * 9), "d8.lock") == expected
    inner = MARKED.replace("c\n", "<<<<<<<<< x\n=========\n>>>>>>>>> y\n")  # the base of a base, as git shows it
    sides = take_apart(inner, "d8.lock")
    assert sides is not None
    assert sides.ours == "a\nb\ne\n"


@pytest.mark.parametrize("cut", range(3, 8))
def test_a_conflict_without_its_end_names_its_line(cut: int) -> None:
    with pytest.raises(DocumentError) as caught:
        take_apart("\n".join(MARKED.split("\n")[: cut - 1]), "d8.lock")
    assert caught.value.message == "d8.lock:2: has a conflict marker whose end is missing"


@pytest.mark.parametrize("size", [3, 5])
def test_markers_of_another_size(size: int) -> None:
    """The attribute `conflict-marker-size` says how long they are."""
    shorter = MARKED
    for mark in "<|=>":
        shorter = shorter.replace(mark * 7, mark * size)
    assert take_apart(shorter, "d8.lock") == take_apart(MARKED, "d8.lock")


@pytest.mark.parametrize("stray", ["=======", ">>>>>>> theirs", "||||||| base"])
def test_a_marker_that_none_opened_names_its_line(stray: str) -> None:
    for text in (f"a\n{stray}\nb\n", f"{MARKED}{stray}\n"):
        with pytest.raises(DocumentError) as caught:
            take_apart(text, "d8.lock")
        line = text.split("\n").index(stray, 9 if text.startswith(MARKED) else 0) + 1
        assert caught.value.message == f"d8.lock:{line}: has a conflict marker whose beginning is missing"


def test_markers_inside_of_markers_are_longer() -> None:
    inner = put_together("x\n", "", "y\n", inner=True)
    for base in (inner, put_together("x\n", "", "y\n"), put_together("", inner, inner)):
        sides = take_apart(put_together("a\n", base, "c\n"), "d8.lock")
        assert sides == Sides(base, "a\n", "c\n")
        assert take_apart(base, "d8.lock") is not None


def test_a_manifest_with_markers_says_so() -> None:
    text = f'schema = 1\n[[images]]\nname = "a"\n{MARKED}'
    with pytest.raises(DocumentError) as caught:
        Manifest.parse(text.encode(), "d8.toml")
    assert caught.value.message == "d8.toml:5: has conflict markers: a merge is not done"


@steady
@given(quiet, quiet, quiet, quiet)
def test_put_together_and_taken_apart(before: str, ours: str, base: str, theirs: str) -> None:
    text = before + put_together(ours, base, theirs) + before
    assert take_apart(text, "f") == Sides(*(before + part + before for part in (base, ours, theirs)))


@steady
@given(lines)
def test_any_text_is_taken_apart_or_refused(text: str) -> None:
    try:
        sides = take_apart(text, "f")
    except DocumentError as error:
        assert error.file == "f"
        return
    assert sides is not None or first_marker(text) is None


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_as_git_writes_them(tmp_path: Path, style: str) -> None:
    """What git shows of three files holds ours and theirs, and the base unless it is the oldest style."""
    for name, text in (("base", "a\nb\nc\n"), ("ours", "a\nx\nc\n"), ("theirs", "a\ny\nc\n")):
        (tmp_path / name).write_text(text)
    command = ["git", "-c", f"merge.conflictStyle={style}", "merge-file", "-p", "ours", "base", "theirs"]
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    git = ["git", "init", "-q"]
    subprocess.run(git, cwd=tmp_path, env=env, check=True)
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    base = None if style == "merge" else "a\nb\nc\n"
    assert take_apart(done.stdout, "f") == Sides(base, "a\nx\nc\n", "a\ny\nc\n")

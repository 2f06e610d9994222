"""The plainest command lines: what is read without argparse is what argparse reads, and all else is left to it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d8_installer.cli.parser import parse
from d8_installer.cli.plain import plainly
from tests.strategies import steady

WORDS = [
    *("rollback", "sync", "install", "list", "--", "-", "", "0", "1", "12", "0123456789", "-1", "x", "²", "٣"),
    *("--json", "-q", "--quiet", "-v", "--verbose", "--no-plugins", "--offline", "-qv", "--jso", "--quiet=1"),
    *("--user", "--project", "--global", "--home", "--home=d", "--help", "--version", "--locked", "--endpoint"),
    *("https://a", "--dry-run", "launch", "a b", "/h", "--connections", "3"),
]


@pytest.mark.parametrize("before", [(), ("-q", "--home", "h"), ("--json", "--user", "--no-plugins")], ids=" ".join)
@pytest.mark.parametrize("words", [("sync",), ("rollback",), ("rollback", "7"), ("rollback", "007")], ids=" ".join)
@pytest.mark.parametrize("after", [(), ("-v",), ("--offline", "--home", "other")], ids=" ".join)
def test_these_are_read(before: tuple[str, ...], words: tuple[str, ...], after: tuple[str, ...]) -> None:
    typed = [*before, *words, *after]
    read = plainly(typed)
    assert read is not None
    assert vars(read) == vars(parse(typed))


@pytest.mark.parametrize(
    "line",
    [
        *("", "list", "rollback --", "-- rollback", "rollback -- 1", "rollback 1 2", "rollback -1", "rollback x"),
        *("rollback 0123456789", "--user --project rollback", "rollback --user --global", "rollback --home"),
        *("--home -q rollback", "--home=h rollback", "rollback -qv", "sync --locked", "sync 1", "rollback --help"),
    ],
)
def test_the_rest_is_left_to_argparse(line: str) -> None:
    assert plainly(line.split()) is None


@settings(steady, max_examples=500)
@given(
    st.lists(st.sampled_from(WORDS), max_size=3),
    st.sampled_from(["rollback", "sync"]),
    st.lists(st.sampled_from(WORDS), max_size=4),
)
def test_whatever_is_read_argparse_reads_just_so(before: list[str], command: str, after: list[str]) -> None:
    typed = [*before, command, *after]
    read = plainly(typed)
    if read is not None:
        assert vars(read) == vars(parse(typed))

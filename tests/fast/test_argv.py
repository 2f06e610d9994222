"""A plain ``sync`` is read as argparse reads it, and every other command line is left to argparse."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d8_installer.cli.parser import parse
from d8_installer.fast.argv import read_sync
from tests.strategies import steady

WORDS = [
    *("rollback", "sync", "install", "list", "--", "-", "", "0", "1", "12", "0123456789", "-1", "x", "²", "٣"),
    *("--json", "-q", "--quiet", "-v", "--verbose", "--no-plugins", "--offline", "-qv", "--jso", "--quiet=1"),
    *("--user", "--project", "--global", "--home", "--home=d", "--help", "--version", "--locked", "--endpoint"),
    *("https://a", "--dry-run", "launch", "a b", "/h", "--connections", "3"),
]


@pytest.mark.parametrize("before", [(), ("-q", "--home", "h"), ("--json", "--user", "--no-plugins")], ids=" ".join)
@pytest.mark.parametrize("after", [(), ("-v",), ("--offline", "--home", "other")], ids=" ".join)
def test_these_are_read(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    typed = [*before, "sync", *after]
    read = read_sync(typed)
    assert read is not None
    assert vars(read) == vars(parse(typed))


@pytest.mark.parametrize(
    "line",
    [
        *("", "list", "rollback", "sync --", "-- sync", "sync -- 1", "sync 1", "sync -1", "sync x", "sync --help"),
        *("--user --project sync", "sync --user --global", "sync --home", "--home -q sync", "--home=h sync"),
        *("sync -qv", "sync --locked"),
    ],
)
def test_the_rest_is_left_to_argparse(line: str) -> None:
    assert read_sync(line.split()) is None


@settings(steady, max_examples=500)
@given(
    st.lists(st.sampled_from(WORDS), max_size=3),
    st.lists(st.sampled_from(WORDS), max_size=4),
)
def test_whatever_is_read_argparse_reads_just_so(before: list[str], after: list[str]) -> None:
    typed = [*before, "sync", *after]
    read = read_sync(typed)
    if read is not None:
        assert vars(read) == vars(parse(typed))

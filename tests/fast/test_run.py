"""The quick way of ``run``: what it reads is what the parser reads, and what is doubtful is left to the long way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.cli.parser import UnknownCommandError, parse
from d8_installer.cli.program import arguments_of
from d8_installer.errors import UsageError
from d8_installer.fast.argv import read_run
from tests.reaching import reached, reaches
from tests.strategies import steady

WORDS = (
    *("run", "beta", "--", "-q", "--quiet", "-v", "--json", "--offline", "--no-plugins", "--user", "--project"),
    *("--global", "--home", "--kubeconfig", "--context", "--home=x", "x", "-h", "--help", "", "sync", "--endpoint"),
)


OPTIONS = st.lists(st.sampled_from(["-q", "--user", "--home", "h", "--kubeconfig", "--context", "x"]), max_size=3)
LINES = st.builds(lambda *parts: [word for part in parts for word in part], OPTIONS, st.just(["run"]), OPTIONS)


@reaches("quick", "left")
@steady
@given(st.builds(list.__add__, LINES | st.just([]), st.lists(st.sampled_from(WORDS), max_size=5)))
def test_what_is_read_here_the_parser_reads_in_the_same_way(words: list[str]) -> None:
    run = read_run(words)
    if run is None:
        reached("left")
        return
    reached("quick")
    try:
        parsed = parse(words)
    except (UsageError, UnknownCommandError, SystemExit) as error:
        raise AssertionError(words) from error
    assert parsed.command == "run"
    assert (parsed.name, arguments_of(parsed)) == (run.name, run.arguments)
    assert (parsed.home, parsed.profile) == (run.home, run.profile)
    assert (parsed.kubeconfig, parsed.context) == (run.kubeconfig, run.context)


@pytest.mark.parametrize(
    "words", ["run", "run --skip-cluster-checks beta", "run -v beta", "run --facts f beta", "run --endpoint e beta", ""]
)
def test_what_it_does_not_know_is_left(words: str) -> None:
    assert read_run(words.split()) is None

"""What the help says: ``-h`` is short, ``--help`` complete, and every command explains each of its arguments."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

import pytest

from d8_installer.cli.parser import whole_parser
from d8_installer.cli.verb import GROUPS
from d8_installer.cli.verbs import VERBS
from tests.command import printed_help, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def below(parser: argparse.ArgumentParser, *path: str) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Yield the parser of every command and subcommand with what is typed for it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield (*path, name), inner
                yield from below(inner, *path, name)


COMMANDS = {path: parser for path, parser in below(whole_parser()) if not VERBS[path[0]].is_manager}


@pytest.fixture(params=COMMANDS, ids=" ".join)
def path(request: pytest.FixtureRequest) -> tuple[str, ...]:
    typed: tuple[str, ...] = request.param
    return typed


def test_short_help_is_the_usage_the_own_options_and_two_examples(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    short, whole = printed_help(capsys, *path, "-h"), printed_help(capsys, *path, "--help")
    name = " ".join(("d8-installer", *path))
    assert short.splitlines()[0] == whole.splitlines()[0]
    assert re.match(rf"usage: {name}( [a-z0-9]+)? \[OPTIONS\]", short), short
    assert short.endswith(f"\nType `{name} --help` for all options.\n")
    assert "--kubeconfig" not in short
    assert short.count("  d8-installer ") + short.count("  eval ") <= 2
    own, _, shared = whole.partition("\nglobal options:\n")
    assert set(short.removesuffix(f"\nType `{name} --help` for all options.\n").split()) <= set(own.split())
    for action in COMMANDS[path]._actions:
        assert all(option in own for option in action.option_strings if option not in shared), action
    assert whole.count("global options:") == shared.count("--endpoint URL ") == 1
    assert not [line for line in shared.splitlines() if line.endswith(":")], "the global options come last"


def test_every_argument_is_explained(path: tuple[str, ...]) -> None:
    for action in COMMANDS[path]._actions:
        if not isinstance(action, argparse._SubParsersAction):
            assert action.help, (path, action)
            assert action.help != argparse.SUPPRESS, (path, action)
            assert not action.help.endswith("."), action


def test_the_commands_are_listed_by_task(capsys: pytest.CaptureFixture[str]) -> None:
    whole = printed_help(capsys, "--help")
    titles = [line[:-1] for line in whole.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == [*GROUPS, "help", "examples", "global options"]
    for group in GROUPS:
        listed = whole.partition(f"\n{group}:\n")[2].partition("\n\n")[0]
        assert [line.split()[0] for line in listed.splitlines() if line[2] != " "] == [
            verb.name for verb in VERBS.values() if verb.group == group
        ]


def test_the_short_list_names_every_command_and_fits_a_small_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    short = printed_help(capsys, "-h")
    assert set(VERBS) <= set(short.replace(",", " ").split())
    assert len(short.splitlines()) < 24


def test_nothing_typed_is_answered_with_the_short_help(tmp_path: Path) -> None:
    done = run(home=str(tmp_path))
    assert (done.code, done.err) == (2, "")
    assert done.out == run("-h", home=str(tmp_path)).out


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("bundle", "bundle create [OPTIONS] -o FILE"),
        ("proxy", "proxy serve [OPTIONS] --from URL"),
        ("self", "self uninstall [OPTIONS]"),
    ],
)
def test_usage_has_a_fixed_word_where_people_type_it(
    command: str, usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed_help(capsys, command, "--help").splitlines()[0] == f"usage: d8-installer {usage}"

"""The command line's grammar as tables for completion scripts, read from the parser of argparse."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from d8_installer.cli.verbs import VERBS
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FILES = frozenset(["F", "FILE", "PATH", "DIR", "WHEEL", "PLATFORM=PATH"])


class Option(Struct, frozen=True, kw_only=True):
    """An option: its spellings, whether it takes a value, the values to choose from, and whether that is a file."""

    spellings: tuple[str, ...]
    takes_value: bool
    choices: tuple[str, ...]
    takes_file: bool
    help: str


class Word(Struct, frozen=True):
    """A word that may come next and is not an option, and what it does."""

    text: str
    help: str


class Level(Struct, frozen=True, kw_only=True):
    """What may follow the words *path*: a command, and its subcommand if it has any.

    ``has_names``: installed names may follow; only one of them with ``only_first``.
    """

    path: tuple[str, ...]
    options: tuple[Option, ...]
    words: tuple[Word, ...]
    takes_file: bool
    has_names: bool
    only_first: bool


def levels(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[Level]:
    """Yield the level of *parser*, then those of its subcommands."""
    actions = parser._actions  # argparse has no public attribute for this; shtab reads the same one
    words, takes_file = list[Word](), False
    inner = [action for action in actions if isinstance(action, argparse._SubParsersAction)]
    first = next((action for action in actions if not action.option_strings), None)
    for commands in inner:
        helps = {choice.dest: choice.help or "" for choice in commands._choices_actions}
        words += [Word(name, helps.get(name, "")) for name in commands.choices]
    if first is not None and not inner:
        words += [Word(str(choice), "") for choice in first.choices or ()]
        takes_file = first.metavar in _FILES
    has_names = len(path) == 1 and VERBS[path[0]].completes is not None
    many = first is not None and first.nargs in {"+", "*"}
    yield Level(
        path=path,
        options=tuple(_options(actions)),
        words=tuple(words),
        takes_file=takes_file,
        has_names=has_names,
        only_first=not many,
    )
    for commands in inner:
        for name, below in commands.choices.items():
            yield from levels(below, (*path, name))


def _options(actions: Sequence[argparse.Action]) -> Iterator[Option]:
    for action in actions:
        if action.option_strings and action.help != argparse.SUPPRESS:
            choices = tuple(map(str, action.choices or ()))
            is_file = isinstance(action.metavar, tuple) or action.metavar in _FILES
            yield Option(
                spellings=tuple(action.option_strings),
                takes_value=action.nargs != 0,
                choices=choices,
                takes_file=is_file,
                help=action.help or "",
            )

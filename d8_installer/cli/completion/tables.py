"""The grammar of the command line as tables for completion scripts; read off argparse's own parser."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from d8_installer.cli.completion.names import COMPLETED
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FILES = frozenset(["F", "FILE", "PATH", "DIR", "WHEEL", "PLATFORM=PATH"])


class Option(Struct, frozen=True, kw_only=True):
    """An option: its spellings, whether a value follows, which values there are, and whether that is a file."""

    spellings: tuple[str, ...]
    takes_value: bool
    choices: tuple[str, ...]
    takes_file: bool
    help: str


class Word(Struct, frozen=True):
    """What may stand as the next word that is not an option: the word itself and what it does."""

    text: str
    help: str


class Level(Struct, frozen=True, kw_only=True):
    """What may follow the words *path* (the command, and its own command if it has some).

    ``has_names``: the names that are in place; all of them may follow, or (``only_first``) one.
    """

    path: tuple[str, ...]
    options: tuple[Option, ...]
    words: tuple[Word, ...]
    takes_file: bool
    has_names: bool
    only_first: bool


def levels(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[Level]:
    """Yield the level of *parser*, and those of its commands."""
    actions = parser._actions  # argparse has no public way to ask; shtab reads the same attribute
    words, takes_file = list[Word](), False
    inner = [action for action in actions if isinstance(action, argparse._SubParsersAction)]
    first = next((action for action in actions if not action.option_strings), None)
    for commands in inner:
        told = {choice.dest: choice.help or "" for choice in commands._choices_actions}
        words += [Word(name, told.get(name, "")) for name in commands.choices]
    if first is not None and not inner:
        words += [Word(str(choice), "") for choice in first.choices or ()]
        takes_file = first.metavar in _FILES
    named = COMPLETED.get(path[0]) if len(path) == 1 else None
    many = first is not None and first.nargs in {"+", "*"}
    yield Level(
        path=path,
        options=tuple(_options(actions)),
        words=tuple(words),
        takes_file=takes_file,
        has_names=named is not None,
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

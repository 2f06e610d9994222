"""The commands with their arguments and options, from the parser."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from d8_installer.cli.help_format import fixed_word, is_fixed
from d8_installer.cli.options import add_globals, add_shared
from d8_installer.cli.pointers import PROGRAM
from d8_installer.cli.verb import GROUPS
from d8_installer.cli.verbs import VERBS
from docs.generate.markdown import code, prose, sentence, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.cli.verb import Group, Verb

_MORE = Path(__file__).with_name("commands.toml")


class _Parser(NamedTuple):
    """A command, or one of its subcommands."""

    name: str
    summary: str
    parser: argparse.ArgumentParser


def every_command() -> str:
    """Return each group of commands: its list, and a section for each command."""
    return "\n\n".join(map(_group, GROUPS))


def _group(group: Group) -> str:
    more = tomllib.loads(_MORE.read_text(encoding="utf-8"))
    verbs = [verb for verb in VERBS.values() if verb.group == group]
    listed = table(["command", "does"], [[f"[`{verb.name}`](#{verb.name})", prose(verb.help)] for verb in verbs])
    sections = (_section(verb, more.get(verb.name, "")) for verb in verbs)
    return "\n\n".join([f"## {group.capitalize()}", listed, *sections])


def global_options() -> str:
    """Return the table of the options that every command has."""
    return _table_of(_globals())


def _globals() -> list[argparse.Action]:
    parser = argparse.ArgumentParser(add_help=False)
    add_globals(parser, repeated=False)
    return parser._actions


def _section(verb: Verb, more: str) -> str:
    parts = [f"### {verb.name}", f"{prose(sentence(verb.help))} {more.strip()}".strip()]
    examples = _typed("\n".join(verb.examples), "sh")
    if verb.is_manager:
        return "\n\n".join([*parts, _typed(f"{PROGRAM} {verb.name} ARGS…"), examples])
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} {verb.name}", add_help=False, allow_abbrev=False)
    verb.load().configure(parser)
    add_shared(parser, verb.options)
    exits = [f"Exit code {number}: {prose(text)}." for number, text in verb.exits.items()]
    parts += [*_of_parser(parser), examples, *exits]
    for way in _ways(parser):
        parts += [f"#### {verb.name} {way.name}", prose(sentence(way.summary)), *_of_parser(way.parser)]
    return "\n\n".join(parts)


def _of_parser(parser: argparse.ArgumentParser) -> list[str]:
    """Return how a command is typed, and the table of its arguments and options."""
    own = [action for action in parser._actions if _is_own(action)]
    required = [_option(action) for action in own if action.option_strings and action.required]
    words = [_argument(action) for action in own if not action.option_strings and not is_fixed(action)]
    ways = ["COMMAND …" for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    has_options = any(action.option_strings and not action.required for action in own)
    line = " ".join(
        [f"{parser.prog}{fixed_word(own)}", *(["[OPTIONS]"] if has_options else []), *required, *words, *ways]
    )
    return [_typed(line), *([_table_of(own)] if own else [])]


def _is_own(action: argparse.Action) -> bool:
    """Whether an argument is the command's own: not hidden, not global, no list of subcommands."""
    shared = {option for each in _globals() for option in each.option_strings} - {"--from"}
    is_shared = bool(action.option_strings) and set(action.option_strings) <= shared
    is_hidden = action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction)
    return not (is_shared or is_hidden or isinstance(action, argparse._SubParsersAction))


def _ways(parser: argparse.ArgumentParser) -> Iterator[_Parser]:
    """Yield the subcommands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for said in action._choices_actions:
                yield _Parser(said.dest, said.help or "", action.choices[said.dest])


def _table_of(actions: list[argparse.Action]) -> str:
    formatter = argparse.HelpFormatter("")
    ordered = sorted(actions, key=lambda action: bool(action.option_strings))
    names = [_spelled(action) if action.option_strings else code(_argument(action)) for action in ordered]
    helps = [prose(formatter._expand_help(action)) for action in ordered]
    return table(["argument", "means"], list(zip(names, helps, strict=True)))


def _spelled(action: argparse.Action) -> str:
    value = _value(action)
    return ", ".join(code(f"{option} {value}".strip()) for option in action.option_strings)


def _option(action: argparse.Action) -> str:
    return f"{action.option_strings[-1]} {_value(action)}".strip()


def _value(action: argparse.Action) -> str:
    """Return the name of an option's value, empty if it has none."""
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, tuple):
        return " ".join(action.metavar)
    return action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper()


def _argument(action: argparse.Action) -> str:
    """Return a positional argument as the usage has it: ``[NAME]`` may be left out, ``NAME…`` may be repeated."""
    name = _value(action)
    is_repeated = action.nargs in ("+", "*", argparse.REMAINDER)
    name = f"{name}…" if is_repeated else name
    return f"[{name}]" if action.nargs in ("?", "*", argparse.REMAINDER) else name


def _typed(lines: str, language: str = "text") -> str:
    return f"```{language}\n{lines}\n```"

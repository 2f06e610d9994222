"""What the help says: ``-h`` the usage, the command's own options and two examples; ``--help`` everything."""

from __future__ import annotations

import argparse

from d8_installer.cli.help_format import HelpFormat, rows
from d8_installer.cli.options import GLOBAL_OPTIONS, global_group
from d8_installer.cli.pointers import PROGRAM, complaint
from d8_installer.cli.verb import GROUPS
from d8_installer.cli.verbs import VERBS
from d8_installer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

ANSWERED = {"help": "show the help of a command, or of an error's code", "version": "show the version"}
"""Words that the parser answers itself, for people who type them out of habit."""
_FIRST_STEPS = ("d8-installer install stronghold", "d8-installer list")
_FEW = 2
"""The examples that ``-h`` shows."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises its complaints as errors, so that ``--json`` can carry them."""

    def __init__(self, *, add_help: bool = True, **rest: Any) -> None:
        super().__init__(add_help=False, **({"allow_abbrev": False} | rest))
        self.register("action", "parsers", Ways)
        self._positionals.title = "arguments"
        self.is_short = False
        if add_help:
            group = global_group(self)
            group.add_argument("-h", action=_ShowPage, const=True, help="show short help")
            group.add_argument("--help", action=_ShowPage, const=False, help="show all options")

    def _get_formatter(self) -> HelpFormat:
        return HelpFormat(self.prog)

    def error(self, message: str) -> NoReturn:
        """Raise a UsageError instead of writing to stderr."""
        said, hint = complaint(self.prog, message, self._option_string_actions)
        raise UsageError(said, hint=hint)

    def format_help(self) -> str:
        """Return the help. The global options come last; the short one, for ``is_short``, is without them."""
        is_short = self.is_short
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        for title, text in self._lists(is_short=is_short):
            _add_text(formatter, title, text)
        for group in self._action_groups:
            if group.title != GLOBAL_OPTIONS:
                _add_group(formatter, group)
        examples = _examples(self.prog)[: _FEW if is_short else None]
        _add_text(formatter, "examples", "\n".join(formatter.continued(line) for line in examples))
        if not is_short:
            _add_text(formatter, "exit codes", _exits(self.prog))
            _add_group(formatter, global_group(self))
        formatter.add_text(self._ending(is_short=is_short))
        return formatter.format_help()

    def _lists(self, *, is_short: bool) -> Iterator[tuple[str, str]]:
        """Yield the lists of commands, each with its heading."""
        if self.prog == PROGRAM:
            yield from _short_list() if is_short else _command_list()
        for ways in self._actions:
            if isinstance(ways, Ways) and self.prog != PROGRAM:
                helps = {choice.dest: choice.help or "" for choice in ways._choices_actions}
                yield "commands", rows(helps, max(map(len, helps)) + 2)

    def _ending(self, *, is_short: bool) -> str | None:
        if self.prog == PROGRAM:
            return f"Type `{PROGRAM} COMMAND -h` for one command, `{PROGRAM} --help` for all options."
        return f"Type `{self.prog} --help` for all options." if is_short else None


class _ShowPage(argparse.Action):
    """The options ``-h`` and ``--help``."""

    def __init__(self, option_strings: list[str], dest: str, *, const: bool, help: str) -> None:  # noqa: A002
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, const=const, default=dest and argparse.SUPPRESS)
        self.help = help

    def __call__(self, parser: Any, *_: object) -> None:
        parser.is_short = self.const
        parser.print_help()
        parser.exit()


class Ways(argparse._SubParsersAction):  # type: ignore[type-arg]  # argparse has no public name for it
    """The subcommands of a command. Each is described by its line in the list; ``-C`` before it stays."""

    def add_parser(self, name: str, **rest: Any) -> Any:
        return super().add_parser(name, **({"description": sentence(rest["help"])} | rest))

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        before = getattr(namespace, "directories", None)
        super().__call__(parser, namespace, values, option_string)
        if before and namespace.directories is not before:
            namespace.directories = before + namespace.directories


def sentence(text: str) -> str:
    """Return a line of a list as a sentence."""
    return f"{text[0].upper()}{text[1:]}."


def _add_group(formatter: argparse.HelpFormatter, group: argparse._ArgumentGroup) -> None:
    formatter.start_section(group.title)
    formatter.add_text(group.description)
    formatter.add_arguments([action for action in group._group_actions if not isinstance(action, Ways)])
    formatter.end_section()


def _add_text(formatter: argparse.HelpFormatter, title: str, text: str) -> None:
    formatter.start_section(title)
    formatter.add_text(text or None)
    formatter.end_section()


def _command_list() -> Iterator[tuple[str, str]]:
    """Yield the groups with their commands, a line each."""
    width = max(map(len, VERBS)) + 2
    for group in GROUPS:
        yield group, rows({verb.name: verb.help for verb in VERBS.values() if verb.group == group}, width)
    yield "help", rows(ANSWERED, width)


def _short_list() -> Iterator[tuple[str, str]]:
    """Yield the commands, a line for each group."""
    names = {group: [verb.name for verb in VERBS.values() if verb.group == group] for group in GROUPS}
    listed = {group: ", ".join(of_group) for group, of_group in names.items()} | {"help": ", ".join(ANSWERED)}
    yield "commands", rows(listed, max(map(len, GROUPS)) + 2)


def _examples(prog: str) -> tuple[str, ...]:
    """Return the examples of a command or of its subcommand."""
    words = prog.split()
    if len(words) == 1:
        return _FIRST_STEPS
    verb = VERBS.get(words[1])
    lines = () if verb is None else verb.examples
    return lines if len(words) == 2 else tuple(line for line in lines if f"{line} ".startswith(f"{prog} "))


def _exits(prog: str) -> str:
    """Return a row for each exit code that means something of its own after this command."""
    verb = VERBS.get(prog.partition(" ")[2])
    return rows({str(number): text for number, text in verb.exits.items()}, 4) if verb is not None else ""

"""The command line's grammar. Only the parser of the typed command is built."""

from __future__ import annotations

import argparse
import sys

from d8_installer import __version__
from d8_installer.cli.help_format import columns
from d8_installer.cli.help_page import ANSWERED, Parser, sentence
from d8_installer.cli.options import add_globals, add_shared, global_group
from d8_installer.cli.pointers import PROGRAM, pointer
from d8_installer.cli.verbs import VERBS
from d8_installer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.cli.verb import Verb


class UnknownCommandError(UsageError):
    """The typed word is not one of our commands. It may be a plugin's; ``namespace`` is what was parsed so far."""

    code = "unknown-command"

    def __init__(self, namespace: argparse.Namespace, message: str = "", *, hint: str) -> None:
        super().__init__(message or f"{namespace.command[:60]!r} is not a command", hint=hint)
        self.namespace = namespace

    def as_json(self) -> dict[str, object]:
        """Return the error as a usage error."""
        return super().as_json() | {"kind": "Usage"}


def parse(arguments: Sequence[str], found: argparse.Namespace | None = None) -> argparse.Namespace:
    """Return the options; ``command`` is None if none was typed. ``--help`` and ``--version`` raise SystemExit.

    *found* receives them one by one, so that those before a mistake are known.
    """
    top = _top_parser()
    top.add_argument("command", nargs="?", metavar="COMMAND", help=argparse.SUPPRESS)
    top.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    namespace = top.parse_args(arguments, found)
    if namespace.command == "help":
        return _help(namespace)
    if namespace.command == "version":
        return parse(["--version"])
    if namespace.command is None:
        return namespace
    verb = VERBS.get(namespace.command)
    if verb is None:
        raise UnknownCommandError(namespace, hint=pointer(namespace.command, namespace.rest))
    if verb.is_manager:
        return namespace
    return parser_of(verb).parse_args(namespace.rest, namespace)


def parser_of(verb: Verb | None) -> Parser:
    """Return the parser of one command, or with None that of the words before it."""
    if verb is None:
        return _top_parser()
    parser = Parser(prog=f"{PROGRAM} {verb.name}", description=sentence(verb.help))
    _configure(parser, verb)
    return parser


def _configure(parser: argparse.ArgumentParser, verb: Verb) -> None:
    add_globals(parser, repeated=True)
    verb.load().configure(parser)
    add_shared(parser, verb.options)


def _help(namespace: argparse.Namespace) -> argparse.Namespace:
    """Answer ``help [COMMAND…]`` as ``[COMMAND…] --help``."""
    words = [word for word in namespace.rest if not word.startswith("-")]
    if words[:1] == ["help"]:
        words = []
    if words and words[0] not in VERBS and words[0] not in ANSWERED:
        return _help_with(namespace, words)
    verb = VERBS.get(words[0]) if words else None
    if verb is not None and verb.is_manager:  # `pip --help` is pip's own
        name = f"{PROGRAM} {verb.name}"
        Parser(prog=name, usage=f"{name} ARGS…", description=sentence(verb.help), add_help=False).print_help()
        raise SystemExit(0)
    return parse([*words, "--help"])


def _help_with(namespace: argparse.Namespace, words: list[str]) -> argparse.Namespace:
    """Print the entry of an error's code. Raise UnknownCommandError for another word: it may be a plugin's command."""
    from d8_installer.cli import troubleshooting

    entry = troubleshooting.find(words[0])
    if entry is not None:
        sys.stdout.write("".join(f"{line}\n" for line in troubleshooting.lines(entry, columns())))
        raise SystemExit(0)
    numbered = troubleshooting.with_exit_code(words[0]) if words[0].isdecimal() else []
    if numbered:
        head = f"errors that end with exit code {words[0]}; type `{PROGRAM} help CODE` for one of them:"
        sys.stdout.write("".join(f"{line}\n" for line in [head, *numbered]))
        raise SystemExit(0)
    near = troubleshooting.near(words[0])
    namespace.command, namespace.rest = words[0], [*words[1:], "--help"]
    raise UnknownCommandError(
        namespace,
        f"{words[0][:60]!r} is neither a command nor the code of an error",
        hint=f"did you mean `{PROGRAM} help {near}`?" if near else pointer(words[0], words[1:]),
    )


def whole_parser() -> argparse.ArgumentParser:
    """Return one parser with every command in it, for what describes the whole command line."""
    top = _top_parser()
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for verb in VERBS.values():
        _configure(commands.add_parser(verb.name, help=verb.help), verb)
    return top


def short_help() -> str:
    """Return the short help of the program."""
    parser = _top_parser()
    parser.is_short = True
    return parser.format_help()


def _top_parser() -> Parser:
    parser = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [OPTIONS] COMMAND …",
        description="Install the executables that Python packages declare, verified and locked.",
    )
    global_group(parser).add_argument(
        *("-V", "--version"), action="version", version=f"{PROGRAM} {__version__}", help="show the version"
    )
    add_globals(parser, repeated=False)
    return parser

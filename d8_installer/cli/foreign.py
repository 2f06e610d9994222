"""Commands of plugins: tried if the typed word is not one of our commands. Their stdout is their own."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import TYPE_CHECKING

from d8_installer.cli import render
from d8_installer.cli.context import Context, enter
from d8_installer.cli.help_page import Parser
from d8_installer.cli.options import add_globals
from d8_installer.cli.pointers import PROGRAM
from d8_installer.cli.talk import Talk
from d8_installer.cli.verbs import VERBS
from d8_installer.errors import ConfigError, D8Error

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.parser import UnknownCommandError
    from d8_installer.cli.screen import Screen
    from d8_installer.pipeline.session import Session
    from d8_installer.plugin.calling import Offer
    from d8_installer.plugin.records import Command, CommandContext

_READER_GONE = 128 + 13
"""The exit code of a command that ended because its pipe was closed: its own exit code is not known."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}", re.ASCII)


def execute(unknown: UnknownCommandError, screen: Screen) -> int:
    """Run the plugin's command that *unknown* names and return its exit code; if there is none, show *unknown*."""
    typed = unknown.namespace
    talk = Talk(screen, quiet=typed.quiet, verbose=typed.verbose, has_progress=not typed.no_progress)
    try:
        _read_globals(typed)
        enter(typed.directories)
        with Context(typed, talk).session() as session:
            command = _find(session, typed.command)
            if command is None:
                return render.failure(screen, None, unknown, as_json=typed.json)
            code = _run(session, command, typed, screen)
            talk.close()
            return code
    except _ReaderGoneError:
        screen.drop_output()
        return _READER_GONE
    except D8Error as error:
        talk.fail()
        return render.failure(screen, None, error, as_json=typed.json or "--json" in typed.rest)


class _ReaderGoneError(D8Error):
    """A plugin's command wrote to a closed pipe. Never shown."""


def _read_globals(typed: argparse.Namespace) -> None:
    """Read the global options after the command: they decide whether plugins are searched, and where."""
    parser = Parser(prog=PROGRAM, add_help=False)
    add_globals(parser, repeated=True)
    parser.parse_known_args(typed.rest, typed)


def _find(session: Session, name: str) -> Offer[Command] | None:
    from d8_installer.plugin.records import Command

    plugins = session.plugins
    if not _NAME.fullmatch(name) or not plugins.any_enabled or not plugins.hooks.implements("d8_commands"):
        return None
    commands = plugins.hooks.records("d8_commands", Command)
    for offer in commands:
        if offer.record.name in VERBS:
            session.reporter.warn(f"plugin {offer.plugin} offers the command {offer.record.name!r}, which is ours")
    return next((offer for offer in commands if offer.record.name == name), None)


def _run(session: Session, offer: Offer[Command], typed: argparse.Namespace, screen: Screen) -> int:
    from d8_installer.plugin.calling import guarded, hint_about

    command = offer.record
    what = f"the command {command.name!r}"
    parser = Parser(prog=f"{PROGRAM} {command.name}", description=command.summary)
    add_globals(parser, repeated=True)
    guarded(offer.plugin, what, lambda: command.configure(parser))
    try:
        arguments = parser.parse_args(typed.rest, typed)
    except SystemExit as ended:  # --help
        return int(ended.code or 0)
    context = _context(session)

    def run() -> object:
        try:
            return command.run(arguments, context)
        except OSError as error:
            if not screen.is_of_lost_reader(error):
                raise
            raise _ReaderGoneError("the reader of its output has gone") from error

    code = guarded(offer.plugin, what, run, keep_stdout=True)
    if isinstance(code, int) and 0 <= code <= 255:
        return int(code)
    raise ConfigError(
        f"plugin {offer.plugin} failed in {what}: it must return 0 to 255",
        hint=hint_about(offer.plugin),
        code="plugin-failed",
    )


def _context(session: Session) -> CommandContext:
    from d8_installer.plugin.records import CommandContext
    from d8_installer.plugin.run_self import run_tool

    return CommandContext(
        directory=session.scope.directory,
        home=session.scope.home.root,
        bin_directory=session.scope.home.bin,
        run=partial(run_tool, directory=session.scope.directory),
        note=session.reporter.note,
        warn=session.reporter.warn,
        env=os.environ,
    )

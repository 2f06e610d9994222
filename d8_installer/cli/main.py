"""The console script: parse, execute, render. Only here is every exception caught."""

from __future__ import annotations

import io
import os
import sys

from d8_installer.cli import render
from d8_installer.cli.context import Context, Outcome, Terminated, enter
from d8_installer.cli.screen import OutputError, Screen
from d8_installer.cli.talk import Talk
from d8_installer.cli.verbs import VERBS
from d8_installer.errors import EXIT_BUG, EXIT_OK, D8Error, UsageError
from d8_installer.fast.argv import read_sync

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from typing import NoReturn


_COLLECT_AFTER = 20_000
"""Objects that are made before Python looks for cycles among them; its own 700 costs a small install a twentieth."""
_REFUSING = frozenset(["strict", "surrogateescape"] if sys.platform == "win32" else ["strict"])
"""What Python does by itself with a character that stdout's encoding lacks: it fails.

On Windows a pipe has the code page's encoding and ``surrogateescape`` (Python: sys.stdin). On POSIX the C locale has
that too, and there text of others has to get through as the bytes that it was.
"""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command line (None: that of the process) and end the process with its exit code.

    Everything is written by then, so the process ends at once. An ordinary exit would take hundreds of modules apart,
    which is a fifth of a small install, and would wait for stalled threads and for what plugins have registered.
    """
    import gc

    gc.set_threshold(_COLLECT_AFTER)
    os._exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    typed = list(arguments)
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _open_what_was_closed()
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in _REFUSING:
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal or pipe that has no such character
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.platform == "win32":
        sys.stdout.reconfigure(newline="\n")  # the same bytes as on POSIX: the bash of Git evaluates them
    screen = Screen.of_process()
    _hide_typed(typed, screen)
    return _closed(screen, _guarded(typed, screen))


def _hide_typed(typed: Sequence[str], screen: Screen) -> None:
    """Hide the passwords in typed addresses: an error may quote a word that it did not expect."""
    for word in typed:
        if ":" in word and ("@" in word or "//" in word):
            from d8_installer.model.address import hidden_parts

            screen.secrets.add(*hidden_parts(word))


def _guarded(typed: list[str], screen: Screen) -> int:
    as_json = "--json" in typed
    try:
        return _run(typed, screen)
    except Terminated as ended:
        return render.terminated(screen, ended.number, as_json=as_json)
    except KeyboardInterrupt:
        return render.interrupted(screen, as_json=as_json)
    except OutputError as error:
        return render.failure(screen, None, error, as_json=False)
    except Exception as error:  # noqa: BLE001 - anything but a D8Error is a bug of ours
        render.bug(screen, error, as_json=as_json)
        return EXIT_BUG


def _closed(screen: Screen, code: int) -> int:
    """Close the screen on every way out, and return the exit code."""
    try:
        screen.close()
    except OutputError as error:
        lost = render.failure(screen, None, error, as_json=False)
        return code or lost
    finally:
        screen.silence()
        _flush_stderr()
    return code


def _flush_stderr() -> None:
    """Write out what a plugin or a warning of Python may have left in stderr's buffer."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):  # a full disk or a closed terminal: talk that is lost changes no exit code
        return


def _open_what_was_closed() -> None:
    """Open the null device for each of the descriptors 0 to 2 that the caller closed, so that no other file gets it."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _run(typed: list[str], screen: Screen) -> int:
    if typed[:1] == ["launch"]:
        return _launch(typed[1:], screen)
    if typed[:1] == ["__complete"]:
        return _complete(typed[1:], screen)
    if "run" in typed or typed[:1] == ["__gated"]:
        from d8_installer.cli.quick_run import execute_if_ready

        execute_if_ready(typed, os.environ)
    if typed[:1] == ["__gated"]:
        return _run_gated(typed[1:], screen)
    arguments = read_sync(typed)
    return _execute(arguments, screen) if arguments is not None else _parse_and_execute(typed, screen)


def _parse_and_execute(typed: list[str], screen: Screen) -> int:
    from argparse import Namespace

    from d8_installer.cli.parser import UnknownCommandError, parse, short_help

    found = Namespace()
    try:
        arguments = parse(typed, found)
    except UnknownCommandError as unknown:
        from d8_installer.cli.foreign import execute

        screen.choose_colours(unknown.namespace.color)
        return execute(unknown, screen)
    except UsageError as error:
        screen.choose_colours(getattr(found, "color", None))
        return render.failure(screen, None, error, as_json="--json" in typed)
    except SystemExit as ended:  # --help and --version
        return int(ended.code or EXIT_OK)
    if arguments.command is None:
        if arguments.json:
            nothing = UsageError("no command was typed", hint="see `d8-installer --help`")
            return render.failure(screen, None, nothing, as_json=True)
        screen.write_raw(short_help())
        return UsageError.exit_code
    return _execute(arguments, screen)


def _execute(arguments: Namespace, screen: Screen) -> int:
    screen.choose_colours(arguments.color)
    talk = Talk(screen, quiet=arguments.quiet, verbose=arguments.verbose, has_progress=not arguments.no_progress)
    try:
        enter(arguments.directories)
        result = VERBS[arguments.command].load().execute(Context(arguments, talk))
    except OutputError:
        raise
    except D8Error as error:
        talk.fail()
        return render.failure(screen, arguments.command, error, as_json=arguments.json)
    talk.close()
    if isinstance(result, Outcome):
        exit_code = render.outcome(screen, arguments.command, result, as_json=arguments.json)
        for text in result.after:
            talk.note(text)
        return exit_code
    return result.exit_code


def _complete(typed: list[str], screen: Screen) -> int:
    """Print what a completion script asks for: the shell, then what it knows of the command line."""
    from d8_installer.cli.completion.answer import answer, printed
    from d8_installer.cli.completion.typed_words import typed_in
    from d8_installer.cli.context import working_directory

    shell = typed[0] if typed else ""
    line = typed_in(shell, typed[1:], os.environ)
    found = printed(shell, line, answer(line, os.environ, working_directory()))
    screen.write_raw("".join(f"{one}\n" for one in found))
    return EXIT_OK


def _run_gated(typed: list[str], screen: Screen) -> int:
    """Check the run of a gated program, which a wrapper calls. Nothing of it is parsed: the arguments are its own."""
    from d8_installer.cli.gated import execute

    try:
        return execute(typed, os.environ, screen).exit_code
    except D8Error as error:
        return render.failure(screen, None, error, as_json=False)


def _launch(typed: list[str], screen: Screen) -> int:
    """Run a launcher's call. Nothing of it is parsed: the arguments are the program's."""
    from d8_installer.cli.launching import execute

    try:
        return execute(typed, os.environ, screen).exit_code
    except D8Error as error:
        return render.failure(screen, None, error, as_json=False)

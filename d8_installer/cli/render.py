"""Prints results to stdout, as text or JSON, and errors to stderr, all through the screen."""

from __future__ import annotations

from d8_installer.cli.own_command import typeable_hints
from d8_installer.cli.screen import CYAN, RED, OutputError, Toned, known, with_bytes
from d8_installer.errors import EXIT_BUG, EXIT_INTERRUPTED, D8Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d8_installer.cli.context import Outcome
    from d8_installer.cli.screen import Screen

ENVELOPE_SCHEMA = 1
_SHOWN = 20
"""The most errors that are shown if a command did the rest."""


def outcome(screen: Screen, command: str, result: Outcome, *, as_json: bool) -> int:
    """Print a command's result and return the exit code: that of its first error, or 0."""
    exit_code = result.errors[0].exit_code if result.errors else 0
    if as_json:
        status = "partial" if result.errors else "ok"
        _envelope(screen, command, (status, exit_code), result.data, result.errors)
        return exit_code
    if result.lines:
        screen.write(*result.lines, is_for_scripts=result.is_for_scripts)
    for error in result.errors[:_SHOWN]:
        _complain(screen, error)
    if len(result.errors) > _SHOWN:
        screen.say(f"and {len(result.errors) - _SHOWN} more errors (--json shows all)")
    return exit_code


def failure(screen: Screen, command: str | None, error: D8Error, *, as_json: bool) -> int:
    """Print the error that ended a command and return its exit code.

    If the JSON cannot be written, the error goes to stderr, and OutputError is raised.
    """
    if not as_json:
        _complain(screen, error)
        return error.exit_code
    try:
        _envelope(screen, command, ("error", error.exit_code), {}, [error])
    except OutputError:
        _complain(screen, error)
        raise
    return error.exit_code


def bug(screen: Screen, error: BaseException, *, as_json: bool) -> None:
    """Show a bug of ours, with what a report needs."""
    import traceback

    screen.end_bars()
    screen.say(*"".join(traceback.format_exception(error)).splitlines())
    screen.say(_error(BugError.code, "this is a bug in d8-installer; please report it with the lines above"))
    if as_json:
        _ending(screen, BugError(f"bug: {type(error).__name__}", hint="report it with what stderr says"))


class BugError(D8Error):
    """A bug, as ``--json`` reports it."""

    exit_code = EXIT_BUG
    code = "bug"


def interrupted(screen: Screen, *, as_json: bool) -> int:
    """Report Ctrl-C and return the exit code."""
    screen.end_bars()
    screen.say("interrupted")
    if as_json:
        _ending(screen, InterruptedError("interrupted", hint="type the same command again"))
    return EXIT_INTERRUPTED


class InterruptedError(D8Error):  # noqa: A001 - the name is what ``--json`` calls it
    """Ctrl-C, as ``--json`` reports it."""

    exit_code = EXIT_INTERRUPTED
    code = "interrupted"


def terminated(screen: Screen, number: int, *, as_json: bool) -> int:
    """Report the signal and return the exit code, 128 plus the signal's number."""
    import signal

    error = TerminatedError(number, signal.Signals(number).name)
    screen.end_bars()
    screen.say(error.message)
    if as_json:
        _ending(screen, error)
    return error.exit_code


class TerminatedError(D8Error):
    """SIGTERM, SIGHUP or Windows's SIGBREAK (Ctrl-Break, a closed console), as ``--json`` reports it."""

    code = "terminated"

    def __init__(self, number: int, name: str) -> None:
        super().__init__(f"ended by {name}", hint="type the same command again")
        self.exit_code = 128 + number


def _ending(screen: Screen, error: D8Error) -> None:
    """Print the JSON of an end whose exit code is decided, even if stdout cannot be written to."""
    try:
        failure(screen, None, error, as_json=True)
    except OutputError as lost:
        _complain(screen, lost)


def _envelope(
    screen: Screen,
    command: str | None,
    ended: tuple[str, int],
    data: Mapping[str, object],
    errors: Sequence[D8Error],
) -> None:
    import json

    status, exit_code = ended
    document = {
        "schema": ENVELOPE_SCHEMA,
        "command": command,
        "status": status,
        "exit_code": exit_code,
        "data": data,
        "errors": [_with_bytes(error.as_json()) for error in errors],
    }
    screen.write_raw(f"{json.dumps(_exchangeable(typeable_hints(document)), indent=2, ensure_ascii=True)}\n")


def _with_bytes(error: Mapping[str, object]) -> dict[str, object]:
    return {key: with_bytes(value) if isinstance(value, str) else value for key, value in error.items()}


def _exchangeable(value: object) -> object:
    """Return *value* without lone surrogates, which other JSON parsers refuse (RFC 8259 §8.2)."""
    if isinstance(value, str):
        return known(value)
    if isinstance(value, dict):
        return {_exchangeable(key): _exchangeable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exchangeable(item) for item in value]
    return value


def _complain(screen: Screen, error: D8Error) -> None:
    screen.end_bars()
    text = error.hint or _explained(error.code)
    hint = [Toned(f"hint: {with_bytes(text)}", CYAN, len("hint:"))] if text else []
    screen.say(_error(error.code, with_bytes(error.message)), *hint)


def _explained(code: str) -> str:
    """Return the hint for an error without one; a code of a plugin's own has no entry."""
    from d8_installer.cli.troubleshooting import codes

    return f"`d8-installer help {code}` explains this kind of error" if code in codes() else ""


def _error(code: str, text: str) -> Toned:
    head = f"error[{code}]:"
    return Toned(f"{head} {text}", RED, len(head))

"""Result to text or JSON on stdout, error to stderr: the only place that prints."""

from __future__ import annotations

import os
import sys

from d8_installer.cli.own_command import typeable_hints
from d8_installer.cli.talk import printable
from d8_installer.errors import EXIT_BUG, EXIT_INTERRUPTED, D8Error, DiskError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d8_installer.cli.context import Outcome

ENVELOPE_SCHEMA = 1
_SHOWN = 20
"""Errors of a command that did the rest; more are not read by anybody."""


def outcome(command: str, result: Outcome, *, as_json: bool) -> int:
    """Print a command's result and return the exit code: that of the first error that did not stop it, or 0."""
    exit_code = result.errors[0].exit_code if result.errors else 0
    if as_json:
        status = "partial" if result.errors else "ok"
        _envelope(command, status, exit_code, result.data, result.errors)
        return exit_code
    if result.lines:
        _write("\n".join(map(printable, result.lines)))
    for error in result.errors[:_SHOWN]:
        _complain(error)
    if len(result.errors) > _SHOWN:
        print(f"error: and {len(result.errors) - _SHOWN} more of the kind (all with --json)", file=sys.stderr)
    return exit_code


def failure(command: str | None, error: D8Error, *, as_json: bool) -> int:
    """Print the error that ended a command and return its exit code."""
    if as_json:
        _envelope(command, "error", error.exit_code, {}, [error])
    else:
        _complain(error)
    return error.exit_code


def raw(text: str) -> None:
    """Print text that is a program's or a shell's, as it is."""
    _write(text, end="")


def bug(command: str | None, error: BaseException, *, as_json: bool) -> None:
    """Show our own fault, with what a report needs."""
    import traceback

    traceback.print_exception(error, file=sys.stderr)
    print("error: this is a bug in d8-installer; please report it with the lines above", file=sys.stderr)
    if as_json:
        failure(command, BugError(f"bug: {type(error).__name__}", hint="report it with what stderr says"), as_json=True)


class BugError(D8Error):
    """What ``--json`` says of our own fault."""

    exit_code = EXIT_BUG


def interrupted(*, as_json: bool) -> int:
    """Say that the person ended it, and return the exit code."""
    sys.stderr.write("interrupted\n")
    if as_json:
        failure(None, InterruptedError("interrupted", hint="type the same command again"), as_json=True)
    return EXIT_INTERRUPTED


class InterruptedError(D8Error):  # noqa: A001 - the name is what ``--json`` calls it
    """What ``--json`` says of Ctrl-C."""

    exit_code = EXIT_INTERRUPTED


def _envelope(
    command: str | None, status: str, exit_code: int, data: Mapping[str, object], errors: Sequence[D8Error]
) -> None:
    import json

    document = {
        "schema": ENVELOPE_SCHEMA,
        "command": command,
        "status": status,
        "exit_code": exit_code,
        "data": data,
        "errors": [error.as_json() for error in errors],
    }
    _write(json.dumps(typeable_hints(document), indent=2, ensure_ascii=True))


def _write(text: str, *, end: str = "\n") -> None:
    """Write to stdout, and now: a full disk behind it is an error as any other."""
    data = f"{text}{end}"
    try:
        if os.name == "posix" and hasattr(sys.stdout, "buffer"):
            # Paths go out as the bytes that they are in the file system, whatever the locale makes of them.
            sys.stdout.buffer.write(_bytes(data))
            sys.stdout.flush()
        else:
            print(data, end="", flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise DiskError(f"cannot write the output: {reason}", hint="see where stdout leads to") from error


def _bytes(text: str) -> bytes:
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def _complain(error: D8Error) -> None:
    sys.stdout.flush()
    red, plain = ("\033[31m", "\033[0m") if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else ("", "")
    print(f"{red}error:{plain} {printable(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"hint: {printable(error.hint)}", file=sys.stderr)

"""Running a program as ``run`` does: with its arguments as they were typed, in place of this process if possible."""

from __future__ import annotations

import os

TYPE_CHECKING = False

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence


def verbatim(typed: argparse.Namespace) -> list[str]:
    """Return what was typed after NAME, with the leading ``--`` that argparse removes."""
    after: list[str] = typed.program_arguments
    before = typed.rest[: len(typed.rest) - len(after)]
    taken = len(before) > 1 and before[-1] == "--" and before[-2] == typed.name
    return ["--", *after] if taken else after


def wait_for(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a program to its end and return its exit code (128+n for a signal). The program handles Ctrl-C."""
    import signal
    import subprocess

    from d8_installer.model.run_gate import exit_code

    # A handler, not SIG_IGN: a child would inherit that the signal is ignored.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        code = subprocess.Popen(command, env=environ).wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return exit_code(code)


def become(path: str, command: list[str], environ: dict[str, str]) -> None:
    """Replace this process by the program, or raise OSError.

    Python ignores SIGPIPE and SIGXFSZ. The program would inherit that, and not end with the reader of its pipe.
    """
    import signal

    ignored = [getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name)]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(path, command, environ)  # noqa: S606 - no shell is wanted
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def execute_file(path: str, command: list[str], environ: Mapping[str, str]) -> None:
    """Replace this process by the program. Raise MismatchError if the system cannot execute it."""
    import errno

    from d8_installer.errors import DiskError, MismatchError, UsageError

    try:
        become(path, command, dict(environ))
    except FileNotFoundError as error:
        raise DiskError(f"{path} is gone", hint="type `d8-installer sync`, which fetches it again") from error
    except OSError as error:
        if error.errno == errno.E2BIG:
            raise UsageError(
                f"the arguments and variables of {os.path.basename(path)} are longer than the system allows",
                hint="pass fewer of them, or in a file that the program reads",
            ) from error
        raise MismatchError(
            f"the system cannot execute {path}: {error.strerror}", hint="check that it was built for this machine"
        ) from error

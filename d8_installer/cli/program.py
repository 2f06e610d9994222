"""Running a program as ``run`` does: with its arguments as they were typed, in place of this process if possible."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

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


def execute_file(path: str, command: list[str], environ: Mapping[str, str]) -> None:
    """Replace this process by the program. Raise MismatchError if the system cannot execute it."""
    from d8_installer.errors import DiskError, MismatchError

    try:
        os.execve(path, command, dict(environ))  # noqa: S606 - no shell is wanted
    except FileNotFoundError as error:
        raise DiskError(f"{path} is gone", hint="type `d8-installer sync`, which fetches it again") from error
    except OSError as error:
        raise MismatchError(
            f"the system cannot execute {path}: {error.strerror}", hint="check that it was built for this machine"
        ) from error

"""Running a program as ``run`` does: with its arguments as they were typed, in place of this process if possible."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from d8_installer.errors import D8Error


def arguments_of(typed: argparse.Namespace) -> list[str]:
    """Return what was typed after NAME, but for a ``--`` that follows it, as ``fast.argv`` reads it.

    argparse takes that ``--`` away itself, unless one stands before NAME.
    """
    from d8_installer.cli.options import name_argument

    after: list[str] = typed.program_arguments
    before = typed.rest[: len(typed.rest) - len(after)]
    is_taken = len(before) > 1 and before[-1] == "--" and name_argument(before[-2]) == typed.name
    return after[1:] if after[:1] == ["--"] and not is_taken else after


def hand_over(path: str, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Replace this process by the program where the system can do that, else wait for it and return its exit code."""
    command = [path, *arguments]
    try:
        if os.name == "posix":
            become(path, command, dict(environ))
        return wait_for(command, environ)
    except OSError as error:
        raise _refusal(path, error) from error


def wait_for(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a program to its end and return its exit code (128+n for a signal). The program handles Ctrl-C.

    On Windows that is the number which makes this process end as the program did: ``os._exit`` takes a signed one, and
    a crash has a code such as 0xC0000005.
    """
    import signal
    import subprocess

    from d8_installer.model.run_gate import exit_code

    # A handler, not SIG_IGN: a child would inherit that the signal is ignored. SIGBREAK is Ctrl-Break.
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGBREAK") if hasattr(signal, name)]
    before = {number: signal.signal(number, lambda _number, _frame: None) for number in numbers}
    try:
        process = subprocess.Popen(command, env=environ)
        if sys.platform == "win32":
            from d8_installer.cluster.windows_job import end_with_this_process

            end_with_this_process(process)
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return signed(code) if sys.platform == "win32" else exit_code(code)


def signed(code: int) -> int:
    """Return the signed 32-bit number with the bits of *code*."""
    return code - (1 << 32) if code >= 1 << 31 else code


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


def _refusal(path: str, error: OSError) -> D8Error:
    """Return why the system did not start the program."""
    import errno

    from d8_installer.errors import DiskError, MismatchError, UsageError

    if sys.platform == "win32":
        known = _refusal_of_windows(path, error)
        if known is not None:
            return known
    if isinstance(error, FileNotFoundError):
        return DiskError(
            f"{path} is gone", hint="type `d8-installer sync`, which fetches it again", code="program-gone"
        )
    if error.errno == errno.E2BIG:
        return UsageError(
            f"the arguments and variables of {os.path.basename(path)} are longer than the system allows",
            hint="pass fewer of them, or in a file that the program reads",
        )
    return MismatchError(
        f"the system cannot execute {path}: {error.strerror}",
        hint="check that it was built for this machine",
        code="wrong-executable",
    )


if sys.platform == "win32":

    def _refusal_of_windows(path: str, error: OSError) -> D8Error | None:
        """Return the refusals that have a number of their own (Microsoft: System Error Codes), or None."""
        from d8_installer.errors import NotAllowedError, UsageError

        if error.winerror == 206:  # ERROR_FILENAME_EXCED_RANGE: CreateProcess takes 32,767 characters
            return UsageError(
                f"the arguments of {os.path.basename(path)} are longer than Windows allows",
                hint="pass fewer of them, or in a file that the program reads",
            )
        if error.winerror == 740:  # ERROR_ELEVATION_REQUIRED
            return NotAllowedError(
                f"{path} has to be run by an administrator",
                hint="type it in a console that runs as administrator",
                code="blocked-by-system",
            )
        if error.winerror in {225, 226}:  # ERROR_VIRUS_INFECTED, ERROR_VIRUS_DELETED
            return NotAllowedError(
                f"the virus scanner of this machine does not let {path} run",
                hint="see what it says about the file",
                code="blocked-by-system",
            )
        if error.winerror in {1260, 4551}:  # ERROR_ACCESS_DISABLED_BY_POLICY, that of an application control policy
            return NotAllowedError(
                f"a policy of this machine does not let {path} run",
                hint="ask its administrator to allow the file",
                code="blocked-by-system",
            )
        return None

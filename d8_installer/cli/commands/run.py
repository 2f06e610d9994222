"""``run NAME[SPEC] [ARGS…]``"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli.context import RawOutput

if TYPE_CHECKING:
    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the name; all after it is the program's own."""
    grammar.add_platform(parser)
    grammar.add_trust(parser)
    parser.add_argument("name", metavar="NAME[SPEC]", help="a binary in place, or an image")
    parser.add_argument("program_arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="for the program")


def execute(context: Context) -> RawOutput:
    """Become the program where the system can; its exit code and signals are then its own."""
    from d8_installer.ops.run import runnable

    with context.session() as session:
        program = runnable(session, context.arguments.name)
    context.talk.close()
    command = [program.path, *verbatim(context.arguments)]
    sys.stdout.flush()
    if os.name == "posix":
        execute_file(program.path, command)
    return RawOutput(subprocess.run(command, check=False).returncode)


def verbatim(typed: argparse.Namespace) -> list[str]:
    """Return what was typed after NAME, with the ``--`` that argparse takes away from its beginning."""
    after: list[str] = typed.program_arguments
    before = typed.rest[: len(typed.rest) - len(after)]
    taken = len(before) > 1 and before[-1] == "--" and before[-2] == typed.name
    return ["--", *after] if taken else after


def execute_file(path: str, command: list[str]) -> None:
    """Replace this process; a file that the system cannot execute is an error of ours, not a traceback."""
    from d8_installer.errors import DiskError, MismatchError

    try:
        # Whoever runs a tool gives it no credentials of the proxy.
        env = {name: value for name, value in os.environ.items() if name != "D8_RPP_TOKEN"}
        os.execve(path, command, env)  # noqa: S606 - no shell is wanted
    except FileNotFoundError as error:
        raise DiskError(f"{path} is gone", hint="type `d8-installer sync`, which fetches it again") from error
    except OSError as error:
        raise MismatchError(
            f"the system cannot execute {path}: {error.strerror}", hint="see whether it is right for this machine"
        ) from error

"""``run NAME[SPEC] [ARGS…]``"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from d8_installer.cli.context import RawOutput

if TYPE_CHECKING:
    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the name; everything after it is for the program."""
    parser.add_argument("name", metavar="NAME[SPEC]", help="an installed binary, or an image")
    parser.add_argument("program_arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="arguments of the program")


def execute(context: Context) -> RawOutput:
    """Become the program where the system can do that: its exit code and its signals are then its own."""
    from d8_installer.cli.program import execute_file, verbatim, wait_for
    from d8_installer.ops.run import runnable

    arguments = verbatim(context.arguments)
    with context.session() as session:
        program = runnable(session, context.arguments.name, arguments)
    context.talk.close()
    command = [program.path, *arguments]
    if os.name == "posix":
        execute_file(program.path, command, program.environ)
    return RawOutput(wait_for(command, program.environ))

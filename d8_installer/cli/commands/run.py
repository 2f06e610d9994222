"""``run NAME[SPEC] [--] [ARGS…]``"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from d8_installer.cli.context import RawOutput
from d8_installer.cli.options import name_argument

if TYPE_CHECKING:
    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the name; everything after it, and after a ``--`` there, is for the program."""
    parser.add_argument("name", type=name_argument, metavar="NAME[SPEC]", help="an installed binary, or an image")
    parser.add_argument(
        "program_arguments",
        nargs=argparse.REMAINDER,
        metavar="ARGS",
        help="arguments of the program; a -- before them is dropped",
    )


def execute(context: Context) -> RawOutput:
    """Become the program where the system can do that: its exit code and its signals are then its own."""
    from d8_installer.cli.program import arguments_of, hand_over
    from d8_installer.ops.run import runnable

    arguments = arguments_of(context.arguments)
    with context.session() as session:
        program = runnable(session, context.arguments.name, arguments)
    context.talk.close()
    return RawOutput(hand_over(program.path, arguments, program.environ))

"""``which BINARY``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome
from d8_installer.cli.options import name_argument

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the binary's name."""
    parser.add_argument("binary", type=name_argument, metavar="BIN", help="a binary, as in `d8-installer list`")


def execute(context: Context) -> Outcome:
    """Show the path of the stored file."""
    from d8_installer.ops.which import which

    with context.session() as session:
        result = which(session, context.arguments.binary)
    return Outcome(result.as_json(), [result.path], is_for_scripts=True)

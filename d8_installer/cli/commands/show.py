"""``show NAME[SPEC]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome
from d8_installer.cli.options import name_argument
from d8_installer.model.shell_words import quoted

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the image and its range."""
    parser.add_argument(
        "name",
        type=name_argument,
        metavar="NAME[SPEC]",
        help=f"an image, and perhaps a range: {quoted('stronghold<2')}",
    )


def execute(context: Context) -> Outcome:
    """Show a version of an image: the locked one, or the newest published one in the range."""
    from d8_installer.cli.text.shown import shown_lines
    from d8_installer.ops.show import show

    with context.session() as session:
        result = show(session, context.arguments.name)
    return Outcome(result.as_json(), shown_lines(result), result.errors)

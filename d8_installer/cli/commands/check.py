"""``check [NAME…]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome
from d8_installer.cli.options import name_argument

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the names."""
    parser.add_argument(
        "names",
        type=name_argument,
        metavar="NAME",
        nargs="*",
        help="an image, as in `d8-installer list` (default: all)",
    )


def execute(context: Context) -> Outcome:
    """Report which requirements are met; one that is not makes the exit code 65."""
    from d8_installer.cli.text.requirements import check_lines
    from d8_installer.model.reference import image_name
    from d8_installer.ops.check import check

    with context.session() as session:
        result = check(session, [image_name(name) for name in context.arguments.names])
    context.talk.note(f"checking {result.profile.title}")
    return Outcome(result.as_json(), check_lines(result), result.errors)

"""``bundle create [--platform P…] -o FILE``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what goes in, and where it goes."""
    parser.add_argument("way", choices=("create",), metavar="create", help="write a bundle of the locked images")
    parser.add_argument("-o", dest="output", metavar="FILE", required=True, help="the file to write")
    parser.add_argument(
        "--platform", dest="platforms", metavar="P", action="append", default=[], help="include only this platform"
    )


def execute(context: Context) -> Outcome:
    """Write the bundle."""
    from d8_installer.cli.text.published import bundle_lines
    from d8_installer.ops.bundle import create

    typed = context.arguments
    with context.session() as session:
        given = tuple(typed.environments)
        result = create(session, typed.output, typed.platforms, given, dry_run=typed.dry_run)
    return Outcome(result.as_json(), bundle_lines(result))

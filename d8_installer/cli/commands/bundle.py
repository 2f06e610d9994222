"""``bundle create [--platform P…] -o FILE``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what goes in, and where it goes."""
    parser.add_argument("way", choices=("create",), metavar="create", help="write the bundle of a lock")
    parser.add_argument("-o", dest="output", metavar="FILE", required=True, help="the file to write")
    parser.add_argument(
        "--platform", dest="platforms", metavar="P", action="append", default=[], help="only this one's layers"
    )
    grammar.add_environments(parser)
    grammar.add_from(parser)


def execute(context: Context) -> Outcome:
    """Write the bundle."""
    from d8_installer.model.plurals import counted, sized
    from d8_installer.ops.bundle import create

    typed = context.arguments
    with context.session() as session:
        made = create(session, typed.output, typed.platforms, tuple(typed.environments))
    what = f"{counted(made.images, 'image')}, {counted(made.layers, 'layer')}"
    what += f" for {', '.join(made.platforms)}" if made.platforms else ""
    return Outcome(made.as_json(), [f"wrote {made.file} ({what}, {sized(made.size)})", str(made.digest)])

"""``uninstall NAME…``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli import text

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the names."""
    parser.add_argument("names", metavar="NAME", nargs="+", help="the image's name, as in `d8-installer list`")
    grammar.add_platform(parser)
    grammar.add_from(parser)
    grammar.add_dry_run(parser)


def execute(context: Context) -> Outcome:
    """Uninstall."""
    from d8_installer.ops.uninstall import uninstall

    with context.session() as session:
        return text.applied(uninstall(session, context.arguments.names, dry_run=context.arguments.dry_run))

"""``upgrade NAME… | --all``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli.shadowed import applied

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the names, or all."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="the images to upgrade")
    parser.add_argument("--all", action="store_true", help="upgrade every image of the profile")
    grammar.add_platform(parser)
    grammar.add_cutoff(parser)
    grammar.add_trust(parser)
    grammar.add_dry_run(parser)


def execute(context: Context) -> Outcome:
    """Upgrade."""
    from d8_installer.ops.upgrade import upgrade

    typed = context.arguments
    with context.session() as session:
        return applied(context, session, upgrade(session, typed.names, every=typed.all, dry_run=typed.dry_run))

"""``upgrade NAME… | --all``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.shadowed import applied

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the names, and ``--all``."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="an image, as in `d8-installer list`")
    parser.add_argument("--all", action="store_true", help="upgrade every image of the profile")


def execute(context: Context) -> Outcome:
    """Upgrade the images."""
    from d8_installer.ops.upgrade import upgrade

    typed = context.arguments
    with context.session() as session:
        return applied(context, session, upgrade(session, typed.names, every=typed.all, dry_run=typed.dry_run))

"""``upgrade NAME… | --all``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.options import add_use_major, name_argument
from d8_installer.cli.shadowed import applied

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the names, ``--all`` and ``--use-major``."""
    parser.add_argument(
        "names", type=name_argument, metavar="NAME", nargs="*", help="an image, as in `d8-installer list`"
    )
    parser.add_argument("--all", action="store_true", help="upgrade every image of the profile")
    add_use_major(parser)


def execute(context: Context) -> Outcome:
    """Upgrade the images."""
    from d8_installer.ops.upgrade import upgrade

    typed = context.arguments
    with context.session() as session:
        result = upgrade(session, typed.names, every=typed.all, use_major=typed.use_major, dry_run=typed.dry_run)
        return applied(context, session, result)

"""``use NAME VERSION`` or ``use NAME@VERSION``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.options import name_argument
from d8_installer.cli.shadowed import applied

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the name and the version."""
    parser.add_argument(
        "name", type=name_argument, metavar="NAME[@VERSION]", help="an image, as in `d8-installer list`"
    )
    parser.add_argument(
        "version",
        metavar="VERSION",
        nargs="?",
        help="a published version within the range of the image; 1.4 is the newest version of that line",
    )


def execute(context: Context) -> Outcome:
    """Switch the image to that version."""
    from d8_installer.ops.use import named_version, use

    typed = context.arguments
    name, version = named_version(typed.name, typed.version)
    with context.session() as session:
        return applied(context, session, use(session, name, version, dry_run=typed.dry_run))

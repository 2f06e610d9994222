"""``use NAME VERSION``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.options import name_argument
from d8_installer.cli.shadowed import applied

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the name and the version."""
    parser.add_argument("name", type=name_argument, metavar="NAME", help="an image, as in `d8-installer list`")
    parser.add_argument("version", metavar="VERSION", help="a published version within the range of the image")


def execute(context: Context) -> Outcome:
    """Switch the image to that version."""
    from d8_installer.model.reference import image_name
    from d8_installer.ops.use import use

    typed = context.arguments
    with context.session() as session:
        return applied(context, session, use(session, image_name(typed.name), typed.version, dry_run=typed.dry_run))

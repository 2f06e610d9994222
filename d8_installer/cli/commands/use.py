"""``use NAME VERSION``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli.shadowed import applied

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the name and the version."""
    parser.add_argument("name", metavar="NAME", help="the image's name")
    parser.add_argument("version", metavar="VERSION", help="a published version within its range")
    grammar.add_platform(parser)
    grammar.add_trust(parser)
    grammar.add_dry_run(parser)


def execute(context: Context) -> Outcome:
    """Switch."""
    from d8_installer.model.reference import image_name
    from d8_installer.ops.use import use

    typed = context.arguments
    with context.session() as session:
        return applied(context, session, use(session, image_name(typed.name), typed.version, dry_run=typed.dry_run))

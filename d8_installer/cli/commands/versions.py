"""``versions NAME``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the image's name."""
    parser.add_argument("name", metavar="NAME", help="the image's name")
    grammar.add_from(parser)


def execute(context: Context) -> Outcome:
    """Show them, newest first, the one in place marked as the Go CLI marks it."""
    from d8_installer.model.reference import image_name
    from d8_installer.ops.versions import versions

    with context.session() as session:
        result = versions(session, image_name(context.arguments.name))
    lines = [f"* {tag}  current" if tag == result.current else f"  {tag}" for tag in result.tags]
    return Outcome(result.as_json(), lines)

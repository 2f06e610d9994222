"""``versions NAME``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome
from d8_installer.cli.options import name_argument

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the image's name."""
    parser.add_argument("name", type=name_argument, metavar="NAME", help="an image, such as stronghold")


def execute(context: Context) -> Outcome:
    """List the versions, newest first."""
    from d8_installer.cli.text.installed import version_lines
    from d8_installer.model.reference import image_name
    from d8_installer.ops.versions import versions

    with context.session() as session:
        result = versions(session, image_name(context.arguments.name))
    return Outcome(result.as_json(), version_lines(result))

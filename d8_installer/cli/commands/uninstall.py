"""``uninstall NAME…``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome
from d8_installer.cli.options import name_argument

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from d8_installer.cli.context import Context
    from d8_installer.pipeline.change import Applied


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the names."""
    parser.add_argument(
        "names", type=name_argument, metavar="NAME", nargs="+", help="an image, as in `d8-installer list`"
    )


def execute(context: Context) -> Outcome:
    """Remove the images."""
    from d8_installer.ops.uninstall import uninstall

    return removed(context, uninstall)


def removed(context: Context, verb: Callable[..., Applied]) -> Outcome:
    """Return the outcome of *verb*, ``uninstall`` or ``remove``, with the typed names."""
    from d8_installer.cli.text.changes import change_lines

    typed = context.arguments
    with context.session() as session:
        result = verb(session, typed.names, dry_run=typed.dry_run)
        return Outcome(result.as_json(), change_lines(result), result.left_out)

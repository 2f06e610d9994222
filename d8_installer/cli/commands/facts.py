"""``facts [-o FILE]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the file."""
    parser.add_argument("-o", dest="output", metavar="FILE", help="write to this file, not to stdout")


def execute(context: Context) -> Outcome:
    """Print the facts, or write them to the file."""
    from d8_installer.cli.text.written import file_line
    from d8_installer.ops.facts import facts

    with context.session() as session:
        result = facts(session, context.arguments.output, dry_run=context.arguments.dry_run)
    lines = result.facts.render().splitlines() if result.file is None else [file_line(result)]
    return Outcome(result.as_json(), lines, is_for_scripts=result.file is None)

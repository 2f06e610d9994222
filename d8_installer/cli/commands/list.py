"""``list [--outdated]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add ``--outdated``."""
    parser.add_argument(
        "--outdated", action="store_true", help="list only binaries with a newer stable version; asks the source"
    )


def execute(context: Context) -> Outcome:
    """List the binaries."""
    from d8_installer.cli.text.installed import list_lines
    from d8_installer.ops.list import list_installed

    outdated = context.arguments.outdated
    with context.session() as session:
        result = list_installed(session, outdated=outdated)
    context.talk.note(result.profile.title)
    for reason in result.unmet:
        context.talk.warn(f"{reason}; see `d8-installer check`")
    after = () if result.beside is None else (result.beside.text,)
    return Outcome(result.as_json(), list_lines(result, outdated=outdated), after=after)

"""``self uninstall [--yes]``"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context
    from d8_installer.pipeline.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand, and consent."""
    parser.add_argument(
        "way", choices=("uninstall",), metavar="uninstall", help="remove everything that d8-installer created for you"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask for confirmation")


def execute(context: Context) -> Outcome:
    """Ask, then remove. Without a terminal, ``--yes`` is the only consent."""
    from d8_installer.cli.text.upkeep import removal_lines
    from d8_installer.ops.self_uninstall import uninstall_self

    typed = context.arguments
    with context.session() as session:
        if not typed.dry_run and not typed.yes:
            _ask(session, as_json=typed.json)
        result = uninstall_self(session, dry_run=typed.dry_run)
    return Outcome(result.as_json(), removal_lines(result))


def _ask(session: Session, *, as_json: bool) -> None:
    from d8_installer.cli.text.upkeep import edited_by_removal
    from d8_installer.errors import UsageError
    from d8_installer.ops.self_uninstall import plan_removal

    if as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "a yes is needed, and stdin is not a terminal",
            hint="type --yes, or --dry-run to see what would go",
            code="confirmation-needed",
        )
    plan = plan_removal(session)
    for path in (*plan.removed, *edited_by_removal(plan)):
        session.reporter.note(path)
    session.reporter.note("remove all of this? [y/N]")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UsageError("nothing was removed", hint="type y to agree", code="confirmation-needed")

"""``verify [--fix]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add ``--fix``."""
    parser.add_argument("--fix", action="store_true", help="repair what is damaged, and fetch only what is lost")


def execute(context: Context) -> Outcome:
    """Check all stored files; a defect that remains makes the exit code 76."""
    from d8_installer.cli.text.upkeep import verify_lines
    from d8_installer.errors import UsageError
    from d8_installer.model.value import replace

    if context.arguments.dry_run and not context.arguments.fix:
        raise UsageError("--dry-run is for --fix: `verify` alone changes nothing", hint="leave --dry-run out")
    with context.session() as session:
        if context.arguments.fix and not context.arguments.dry_run:
            from d8_installer.ops.upkeep.repair import verify_and_repair

            result = verify_and_repair(session)
        else:
            from d8_installer.ops.upkeep.verify import HashedFiles, verify

            result = replace(verify(session, HashedFiles()), dry_run=context.arguments.dry_run)
    return Outcome(result.as_json(), verify_lines(result), result.errors)

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

    with context.session() as session:
        if context.arguments.fix:
            from d8_installer.ops.upkeep.repair import verify_and_repair

            result = verify_and_repair(session)
        else:
            from d8_installer.ops.upkeep.verify import HashedFiles, verify

            result = verify(session, HashedFiles())
    return Outcome(result.as_json(), verify_lines(result), result.errors)

"""``verify [--fix]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add ``--fix``."""
    parser.add_argument("--fix", action="store_true", help="repair what is wrong, fetching only what is lost")
    grammar.add_from(parser)


def execute(context: Context) -> Outcome:
    """Look; what is wrong, and still is after ``--fix``, makes the exit code 76."""
    from d8_installer.model.plurals import counted, sized
    from d8_installer.ops.upkeep.verify import HashedFiles, verify

    with context.session() as session:
        if context.arguments.fix:
            from d8_installer.ops.upkeep.repair import verify_and_repair

            result = verify_and_repair(session)
        else:
            result = verify(session, HashedFiles())
    lines = [f"repaired: {defect.text}" for defect in result.repaired]
    if not result.errors:
        files, them = counted(result.files, "stored file"), "it" if result.files == 1 else "them"
        lines.append(f"{files} ({sized(result.size)}) and all that leads to {them} are sound")
    return Outcome(result.as_json(), lines, result.errors)

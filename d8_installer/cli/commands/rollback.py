"""``rollback [N]``"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the number."""
    parser.add_argument("number", metavar="N", nargs="?", type=_number, help="the generation (default: the one before)")


def execute(context: Context) -> Outcome:
    """Switch back."""
    from d8_installer.cli.text import NOTHING, difference
    from d8_installer.ops.history import rollback

    with context.session() as session:
        result = rollback(session, context.arguments.number)
    if not result.lock_restored:
        context.talk.note("d8.lock stays as it is: the next `d8-installer sync` returns to it")
    lines = [difference(change) for change in result.differences] or [NOTHING]
    return Outcome(result.as_json(), [*lines, f"generation {result.after}, was {result.before}"])


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a generation's number")
    return int(text)

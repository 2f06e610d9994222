"""``gc [--keep N] [--older-than AGE] [--dry-run]``"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what stays."""
    parser.add_argument(
        "--keep", metavar="N", type=_count, help="keep this many generations of each profile (default: retention)"
    )
    parser.add_argument("--older-than", metavar="AGE", help="also remove generations older than 30d, 12h or 2w")
    parser.add_argument(
        "--missing", action="store_true", help="also remove profiles of projects on disks that are not mounted"
    )


def execute(context: Context) -> Outcome:
    """Collect garbage."""
    from d8_installer.cli.text.upkeep import gc_lines
    from d8_installer.ops.upkeep.gc import GcOptions, collect_garbage, parse_age

    typed = context.arguments
    age = None if typed.older_than is None else parse_age(typed.older_than)
    options = GcOptions(keep=typed.keep, older_than=age, missing=typed.missing, dry_run=typed.dry_run)
    with context.session() as session:
        result = collect_garbage(session, options)
    for reason in result.kept:
        context.talk.note(f"kept: {reason}")
    return Outcome(result.as_json(), gc_lines(result))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:6]) <= 10_000 or len(text) > 6:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number between 1 and 10000")
    return int(text)

"""``gc [--keep N] [--older-than AGE] [--dry-run]``"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    from d8_installer.cli.context import Context
    from d8_installer.ops.upkeep.gc import Removed


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what stays."""
    parser.add_argument(
        "--keep", metavar="N", type=_count, help="generations of a profile that stay (default: the setting retention)"
    )
    parser.add_argument("--older-than", metavar="AGE", help="remove those that are older, too: 30d, 12h, 2w")
    parser.add_argument(
        "--missing", action="store_true", help="also profiles of projects whose disk may only not be mounted"
    )
    grammar.add_dry_run(parser)


def execute(context: Context) -> Outcome:
    """Collect."""
    from d8_installer.model.plurals import counted, sized
    from d8_installer.ops.upkeep.gc import GcOptions, collect_garbage, parse_age

    typed = context.arguments
    age = None if typed.older_than is None else parse_age(typed.older_than)
    with context.session() as session:
        result = collect_garbage(
            session, GcOptions(keep=typed.keep, older_than=age, missing=typed.missing, dry_run=typed.dry_run)
        )
    for reason in result.kept:
        context.talk.note(f"kept: {reason}")
    verb = "would remove" if result.dry_run else "removed"
    lines = [f"{verb} {_named(one)} ({sized(one.size)})" for one in result.removed]
    total = f"{sized(result.size)} in {counted(len(lines), 'thing')}" if lines else "nothing to do"
    return Outcome(result.as_json(), [*lines, total])


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:6]) <= 10_000 or len(text) > 6:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number between 1 and 10000")
    return int(text)


def _named(removed: Removed) -> str:
    """Name what was removed: a run and a profile have a name that stands alone, such as "the project /work"."""
    return removed.name if removed.kind in {"run", "profile"} else f"{removed.kind} {removed.name}"

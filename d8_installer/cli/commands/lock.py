"""``lock``, and its ways to only look (``--check``, ``--explain N``) or to be a merge driver (``--merge B O T``)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import merging
from d8_installer.cli import parser as grammar

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may move, and for which platforms."""
    look = parser.add_mutually_exclusive_group()
    look.add_argument("--check", action="store_true", help="write nothing; exit 65 if stale, 76 or 69 if not provable")
    look.add_argument("--explain", metavar="NAME", help="write nothing; say why this image is locked as it is")
    parser.add_argument("--upgrade", action="store_true", help="move every image to its newest allowed version")
    parser.add_argument("--upgrade-image", metavar="NAME", action="append", default=[], help="move only this image")
    parser.add_argument(
        "--platform", dest="platforms", metavar="P", action="append", default=[], help="pin this one too, anew"
    )
    parser.add_argument("--prune", action="store_true", help="drop the lines of requesters that are not installed here")
    grammar.add_environments(parser)
    grammar.add_cutoff(parser)
    grammar.add_trust(parser)
    grammar.add_dry_run(parser)
    merging.configure(parser)


def execute(context: Context) -> Outcome:
    """Lock, or only look."""
    from d8_installer.cli import locking

    if context.arguments.merge is not None:
        return merging.execute(context)
    if context.arguments.explain is not None:
        return locking.explain(context)
    return locking.check(context) if context.arguments.check else locking.lock(context)

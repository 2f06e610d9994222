"""``lock``, which can also only look (``--check``, ``--explain NAME``) or be git's merge driver (``--merge B O T``)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import lock_merge
from d8_installer.cli.options import name_argument

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may change, and for which platforms."""
    look = parser.add_mutually_exclusive_group()
    look.add_argument(
        "--check", action="store_true", help="write nothing; exit with 65 if stale, 76 or 69 if not provable"
    )
    explained = "write nothing; explain the locked version of this image"
    look.add_argument("--explain", type=name_argument, metavar="NAME", help=explained)
    parser.add_argument("--upgrade", action="store_true", help="upgrade every image to the newest allowed version")
    moved = "upgrade only this image"
    parser.add_argument("--upgrade-image", type=name_argument, metavar="NAME", action="append", default=[], help=moved)
    parser.add_argument(
        "--platform", dest="platforms", metavar="P", action="append", default=[], help="also pin this platform, again"
    )
    parser.add_argument("--prune", action="store_true", help="remove requesters that are not installed here")
    lock_merge.configure(parser)


def execute(context: Context) -> Outcome:
    """Lock, check, explain or merge."""
    from d8_installer.cli import lock_modes

    if context.arguments.merge is not None:
        return lock_merge.merge(context)
    if context.arguments.explain is not None:
        return lock_modes.explain(context)
    return lock_modes.check(context) if context.arguments.check else lock_modes.lock(context)

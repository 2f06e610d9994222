"""``lock [--check] [--upgrade] [--upgrade-image N] [--platform P] [--ours N] [--theirs N]``, ``lock --merge B O T``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import merging
from d8_installer.cli import parser as grammar
from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may move, and for which platforms."""
    parser.add_argument("--check", action="store_true", help="write nothing; exit 65 if the lock is stale")
    parser.add_argument("--upgrade", action="store_true", help="move every image to its newest allowed version")
    parser.add_argument("--upgrade-image", metavar="NAME", action="append", default=[], help="move only this image")
    parser.add_argument("--platform", dest="platforms", metavar="P", action="append", default=[], help="only this one")
    grammar.add_environments(parser)
    grammar.add_trust(parser)
    grammar.add_dry_run(parser)
    merging.configure(parser)


def execute(context: Context) -> Outcome:
    """Lock."""
    from d8_installer.model.reference import image_name
    from d8_installer.ops.lock import LockOptions, lock

    typed = context.arguments
    if typed.merge is not None:
        return merging.execute(context)
    upgrade = None if typed.upgrade else frozenset(map(image_name, typed.upgrade_image))
    given = tuple(typed.environments)
    options = LockOptions(typed.check, typed.dry_run, upgrade, tuple(typed.platforms), given, merging.taken(typed))
    with context.session() as session:
        result = lock(session, options)
    lines = [f"{name} {before or '(new)'} -> {after or '(gone)'}" for name, before, after in result.changes]
    verb = "wrote" if result.written else ("would write" if result.changes else "unchanged:")
    lines.append(f"{verb} {result.file} ({result.images} images)")
    return Outcome(result.as_json(), lines, result.left_out)

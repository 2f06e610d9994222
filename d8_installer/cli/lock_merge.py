"""The options of ``lock`` for merges: git's merge driver, and the side to take of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome
from d8_installer.cli.options import name_argument

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context
    from d8_installer.model.reference import ImageName


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group("merges")
    for side in ("ours", "theirs"):
        text = f"if the lock has conflict markers, take {side} for this image"
        group.add_argument(f"--{side}", type=name_argument, metavar="NAME", action="append", default=[], help=text)
    group.add_argument(
        "--merge",
        nargs=3,
        metavar=("BASE", "OURS", "THEIRS"),
        help="act as git's merge driver: merge three files into OURS",
    )


def chosen_sides(arguments: argparse.Namespace) -> dict[ImageName, str]:
    """Return the side to take, by image."""
    from d8_installer.errors import UsageError
    from d8_installer.model.reference import image_name

    twice = set(map(image_name, arguments.ours)) & set(map(image_name, arguments.theirs))
    if twice:
        raise UsageError(f"{min(twice)} cannot be taken from both sides", hint="leave out --ours or --theirs for it")
    return {image_name(name): side for side in ("ours", "theirs") for name in getattr(arguments, side)}


def merge(context: Context) -> Outcome:
    """Act as the merge driver. Nothing goes to stdout: that is the terminal on which `git merge` was typed."""
    from d8_installer.errors import UsageError
    from d8_installer.ops.lock import LockResult, version_changes
    from d8_installer.ops.merge_driver import drive

    typed = context.arguments
    others = (typed.check, typed.explain, typed.upgrade, typed.upgrade_image, typed.platforms, typed.exclude_newer)
    if any(
        (
            *others,
            typed.witness,
            typed.accept_moved,
            typed.environments,
            typed.dry_run,
            typed.prune,
            typed.ours,
            typed.theirs,
        )
    ):
        raise UsageError("--merge merges three files and takes no other option of `lock`", hint="leave out the others")
    driven = drive(context.directory, context.arguments.merge)
    changes = version_changes(driven.before, driven.after)
    changed = driven.before != driven.after
    result = LockResult(
        profile=None,
        file=driven.file,
        changes=changes,
        images=len(driven.after.images),
        changed=changed,
        written=changed,
    )
    return Outcome(result.as_json(), [])

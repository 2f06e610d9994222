"""What ``lock`` does with its options: lock, or look only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import merging
from d8_installer.cli.context import Outcome
from d8_installer.errors import UsageError

if TYPE_CHECKING:
    from d8_installer.cli.context import Context


def lock(context: Context) -> Outcome:
    """Bring the lock up to date."""
    from d8_installer.model.plurals import counted
    from d8_installer.model.reference import image_name
    from d8_installer.ops.lock import LockOptions, lock

    typed = context.arguments
    upgrade = None if typed.upgrade else frozenset(map(image_name, typed.upgrade_image))
    platforms, given = tuple(typed.platforms), tuple(typed.environments)
    options = LockOptions(
        dry_run=typed.dry_run,
        upgrade=upgrade,
        platforms=platforms,
        given=given,
        prune=typed.prune,
        taken=merging.taken(typed),
    )
    with context.session() as session:
        result = lock(session, options)
    lines = [f"{name} {before or '(new)'} -> {after or '(gone)'}" for name, before, after in result.changes]
    verb = "wrote" if result.written else ("would write" if result.changed else "unchanged:")
    lines.append(f"{verb} {result.file} ({counted(result.images, 'image')})")
    return Outcome(result.as_json(), lines, result.left_out)


def check(context: Context) -> Outcome:
    """Say whether the lock is what is wanted, and whether the source still has it."""
    from d8_installer.ops.lock_check import check

    typed = context.arguments
    _refuse_changes("--check", context)
    if typed.exclude_newer is not None:
        raise UsageError("--check chooses no version", hint="leave --exclude-newer out")
    with context.session() as session:
        result = check(session, tuple(typed.environments))
    return Outcome(result.as_json(), result.as_text(), result.errors)


def explain(context: Context) -> Outcome:
    """Say why one image is locked as it is."""
    from d8_installer.model.reference import image_name
    from d8_installer.ops.lock_explain import explain_image

    typed = context.arguments
    _refuse_changes("--explain", context)
    with context.session() as session:
        result = explain_image(session, image_name(typed.explain), tuple(typed.environments))
    return Outcome(result.as_json(), result.as_text(), result.problems)


def _refuse_changes(option: str, context: Context) -> None:
    typed = context.arguments
    changing = (typed.upgrade, typed.upgrade_image, typed.platforms, typed.witness, typed.accept_moved)
    if any((*changing, typed.prune, typed.ours, typed.theirs)):
        raise UsageError(f"{option} changes nothing", hint="type it alone, and what should change without it")

"""The three ways of ``lock`` that read a profile: lock, check, explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import lock_merge
from d8_installer.cli.context import Outcome
from d8_installer.errors import UsageError

if TYPE_CHECKING:
    from d8_installer.cli.context import Context


def lock(context: Context) -> Outcome:
    """Bring the lock up to date."""
    from d8_installer.cli.text.locks import lock_lines
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
        taken=lock_merge.chosen_sides(typed),
    )
    with context.session() as session:
        result = lock(session, options)
    return Outcome(result.as_json(), lock_lines(result), result.left_out)


def check(context: Context) -> Outcome:
    """Check that the lock is current, and that the source still has what it pins."""
    from d8_installer.cli.text.locks import check_lines
    from d8_installer.ops.lock_check import check

    typed = context.arguments
    _refuse_changes("--check", context)
    if typed.exclude_newer is not None:
        raise UsageError("--check chooses no version", hint="leave --exclude-newer out")
    with context.session() as session:
        result = check(session, tuple(typed.environments))
    return Outcome(result.as_json(), check_lines(result), result.errors)


def explain(context: Context) -> Outcome:
    """Explain the locked version of one image."""
    from d8_installer.cli.text.locks import explanation_lines
    from d8_installer.model.reference import image_name
    from d8_installer.ops.lock_explain import explain_image

    typed = context.arguments
    _refuse_changes("--explain", context)
    with context.session() as session:
        result = explain_image(session, image_name(typed.explain), tuple(typed.environments))
    return Outcome(result.as_json(), explanation_lines(result), result.problems)


def _refuse_changes(option: str, context: Context) -> None:
    typed = context.arguments
    changing = (typed.upgrade, typed.upgrade_image, typed.platforms, typed.witness, typed.accept_moved)
    if any((*changing, typed.prune, typed.ours, typed.theirs)):
        raise UsageError(f"{option} changes nothing", hint="type it alone, and what should change without it")

"""The options of ``sync`` that exclude each other, as one record for the verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import OutOfSyncError, UsageError
from d8_installer.ops.sync import SyncOptions
from d8_installer.pipeline.other_profiles import typed_command

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Outcome
    from d8_installer.pipeline.change import Applied
    from d8_installer.pipeline.session import Session


def chosen(typed: argparse.Namespace) -> SyncOptions:
    """Return the typed options; raise UsageError for those that make no sense together."""
    if typed.exit_code and not typed.dry_run:
        raise UsageError("--exit-code is for a dry run", hint="type `d8-installer sync --dry-run --exit-code`")
    if typed.exclude_newer is not None and (typed.locked or typed.frozen):
        raise UsageError("--locked and --frozen choose no version", hint="leave --exclude-newer out")
    if typed.platform is None and typed.to is None and typed.prune and typed.frozen:
        raise UsageError("--prune and --frozen exclude each other", hint="--prune has to read the manifests")
    if typed.plugins_dir == "" or (typed.plugins_dir is not None and typed.layout != "d8"):
        raise UsageError("--plugins-dir DIR is where --layout d8 lays out", hint="type both, or neither")
    if typed.layout is not None and (typed.to is not None or typed.platform is not None):
        raise UsageError("--layout is for the binaries of this machine", hint="leave --to and --platform out")
    return SyncOptions(
        locked=typed.locked,
        frozen=typed.frozen,
        prune=typed.prune,
        dry_run=typed.dry_run,
        to=typed.to,
        given=tuple(typed.environments),
    )


def with_exit_code(session: Session, outcome: Outcome, result: Applied) -> Outcome:
    """Return the outcome of a dry run, with an error if it would change something, and no other error comes first."""
    if result.changed:
        what = f"{result.profile} is not in sync" if result.generation else f"{result.profile} was never synced"
        hint = f"type `{typed_command(session, result.profile, 'sync')}`"
        outcome.errors = (*outcome.errors, OutOfSyncError(what, hint=hint))
    return outcome

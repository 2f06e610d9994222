"""``sync``: what is in place becomes what the manifest and the lock say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from d8_installer.errors import StaleLockError
from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.ops.apply import Applied, Change, apply, with_left_out
from d8_installer.ops.lock import refuse_stale, relock, wanted_by

if TYPE_CHECKING:
    from d8_installer.ops.session import Session, Workspace


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How strict ``sync`` is.

    ``locked``: a missing or stale lock is an error; ``frozen``: read no manifest; ``prune``: drop requesters that are
    gone; ``to``: lay the binaries out in that directory, and leave the profile alone.
    """

    locked: bool = False
    frozen: bool = False
    prune: bool = False
    dry_run: bool = False
    to: str | None = None


def sync(session: Session, options: SyncOptions) -> Applied:
    """Lock what is stale, then place what the lock says; nothing to do is a success.

    Raises StaleLockError under ``locked`` and ``frozen`` by DESIGN's Commands, and whatever the steps raise.
    """
    with session.writing(session.profile(), frozen=options.frozen) as workspace:
        change, left_out = _change(session, workspace, options)
        if options.to is not None:
            from d8_installer.ops.lay_out import check_directory, lay_out

            return lay_out(session, workspace, change, check_directory(session, options.to))
        return with_left_out(apply(session, workspace, change), left_out)


def _change(session: Session, workspace: Workspace, options: SyncOptions) -> tuple[Change, tuple[str, ...]]:
    reason = "sync"
    if options.frozen:
        if workspace.lock is None:
            raise StaleLockError("is missing", file=workspace.profile.lock, hint="type `d8-installer lock`")
        return Change(workspace.lock, reason, dry_run=options.dry_run), ()
    wanted = wanted_by(workspace.manifest, workspace.locked, is_there=bool(workspace.manifest_text))
    if options.locked:
        refuse_stale(workspace, replace(wanted, keep_absent=not options.prune))
        return Change(workspace.locked, reason, dry_run=options.dry_run), ()
    wanted = replace(wanted, keep_absent=not options.prune, lenient=True)
    relocked = relock(session, wanted)
    _name_absent(session, workspace)
    change = Change(relocked.lock, reason, lock_text=relocked.text, dry_run=options.dry_run)
    return change, relocked.left_out_clauses


def _name_absent(session: Session, workspace: Workspace) -> None:
    present = {OWN_MANIFEST} if workspace.manifest_text else set()
    absent = {who for image in workspace.locked.images for who, _ in image.requests} - present
    for requester in sorted(absent):
        session.reporter.note(f"{requester} is in the lock and not installed here; `sync --prune` drops it")

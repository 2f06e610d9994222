"""``sync``: what is in place becomes what the manifests and the lock say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from d8_installer.ops.absent import say_absent
from d8_installer.ops.apply import Applied, Change, apply, asked_by
from d8_installer.ops.carried import frozen
from d8_installer.ops.lock import accepted_names, ask_witness, refuse_stale, refuse_unknown, relock
from d8_installer.ops.requesters import gather, remember
from d8_installer.ops.venv_link import link_environments

if TYPE_CHECKING:
    from d8_installer.ops.requesters import Requesters
    from d8_installer.ops.session import Session, Workspace


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How strict ``sync`` is.

    ``locked``: a missing or stale lock is an error; ``frozen``: read no manifest; ``prune``: drop requesters that are
    gone; ``to``: lay the binaries out in that directory, and leave the profile alone; ``given``: environments to look
    for plugins in as well; ``drop``: plugins that are known to be gone.
    """

    locked: bool = False
    frozen: bool = False
    prune: bool = False
    dry_run: bool = False
    to: str | None = None
    given: tuple[str, ...] = ()
    drop: frozenset[str] = frozenset()


def sync(session: Session, options: SyncOptions) -> Applied:
    """Lock what is stale, then place what the lock says; nothing to do is a success.

    A plugin that cannot be read, or cannot agree with those before it, is left out and among the result's ``left_out``.
    Raises StaleLockError under ``locked`` and ``frozen`` by DESIGN's Commands, and whatever the steps raise.
    """
    with session.changing(session.profile(), dry_run=options.dry_run, frozen=options.frozen) as workspace:
        requesters = None if options.frozen else gather(session, workspace, options.given)
        change = _change(session, workspace, requesters, options)
        if options.to is not None:
            from d8_installer.ops.lay_out import check_directory, lay_out

            return lay_out(session, workspace, change, check_directory(session, options.to))
        if requesters is not None and not options.dry_run:
            remember(workspace, requesters, prune=options.prune)
            link_environments(session, workspace, requesters, prune=options.prune)
        return apply(session, workspace, change)


def _change(session: Session, workspace: Workspace, requesters: Requesters | None, options: SyncOptions) -> Change:
    reason = "sync"
    if requesters is None:
        change = frozen(session, workspace, given=options.given, adopts=options.to is None)
        ask_witness(session, change.lock)
        return replace(change, dry_run=options.dry_run)
    requesters = replace(requesters, gone=options.drop)
    wanted = requesters.wanted(workspace.locked, prune=options.prune)
    read = Change(workspace.locked, reason, dry_run=options.dry_run, seen=requesters)
    read = replace(read, asked=asked_by(wanted.requirements))
    if options.locked:
        refuse_stale(workspace, wanted)
        ask_witness(session, workspace.locked)
        return replace(read, problems=requesters.problems)
    refuse_unknown(session, workspace.profile, wanted, accepted_names(session))
    relocked = relock(session, replace(wanted, lenient=True))
    say_absent(session, wanted, "sync")
    problems = (*requesters.problems, *relocked.problems)
    read = replace(read, lock=relocked.lock, lock_text=relocked.text, problems=problems)
    return replace(read, shown=relocked.shown)

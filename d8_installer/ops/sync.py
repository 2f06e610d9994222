"""``sync``: what is in place becomes what the manifests and the lock say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError, StaleLockError
from d8_installer.model.lock import FILE_NAME, Lock
from d8_installer.model.source import CarriesLock
from d8_installer.ops.apply import Applied, Change, apply, asked_by
from d8_installer.ops.lock import ask_witness, refuse_stale, relock
from d8_installer.ops.requesters import gather, remember
from d8_installer.ops.venv_link import link_environments

if TYPE_CHECKING:
    from d8_installer.model.resolution import Wanted
    from d8_installer.model.source import Source
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
    with session.writing(session.profile(), frozen=options.frozen) as workspace:
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
        if workspace.lock is None:
            lock, text = _carried_lock(session, workspace)
            ask_witness(session, lock)
            return Change(lock, reason, text, dry_run=options.dry_run)
        ask_witness(session, workspace.lock)
        return Change(workspace.lock, reason, dry_run=options.dry_run)
    requesters = replace(requesters, gone=options.drop)
    wanted = replace(requesters.wanted(workspace.locked), keep_absent=not options.prune)
    read = Change(workspace.locked, reason, dry_run=options.dry_run, seen=requesters)
    read = replace(read, asked=asked_by(wanted.requirements))
    if options.locked:
        refuse_stale(workspace, wanted)
        ask_witness(session, workspace.locked)
        return replace(read, problems=requesters.problems)
    relocked = relock(session, replace(wanted, lenient=True))
    _name_absent(session, wanted)
    problems = (*requesters.problems, *relocked.problems)
    read = replace(read, lock=relocked.lock, lock_text=relocked.text, problems=problems)
    return replace(read, shown=relocked.shown)


def _carried_lock(session: Session, workspace: Workspace) -> tuple[Lock, str]:
    """Return the lock that the source brings with it, as a bundle does, and its text; else the lock is missing."""
    source: object = _source(session)
    if not isinstance(source, CarriesLock):
        raise StaleLockError("is missing", file=workspace.profile.lock, hint="type `d8-installer lock`")
    raw = source.lock_text()
    name = session.source.name
    lock = Lock.parse(raw, f"{name}:{FILE_NAME}")
    session.reporter.note(f"there is no lock here: taking the one of {name}")
    return lock, raw.decode()


def _source(session: Session) -> Source | None:
    try:
        return session.source
    except ConfigError:  # without any source it is the lock that is missed
        return None


def _name_absent(session: Session, wanted: Wanted) -> None:
    here = wanted.present | wanted.unread
    absent = {who for image in wanted.locked.images for who, _ in image.requests} - here
    for requester in sorted(absent):
        end = "and `sync --prune` drops it" if wanted.keep_absent else "and is dropped"
        session.reporter.note(f"{requester} is in the lock, is not installed here, {end}")

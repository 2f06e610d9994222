"""``sync``: what is in place becomes what the manifests and the lock say."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, StaleLockError
from d8_installer.model.lock import FILE_NAME, Lock
from d8_installer.model.source import CarriesLock
from d8_installer.ops.apply import Applied, Change, apply, asked_by
from d8_installer.ops.lock import accepted_moves, ask_witness, refuse_stale, refuse_unknown, relock
from d8_installer.ops.requesters import gather, remember
from d8_installer.ops.trust import say_first_trust
from d8_installer.ops.venv_link import link_environments
from d8_installer.resolve import staleness
from d8_installer.store import lockfile

if TYPE_CHECKING:
    from d8_installer.model.profile import Profile
    from d8_installer.model.resolution import Wanted
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
        change = _frozen(session, workspace, options)
        ask_witness(session, change.lock)
        return replace(change, dry_run=options.dry_run)
    requesters = replace(requesters, gone=options.drop)
    wanted = replace(requesters.wanted(workspace.locked), keep_absent=not options.prune)
    read = Change(workspace.locked, reason, dry_run=options.dry_run, seen=requesters)
    read = replace(read, asked=asked_by(wanted.requirements))
    if options.locked:
        refuse_stale(workspace, wanted)
        ask_witness(session, workspace.locked)
        return replace(read, problems=requesters.problems)
    refuse_unknown(wanted, (name for name, _ in accepted_moves(session.options.accept_moved)))
    relocked = relock(session, replace(wanted, lenient=True))
    _name_absent(session, wanted)
    problems = (*requesters.problems, *relocked.problems)
    read = replace(read, lock=relocked.lock, lock_text=relocked.text, problems=problems)
    return replace(read, shown=relocked.shown)


def _frozen(session: Session, workspace: Workspace, options: SyncOptions) -> Change:
    """Take the lock that is here as it is, else the one that the source carries.

    Where there is no manifest nobody here has asked for any name, whatever the lock calls its requesters: such a lock
    was carried here, and gets the names that a plugin would get.
    """
    has_manifest = os.path.exists(workspace.profile.manifest)
    if workspace.lock is not None:
        return Change(workspace.lock, "sync", asked=None if has_manifest else {})
    lock, text, name = _carried_lock(session, workspace)
    asked = {}
    if has_manifest:
        wanted = _wanted_of(session, workspace.profile, lock, options.given)
        if differences := staleness(wanted):
            raise StaleLockError(
                f"is not what is wanted here: {'; '.join(map(str, differences))}",
                file=f"{name}:{FILE_NAME}",
                hint="leave --frozen out: then `sync` takes the images from there, and locks what is wanted here",
            )
        asked = asked_by(wanted.requirements)
    session.reporter.note(f"there is no lock here: taking the one of {name}")
    known = lockfile.load_tags(session.home)
    tags = [(image.name, image.version) for image in lock.images]
    say_first_trust(session, [tag for tag in tags if (tag[0].path, tag[1]) not in known])
    return Change(lock, "sync", text, asked=asked)


def _wanted_of(session: Session, profile: Profile, lock: Lock, given: tuple[str, ...]) -> Wanted:
    workspace = replace(session.read(profile), lock=lock)
    return replace(gather(session, workspace, given).wanted(lock), keep_absent=True)


def _carried_lock(session: Session, workspace: Workspace) -> tuple[Lock, str, str]:
    """Return the lock that the source brings with it, as a bundle does, its text, and the source's name."""
    source: object = session.source if session.named_sources else None
    if not isinstance(source, CarriesLock):
        raise StaleLockError("is missing", file=workspace.profile.lock, hint="type `d8-installer lock`")
    raw, name = source.lock_text(), session.source.name
    try:
        return Lock.parse(raw, f"{name}:{FILE_NAME}"), raw.decode(), name
    except DocumentError as error:
        if error.key != "lock_version":  # else it is a newer tool's
            error.hint = "copy the bundle anew, or make it again: `d8-installer bundle create -o FILE`"
        raise


def _name_absent(session: Session, wanted: Wanted) -> None:
    here = wanted.present | wanted.unread
    absent = {who for image in wanted.locked.images for who, _ in image.requests} - here
    for requester in sorted(absent):
        end = "and `sync --prune` drops it" if wanted.keep_absent else "and is dropped"
        session.reporter.note(f"{requester} is in the lock, is not installed here, {end}")

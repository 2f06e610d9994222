"""``sync``: brings the installed binaries in line with the manifests and the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError, DocumentError
from d8_installer.model.platform import known_platform
from d8_installer.model.resolution import LENIENT
from d8_installer.model.value import Struct, replace
from d8_installer.pipeline.absent_requesters import note_absent
from d8_installer.pipeline.apply import apply
from d8_installer.pipeline.carried_lock import frozen_change
from d8_installer.pipeline.change import Applied, Change, asked_by
from d8_installer.pipeline.contested import UnmetRequest, refuse_contested_verifiers, unmet_requests
from d8_installer.pipeline.relock import as_read, ask_witness, refuse_stale, refuse_unknown, relock
from d8_installer.pipeline.requesters import gather, remember_environments
from d8_installer.pipeline.tag_memory import accepted_names
from d8_installer.pipeline.venv_link import link_environments

if TYPE_CHECKING:
    from d8_installer.model.lock import Lock
    from d8_installer.model.resolution import LeftOut
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.requesters import Requesters
    from d8_installer.pipeline.session import Session


class SyncOptions(Struct, frozen=True, kw_only=True):
    """The options of ``sync``.

    With ``locked``, a missing or stale lock is an error. With ``frozen``, no manifest is read. With ``prune``,
    requesters that are gone are dropped. ``to`` is a directory to copy the binaries to; then the profile does not
    change. ``given`` are more environments to look for plugins in. ``drop`` are plugins that are known to be gone.
    """

    locked: bool = False
    frozen: bool = False
    prune: bool = False
    dry_run: bool = False
    to: str | None = None
    given: tuple[str, ...] = ()
    drop: frozenset[str] = frozenset()


def sync(session: Session, options: SyncOptions) -> Applied:
    """Lock what is stale, then place what the lock says. If there is nothing to do, that is a success.

    A plugin that cannot be read, or whose requests cannot be met, is left out and named in ``left_out``. Raise
    StaleLockError if the lock is missing, or with ``locked`` if it is stale.
    """
    _warn_of_unknown_platform(session)
    held_by = _held_by(options)
    session = session if held_by is None else session.held_by(held_by)
    profiles = session.profiles
    with profiles.changing(profiles.find(), dry_run=options.dry_run, frozen=options.frozen) as workspace:
        requesters = None if options.frozen else gather(session, workspace, options.given)
        intent = _intent(session, workspace, requesters, options)
        if options.to is not None:
            from d8_installer.ops.sync_to import check_directory, lay_out

            return lay_out(session, workspace, intent.change, check_directory(session, options.to))
        environments = set() if requesters is None else _keep_environments(session, workspace, requesters, options)
        applied = apply(session, workspace, intent.change)
    applied = replace(applied, environments=tuple(sorted(environments)))
    return _with_apart(session, applied, intent.apart)


def _warn_of_unknown_platform(session: Session) -> None:
    """Warn of a mistyped platform: if everything is optional, or nothing is asked for, nothing else would say so."""
    chosen = session.scope.chosen_platform
    if chosen is not None:
        try:
            known_platform(str(chosen))
        except DocumentError as error:
            session.reporter.warn(f"--platform {chosen}: {error.problem}")


def _keep_environments(
    session: Session, workspace: Workspace, requesters: Requesters, options: SyncOptions
) -> set[str]:
    """Record the environments, and link those of a project; return the ones for which that is a change."""
    prune, dry_run = options.prune, options.dry_run
    recorded = remember_environments(workspace, requesters, prune=prune, dry_run=dry_run)
    return recorded | link_environments(session, workspace, requesters, prune=prune, dry_run=dry_run)


def _held_by(options: SyncOptions) -> str | None:
    """Return the option because of which no cluster is asked, unless the settings say otherwise."""
    if options.to is not None:
        return "--to"
    return "--frozen" if options.frozen else "--locked" if options.locked else None


def _with_apart(session: Session, applied: Applied, requests: tuple[UnmetRequest, ...]) -> Applied:
    """Prepare the requests that are met outside the profile, for their own launchers. One that fails is left out."""
    if not requests:
        return applied
    from d8_installer.pipeline.plugin_runs import prepare_runs

    problems = prepare_runs(session, requests, dry_run=applied.dry_run)
    return replace(applied, left_out=(*applied.left_out, *problems))


class _Intent(Struct, frozen=True):
    """The change to apply, and the requests of plugins that the lock does not satisfy."""

    change: Change
    apart: tuple[UnmetRequest, ...] = ()


def _intent(session: Session, workspace: Workspace, requesters: Requesters | None, options: SyncOptions) -> _Intent:
    if requesters is None:
        change = frozen_change(session, workspace, given=options.given, adopts=options.to is None)
        ask_witness(session, change.lock)
        return _Intent(replace(change, dry_run=options.dry_run))
    refuse_contested_verifiers(session, requesters)
    requesters = replace(requesters, gone=options.drop)
    wanted = requesters.wanted(workspace.locked, prune=options.prune)
    if options.locked:
        refuse_stale(workspace, wanted)
        ask_witness(session, workspace.locked)
        change = Change(
            relocked=as_read(workspace),
            reason="sync",
            dry_run=options.dry_run,
            seen=requesters,
            asked=asked_by(wanted.requirements),
            problems=requesters.problems,
        )
        return _Intent(change, _contested_by_others(requesters, workspace.locked))
    refuse_unknown(session, workspace.profile, wanted, accepted_names(session))
    wanted = replace(wanted, strictness=LENIENT)
    relocked = relock(session, wanted, session.checks.choosing(workspace.profile))
    note_absent(session, wanted, "sync")
    conflicting = tuple(one for one in relocked.left_out if isinstance(one.error, ConflictError))
    apart = (*_contested_by_others(requesters, relocked.lock), *_of_plugins(requesters, conflicting))
    settled = {one.request.hash for one in apart}
    problems = (one.error for one in relocked.left_out if one.requirement.request.hash not in settled)
    change = Change(
        relocked=relocked,
        reason="sync",
        dry_run=options.dry_run,
        seen=requesters,
        asked=asked_by(wanted.requirements),
        problems=(*requesters.problems, *dict.fromkeys(problems)),
    )
    return _Intent(change, apart)


def _contested_by_others(requesters: Requesters, locked: Lock) -> tuple[UnmetRequest, ...]:
    """Return the requests of plugins of the same names in other environments."""
    return tuple(one for other in requesters.others for one in unmet_requests(other, requesters.plugins, locked))


def _of_plugins(requesters: Requesters, left_out: tuple[LeftOut, ...]) -> tuple[UnmetRequest, ...]:
    """Return the plugins' requests among *left_out*. A manifest that conflicts is for the person to change."""
    plugins = {plugin.name: plugin for plugin in requesters.plugins}
    return tuple(
        UnmetRequest(plugin=plugins[one.requirement.requester], request=one.requirement.request, why=str(one.error))
        for one in left_out
        if one.requirement.requester in plugins
    )

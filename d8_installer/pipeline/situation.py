"""Where a plan starts from: what the profile and the store have, and what settings and PATH say about names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, UsageError
from d8_installer.model.value import replace
from d8_installer.pipeline.altered_files import altered_programs, altered_text
from d8_installer.pipeline.consistency import agrees
from d8_installer.pipeline.path_lookup import is_command_elsewhere
from d8_installer.plan.naming import Policy, is_own
from d8_installer.plan.plan import Situation
from d8_installer.plugin.dist_info import normalised
from d8_installer.store import fs, status
from d8_installer.store.store import EXECUTABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.model.generation import Generation, Placement
    from d8_installer.model.lock import Lock
    from d8_installer.model.platform import Platform
    from d8_installer.pipeline.change import Change
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session


def situation(session: Session, change: Change, active: Generation | None = None) -> Situation:
    """Return where a plan for the change's lock starts from."""
    policy = _policy(session, change)
    return replace(stored_for(session, change.lock, session.platform), active=active, policy=policy)


def stored_for(session: Session, lock: Lock, platform: Platform) -> Situation:
    """Return a situation that knows the store alone: what it holds of the lock's layers, with their provenances."""
    layers = {pin.layer for image in lock.images if (pin := image.pin_for(platform)) is not None}
    held = {layer: session.store.held(layer) for layer in layers}
    return Situation(
        platform=platform,
        active=None,
        stored={layer: frozenset(one.members) for layer, one in held.items()},
        proven={layer: one.provenance for layer, one in held.items()},
    )


def readable_active(session: Session, workspace: Workspace) -> Generation | None:
    """Return the active generation, or None if its record is damaged: the lock says everything that is needed."""
    generations = workspace.generations
    try:
        active = generations.active()
    except DocumentError as error:
        session.reporter.warn(f"{error}; making a new generation from the lock")
        return None
    if active is None or active.lock == workspace.lock_text or generations.has_checksum(active.number):
        return active
    if agrees(active):
        return active
    record = generations.paths.record(active.number)
    session.reporter.warn(f"{record}: differs from the lock in it; making a new generation from the lock")
    return None


def refuse_foreign_platform(session: Session, active: Generation | None) -> None:
    """Raise a UsageError where ``--platform`` would put binaries of another platform into a profile in use."""
    if active is None or active.platform == session.platform:
        return  # no plugin has to be asked for the host's platform
    if session.platform != session.plugins.host_platform:
        raise UsageError(
            f"this home's binaries are for {active.platform}, and --platform says {session.platform}",
            hint=f"lay them out in a directory with `sync --platform {session.platform} --to DIR`, or give the other"
            " platform a home of its own with --home DIR",
            code="other-platform",
        )


def lost_placements(
    session: Session, workspace: Workspace, active: Generation, *, dry_run: bool
) -> frozenset[Placement]:
    """Return the placements whose file is missing or was altered, and warn of altered ones.

    Unless this is a *dry_run*, a file that only lost its mode gets it back and does not count as lost.
    """
    lost = {placed.placement for placed, _ in workspace.generations.missing_files(active)}
    for placed, path, problem in altered_programs(workspace.generations, active):
        undone = "" if dry_run else "putting back what was installed: "
        session.reporter.warn(f"{undone}{altered_text(placed, path, problem)}")
        if problem == status.UNEXECUTABLE and not dry_run:
            fs.set_mode(path, EXECUTABLE)
        else:
            lost.add(placed.placement)
    return frozenset(lost)


def _policy(session: Session, change: Change) -> Policy:
    config = session.scope.config
    return Policy(
        owners=config.owners,
        shadowed=_shadowed(session, change.lock, change.asked),
        allow=frozenset(config.allow) | frozenset(map(normalised, config.allow)),
        reserved=frozenset(config.reserved),
        gate=frozenset(config.gate),
        asked=change.asked,
    )


def _shadowed(session: Session, lock: Lock, asked: Mapping[tuple[str, str], frozenset[str]] | None) -> frozenset[str]:
    """Return the names that plugins ask for and that already are commands elsewhere on PATH."""
    return frozenset(
        binary
        for image in lock.images
        for binary, _ in image.binaries
        if not is_own(binary, image, asked) and is_command_elsewhere(session, binary)
    )

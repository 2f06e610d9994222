"""Shared by ``install``, ``uninstall``, ``upgrade`` and ``use``: edits the manifest, locks again, and applies both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.manifest import Manifest
from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.model.resolution import Strictness
from d8_installer.model.value import Struct, replace
from d8_installer.pipeline.apply import apply
from d8_installer.pipeline.change import Applied, Change, asked_by
from d8_installer.pipeline.other_profiles import note_profile
from d8_installer.pipeline.relock import relock

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractContextManager

    from d8_installer.model.reference import ImageName
    from d8_installer.model.resolution import Wanted
    from d8_installer.pipeline.cluster_checks import AskFacts
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.relock import Relocked
    from d8_installer.pipeline.requesters import Requesters
    from d8_installer.pipeline.session import Session


class Edit(Struct, frozen=True, kw_only=True):
    """The manifest as it is to become, the reason of the new generation, and the images that were ``named``."""

    manifest_text: str
    manifest: Manifest
    reason: str
    dry_run: bool = False
    named: frozenset[ImageName] = frozenset()


def edited(
    workspace: Workspace, text: str, reason: str, *, dry_run: bool, named: frozenset[ImageName] = frozenset()
) -> Edit:
    """Return the edit that writes *text*, parsed as if it had been written."""
    manifest = Manifest.parse(text.encode(), workspace.profile.manifest)
    return Edit(manifest_text=text, manifest=manifest, reason=reason, dry_run=dry_run, named=named)


def changing(session: Session, *, dry_run: bool) -> AbstractContextManager[Workspace]:
    """Hold the profile for a change, the user's unless another one was typed, and say which one it is."""
    profile = session.profiles.find(default="user")
    note_profile(session, profile, dry_run=dry_run)
    return session.profiles.changing(profile, dry_run=dry_run)


def relock_leniently(session: Session, wanted: Wanted, read_facts: AskFacts | None = None) -> Relocked:
    """Lock again, by the facts that *read_facts* gives.

    A plugin's request that cannot be met is left out; one of the person's own is an error.

    An image that the person named for an upgrade must not be left out either.
    """
    wanted = replace(wanted, strictness=Strictness(lenient=True, insist=frozenset([OWN_MANIFEST])))
    relocked = relock(session, wanted, read_facts)
    raise_if_left_out(wanted.selection.upgrade or (), relocked)
    return relocked


def raise_if_left_out(names: Collection[ImageName], relocked: Relocked) -> None:
    """Raise the error of the first request for one of *names* that was left out of the lock."""
    for one in relocked.left_out:
        if one.requirement.request.name in names:
            raise one.error


def apply_edit(
    session: Session, workspace: Workspace, requesters: Requesters, wanted: Wanted, relocked: Relocked, edit: Edit
) -> Applied:
    """Write the edited manifest and the lock, and place the binaries. Problems of plugins are warnings."""
    problems = (*requesters.problems, *relocked.problems)
    for problem in problems:
        session.reporter.warn(problem.message)
    change = Change(
        relocked=relocked,
        reason=edit.reason,
        manifest_text=edit.manifest_text,
        dry_run=edit.dry_run,
        seen=requesters,
        asked=asked_by(wanted.requirements),
        problems=problems,
        insist=edit.named | (wanted.selection.upgrade or frozenset()),
    )
    return apply_with_warnings(session, workspace, change)


def apply_with_warnings(session: Session, workspace: Workspace, change: Change) -> Applied:
    """Apply *change*, and warn of the plugins' images that had to be left out meanwhile."""
    applied = apply(session, workspace, change)
    for problem in applied.left_out[len(change.problems) :]:
        session.reporter.warn(problem.message)
    return replace(applied, left_out=())

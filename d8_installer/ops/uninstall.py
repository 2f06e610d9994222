"""``uninstall``: takes images out of the manifest, and their binaries out of ``bin``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.manifest import without_request
from d8_installer.model.reference import image_name
from d8_installer.model.value import replace
from d8_installer.ops.images.editing import Edit, apply_edit, changing, edited, relock_leniently
from d8_installer.ops.images.requests import (
    absent_requesters,
    can_be_uninstalled,
    images_that_keep,
    locked_requests,
    plugins_that_keep,
    refusal,
)
from d8_installer.pipeline.absent_requesters import requesters_text
from d8_installer.pipeline.requesters import gather

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.model.reference import ImageName
    from d8_installer.model.resolution import Wanted
    from d8_installer.pipeline.change import Applied
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.requesters import Requesters
    from d8_installer.pipeline.session import Session


def uninstall(session: Session, names: Sequence[str], *, dry_run: bool = False, word: str = "uninstall") -> Applied:
    """Take each image out of the user's manifest, and its binaries out of ``bin``. *word* is the typed command.

    Requests of requesters that are not installed here leave the lock too. An image that a plugin requires, or that
    another image needs, is a DocumentError that names that one; an unknown image is a NotFoundError.
    """
    chosen = [image_name(name) for name in names]
    reason = f"{word} {' '.join(names)}"
    with changing(session, dry_run=dry_run) as workspace:
        requesters = _requesters(session, workspace, chosen)
        before = requesters.wanted(workspace.locked)
        text = workspace.manifest_text
        for name in chosen:
            if workspace.manifest.find(name) is not None:
                text = without_request(text, name)
            elif not can_be_uninstalled(workspace, before, name, chosen):
                raise refusal(session, workspace, before, name, f"uninstall {name}")
            _note_other_requesters(session, before, name, chosen)
        session = session.keeping_platform(workspace)
        if requesters.own is None:  # the manifest cannot be read, so its text is written as it is
            edit = Edit(manifest_text=text, manifest=workspace.manifest, reason=reason, dry_run=dry_run)
            own = None
        else:
            edit = edited(workspace, text, reason, dry_run=dry_run)
            own = edit.manifest
        wanted = requesters.wanted(workspace.locked, own)
        wanted = replace(wanted, kept=replace(wanted.kept, released=frozenset(chosen)))
        return apply_edit(session, workspace, requesters, wanted, relock_leniently(session, wanted), edit)


def _requesters(session: Session, workspace: Workspace, chosen: Sequence[ImageName]) -> Requesters:
    """Return the requesters. Plugins' hooks are called only if one of *chosen* may be theirs.

    A plugin that fails must not keep a person from uninstalling something else.
    """
    requesters = gather(session, workspace, hooks=False)
    wanted = requesters.wanted(workspace.locked)
    may_be_theirs = any(locked_requests(wanted, name).keys() & wanted.kept.unread for name in chosen)
    return gather(session, workspace) if may_be_theirs and not requesters.is_certain else requesters


def _note_other_requesters(session: Session, wanted: Wanted, name: ImageName, chosen: Sequence[ImageName]) -> None:
    """Say which plugins and images keep an image that is uninstalled, and which absent requesters lose it."""
    if dependents := images_that_keep(wanted, name, chosen):
        names = ", ".join(map(str, dependents))
        session.reporter.note(f"{name} stays for {names}, which {'needs' if len(dependents) == 1 else 'need'} it")
    if plugins := plugins_that_keep(wanted, name):
        session.reporter.note(f"{name} stays for {', '.join(plugins)}, which requires it too")
    if absent := absent_requesters(wanted, name):
        session.reporter.note(
            f"{name} was locked for {requesters_text(absent)}, not installed here: that is removed too"
        )

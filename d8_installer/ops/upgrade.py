"""``upgrade``: moves images to the newest versions that their ranges allow, and says what a range holds back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, UsageError
from d8_installer.model.reference import image_name
from d8_installer.model.resolution import Selection
from d8_installer.model.shell_words import quoted
from d8_installer.model.value import replace
from d8_installer.model.version import Version
from d8_installer.ops.images.editing import Edit, apply_edit, changing, relock_leniently
from d8_installer.ops.images.held_back import note_held_back
from d8_installer.ops.images.requests import locked_requests, refusal, requirements_for
from d8_installer.pipeline.absent_requesters import requesters_text
from d8_installer.pipeline.other_profiles import typed_command
from d8_installer.pipeline.requesters import gather

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.model.reference import ImageName
    from d8_installer.model.resolution import Wanted
    from d8_installer.pipeline.change import Applied
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session


def upgrade(
    session: Session, names: Sequence[str], *, every: bool, use_major: int | None = None, dry_run: bool = False
) -> Applied:
    """Move the images, or *every* image of the profile, to the newest versions that their ranges allow.

    With *use_major*, the images move to that major version, and what they need may leave its own (rpp.md §7). This
    includes the images of plugins. If the range of an image is not known here, that is a DocumentError for a named
    image, and a note otherwise.
    """
    chosen = frozenset(_named(session, name) for name in names)
    if every == bool(chosen):
        raise UsageError("name the images to upgrade, or type --all", hint="such as `d8-installer upgrade stronghold`")
    if every and use_major is not None:
        raise UsageError(
            "--use-major is for named images", hint="such as `d8-installer upgrade stronghold --use-major 2`"
        )
    with changing(session, dry_run=dry_run) as workspace:
        requesters = gather(session, workspace)
        wanted = requesters.wanted(workspace.locked)
        for name in sorted(chosen):
            _refuse_without_range(session, workspace, wanted, name)
        selection = Selection(upgrade=None if every else chosen, use_major=use_major, named=chosen)
        wanted = replace(wanted, selection=selection)
        relocked = relock_leniently(session, wanted, session.checks.choosing(workspace.profile))
        note_held_back(session, workspace, wanted, relocked)
        reason = "upgrade --all" if every else f"upgrade {' '.join(names)}"
        edit = Edit(manifest_text=workspace.manifest_text, manifest=workspace.manifest, reason=reason, dry_run=dry_run)
        return apply_edit(session, workspace, requesters, wanted, relocked, edit)


def _named(session: Session, text: str) -> ImageName:
    """Return the image; a typed version belongs to ``install``, or in a project to ``add``, which the hint says."""
    try:
        return image_name(text)
    except UsageError as error:
        install = typed_command(session, session.profiles.find(), f"install {quoted(text)}")
        raise error.within(hint=f"{error.hint}, or `{install}` for another range") from error


def _refuse_without_range(session: Session, workspace: Workspace, wanted: Wanted, name: ImageName) -> None:
    """Refuse an image that no requester here asks for: which versions are allowed is not known."""
    if requirements_for(wanted, name):
        return
    if not locked_requests(wanted, name):
        raise refusal(session, workspace, wanted, name, f"upgrade {name}")
    image = wanted.locked.find(name)
    locked = "" if image is None else image.version
    at_least = str(name) if Version.try_parse(locked) is None else f"{name}>={locked.removeprefix('v')}"
    install = typed_command(session, workspace.profile, f"install {quoted(at_least)}")
    again = typed_command(session, workspace.profile, f"upgrade {name}")
    requesters = requesters_text(locked_requests(wanted, name))
    raise DocumentError(
        f"{name} {locked} is locked for {requesters}, not installed here, so the range of its versions is not known",
        hint=f"give it a range: type `{install}`, then `{again}`",
        code="needed-by-another",
    )

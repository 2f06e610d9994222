"""Says which range keeps an image from its newest version, for ``upgrade`` and ``install NAME@latest``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.requirement import OWN_MANIFEST, needing_image
from d8_installer.model.shell_words import quoted
from d8_installer.ops.images.requests import locked_requests, requirements_for
from d8_installer.pipeline.absent_requesters import requesters_text
from d8_installer.pipeline.other_profiles import typed_command

if TYPE_CHECKING:
    from d8_installer.model.resolution import HeldBack, Wanted
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.relock import Relocked
    from d8_installer.pipeline.session import Session


def note_held_back(session: Session, workspace: Workspace, wanted: Wanted, relocked: Relocked) -> None:
    """Note each image that a range keeps from its newest version, and with ``--all`` each without a known range."""
    for held in relocked.held:
        session.reporter.note(f"{held.name} stays at {held.tag}: {_reason(session, workspace, held)}")
    for image in wanted.locked.images if wanted.selection.upgrade is None else ():
        if image.requests and not requirements_for(wanted, image.name):
            requesters = requesters_text(locked_requests(wanted, image.name))
            typed = typed_command(session, workspace.profile, f"upgrade {image.name}")
            session.reporter.note(
                f"{image.name} stays at {image.version}: the range of {requesters} is not known here; see `{typed}`"
            )


def note_held_by_others(session: Session, workspace: Workspace, relocked: Relocked) -> None:
    """Note each image that a range of a plugin or of another image keeps from its newest version."""
    for held in relocked.held:
        if any(one.requester != OWN_MANIFEST for one in held.holders):
            session.reporter.note(f"{held.name} stays at {held.tag}: {_reason(session, workspace, held)}")


def _spoken(requester: str) -> str:
    image = needing_image(requester)
    return f"the plugin {requester}" if image is None else f"{image}, which needs it"


def _reason(session: Session, workspace: Workspace, held: HeldBack) -> str:
    """Return the range that holds the image back, and what to do: a person can change only their own ranges."""
    others = [one for one in held.holders if one.requester != OWN_MANIFEST]
    if others:
        ranges = " and ".join(f"{one.range} of {_spoken(one.requester)}" for one in others)
        holder = "the plugin" if needing_image(others[0].requester) is None else needing_image(others[0].requester)
        return f"{held.newest} is outside {ranges}; a newer version of {holder} may allow it"
    own = held.holders[0]
    at_least = f"{held.name}>={held.newest.removeprefix('v')}"
    typed = typed_command(session, workspace.profile, f"install {quoted(at_least)}")
    return f"{held.newest} is outside {own.request.version.text} of d8.toml; type `{typed}`"

"""What an upgrade left where it was, and why: said as notes, with what to type (docs/profiles.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.ops.names.named_image import lines_of, requirements_of
from d8_installer.pipeline.absent_requesters import named
from d8_installer.pipeline.other_profiles import typed_command

if TYPE_CHECKING:
    from d8_installer.model.resolution import HeldBack, Wanted
    from d8_installer.pipeline.relock import Relocked
    from d8_installer.pipeline.session import Session, Workspace


def say_held(session: Session, workspace: Workspace, wanted: Wanted, relocked: Relocked) -> None:
    """Name what was to be upgraded and is held by a range, and what no range is known of."""
    for held in relocked.held:
        session.reporter.note(f"{held.name} stays at {held.tag}: {_why(session, workspace, held)}")
    for image in wanted.locked.images if wanted.upgrade is None else ():
        if not requirements_of(wanted, image.name) and image.requests:
            who = named(lines_of(wanted, image.name))
            typed = typed_command(session, workspace.profile, f"upgrade {image.name}")
            session.reporter.note(
                f"{image.name} stays at {image.version}: the range of {who} is not known here; see `{typed}`"
            )


def _why(session: Session, workspace: Workspace, held: HeldBack) -> str:
    """Say who holds it; a person can change their own range, and a plugin's by another version of the plugin."""
    plugins = [one for one in held.holders if one.requester != OWN_MANIFEST]
    if plugins:
        who = " and ".join(f"{one.request.version.text} of the plugin {one.requester}" for one in plugins)
        return f"{held.newest} is outside {who}; a newer version of the plugin may allow it"
    own = held.holders[0]
    at_least = f"install '{held.name}>={held.newest.removeprefix('v')}'"
    typed = typed_command(session, workspace.profile, at_least)
    return f"{held.newest} is outside {own.request.version.text} of d8.toml; type `{typed}`"

"""``run``: finds a binary of the profile, or else resolves an image under ``runs/``, outside ``bin``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import UsageError
from d8_installer.model.reference import split_requirement
from d8_installer.model.requirement import Request
from d8_installer.pipeline.image_runs import Runnable, image_runnable, installed_runnable

if TYPE_CHECKING:
    from d8_installer.pipeline.session import Session


def runnable(session: Session, text: str) -> Runnable:
    """Return what ``run NAME[SPEC]`` runs, and fetch it if need be.

    A plain NAME is a binary of the profile if there is one, or else the default binary of the image of that name.
    """
    active = session.profiles.active(session.profiles.find())
    if active is not None and any(placed.placement.binary == text for placed in active.placed):
        return installed_runnable(session, active, text)
    if session.platform != session.plugins.host_platform:
        raise UsageError(f"a binary for {session.platform} cannot run here", hint="leave --platform out")
    name, spec = split_requirement(text)
    request = Request.of(name, spec)
    return image_runnable(session, request, request.binaries[0][0])

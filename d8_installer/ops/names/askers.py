"""Who asks for the images of a profile, and for which versions, as far as that is known here. Only looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from d8_installer.errors import D8Error
from d8_installer.model.lock import Lock
from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.pipeline.requesters import gather

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d8_installer.model.generation import Generation
    from d8_installer.model.profile import Profile
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.pipeline.session import Session


class Asker(NamedTuple):
    """A requester of an image and its range; None where no manifest that is here says it."""

    requester: str
    range: str | None


def askers(session: Session, profile: Profile, active: Generation) -> dict[ImageName, tuple[Asker, ...]]:
    """Return who asks for each image. What cannot be read is warned of, and stops nothing."""
    try:
        workspace = session.read(profile)
        if any(image.plugins for image in workspace.locked.images):
            wanted = gather(session, workspace, hooks=False).wanted(workspace.locked)
            return _joined(wanted.locked, wanted.requirements)
        return _joined(workspace.locked, workspace.manifest.requirements(OWN_MANIFEST))
    except D8Error as error:
        session.reporter.warn(f"{error}; who asks for what is read from the active generation alone")
    try:
        return _joined(Lock.parse(active.lock.encode(), "d8.lock"), ())
    except D8Error:  # a damaged record, which `verify` names: then nobody is known to ask
        return {}


def _joined(lock: Lock, requirements: Iterable[Requirement]) -> dict[ImageName, tuple[Asker, ...]]:
    found: dict[ImageName, dict[str, str | None]] = {
        image.name: dict.fromkeys(who for who, _ in image.requests) for image in lock.images
    }
    for requirement in requirements:
        request = requirement.request
        found.setdefault(request.name, {})[requirement.requester] = request.version.text
    return {name: tuple(Asker(*pair) for pair in sorted(asked.items())) for name, asked in found.items()}

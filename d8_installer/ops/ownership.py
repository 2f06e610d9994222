"""Whose a place is, and who may not write there: another person's home, the system's, what a link of a clone means."""

from __future__ import annotations

import os

from d8_installer.errors import DocumentError, NotAllowedError
from d8_installer.store import fs, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from d8_installer.model.profile import Profile


def refuse_foreign(place: str, *, system: bool) -> None:
    """Raise NotAllowedError where this user must not write; *system*: the place is the system profile's."""
    if system and not status.is_writable(place):
        raise NotAllowedError(
            f"{place} is the system's, and not yours to write",
            hint="type it as root (sudo), or leave --global out to work on your own profile",
        )
    if os.name != "posix" or os.geteuid() != 0:
        return
    while (owner := fs.owner(place)) is None:
        place = os.path.dirname(place)
    if owner != 0:
        raise NotAllowedError(
            f"{place} belongs to another user, and root would leave files there that its owner cannot change",
            hint="work as that user, or with a HOME (or --home DIR) of root's own",
        )


def refuse_leading_out(profile: Profile) -> None:
    """A clone's files are its own: a link out of it would have us read, and write, what is somebody else's."""
    if profile.project is None:
        return
    inside = os.path.join(os.path.realpath(profile.project), "")
    for file in (profile.manifest, profile.lock):
        if os.path.islink(file) and not os.path.realpath(file).startswith(inside):
            raise DocumentError(
                "is a link that leads out of the project",
                file=file,
                hint="put the file itself there, or remove it",
            )

"""Whose a place is, and who may not write there: another person's home, the system's, what a link of a clone means."""

from __future__ import annotations

import os

from d8_installer.errors import ConfigError, DocumentError, NotAllowedError
from d8_installer.store import fs, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from d8_installer.model.profile import Profile
    from d8_installer.store.paths import Home


def refuse_foreign(place: str, *, system: bool) -> None:
    """Raise NotAllowedError where this user must not write; *system*: the place is the system profile's."""
    if system and not status.is_writable(place):
        raise NotAllowedError(
            f"{place} is the system's, and not yours to write",
            hint="type it as root (sudo), or leave --global out to work on your own profile",
        )
    if is_foreign(place):
        place = _existing(place)
        raise NotAllowedError(
            f"{place} belongs to another user, and root would leave files there that its owner cannot change",
            hint="work as that user, or with a HOME (or --home DIR) of root's own",
        )


def refuse_foreign_project(profile: Profile) -> None:
    """Raise NotAllowedError where root would write a project's files that are somebody else's."""
    if profile.project is None:
        return
    for file in (profile.manifest, profile.lock):
        if is_foreign(file):
            raise NotAllowedError(
                f"{file} is another user's, and root would leave a file there that its owner cannot change",
                hint="work as that user; `d8-installer sync --locked` writes nothing into the project",
            )


def is_foreign(place: str) -> bool:
    """Whether this is root, and the place (or where it would be made) somebody else's."""
    return os.name == "posix" and os.geteuid() == 0 and status.owner(_existing(place)) != 0


def _existing(place: str) -> str:
    while status.owner(place) is None and place != os.path.dirname(place):
        place = os.path.dirname(place)
    return place


def settle_system_home(home: Home) -> None:
    """Let a system's home that is new be everybody's to read and its owner's to write, whatever made its directory.

    One that is in use and that others may write to is a ConfigError: they may have replaced what everybody runs.
    """
    from d8_installer.store import inventory

    place = os.path.realpath(home.root)
    mode = status.mode(place)
    if os.name != "posix" or mode is None:
        return
    if inventory.is_new(home):
        if mode & 0o077 != 0o055:
            fs.set_mode(place, 0o755)
    elif mode & 0o022:
        raise ConfigError(
            f"others may write to {place} (its mode is {mode:04o}), and could replace what everyone runs",
            hint=f"type `chmod go-w {place}`, then `d8-installer --global verify --fix`",
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
                about_file=True,
            )

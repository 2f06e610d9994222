"""Facts about the home for the checks: who can write to it, whether it is on one file system, where ``bin`` leads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypedDict

from d8_installer.errors import ConfigError
from d8_installer.pipeline.altered_files import altered_facts
from d8_installer.pipeline.ownership import other_owner_of_home
from d8_installer.pipeline.shell_lines import path_entry
from d8_installer.store import one_file_system, status
from d8_installer.store.paths import refuse_long_home

if TYPE_CHECKING:
    from d8_installer.model.generation import Generation
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.session import Session
    from d8_installer.store.paths import Home

_OTHERS = 0o022


class HomeFacts(TypedDict):
    """The fields of ``CheckContext`` that are about the home."""

    changed: tuple[tuple[str, str], ...]
    not_writable: tuple[str, ...]
    scattered: str | None
    stranger: str | None
    open_to_others: bool
    bin_leads_to: str | None
    bad_path_entry: str | None


def home_facts(session: Session, profile: Profile, active: Generation | None) -> HomeFacts:
    """Return the facts. Change nothing."""
    home = session.scope.home
    paths = home.profile(profile.directory)
    stranger = other_owner_of_home(home, session.scope.environ, lambda: session.scope.config_file)
    mode = status.mode(os.path.realpath(home.root))
    return HomeFacts(
        changed=() if active is None else altered_facts(session.profiles.generations(profile), active),
        not_writable=() if session.scope.is_global else tuple(_not_writable(session)),
        scattered=one_file_system.scattered(home, paths),
        stranger=None if stranger is None else str(stranger),
        open_to_others=os.name == "posix" and mode is not None and bool(mode & _OTHERS),
        bin_leads_to=_astray(session, profile, active),
        bad_path_entry=_bad_path_entry(home, home.bin if profile.is_exposed else paths.bin),
    )


def _not_writable(session: Session) -> list[str]:
    """Return the home if it is not writable, else the directories in it that are not."""
    home = session.scope.home
    if not status.is_writable(home.root):
        return [home.root]
    below = (home.profiles, home.runs, home.stored, home.layers, home.incoming, home.arriving)
    return [path for path in below if os.path.isdir(path) and not status.is_writable(path)]


def _astray(session: Session, profile: Profile, active: Generation | None) -> str | None:
    """Return where ``bin`` leads if that is not the active binaries, else None."""
    home, paths = session.scope.home, session.scope.home.profile(profile.directory)
    if active is None or not profile.is_exposed or not os.path.lexists(home.bin) or not os.path.islink(paths.current):
        return None
    leads_to = os.path.realpath(home.bin)
    return None if leads_to == os.path.realpath(paths.bin) else leads_to


def _bad_path_entry(home: Home, directory: str) -> str | None:
    """Return why the directory cannot be on PATH, or why nothing can be placed in it."""
    try:
        refuse_long_home(home)
        path_entry(directory)
    except ConfigError as error:
        return error.message
    return None

"""Decide by the stamp alone that a ``sync`` has nothing to do: no TOML is parsed, and nothing third-party imported.

Every doubt ends here with None, and the long way decides: ``ops.sync``.
"""

from __future__ import annotations

import sys

from d8_installer.fast.profile import FoundProfile, find_profile
from d8_installer.plugin.environments import project_roots, user_roots
from d8_installer.store import one_file_system, stamp, trusted_directories
from d8_installer.store import paths as home_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from d8_installer.model.profile import Profile
    from d8_installer.store.paths import Home

_FACTS = {"generation", "platform", "skipped", "withheld", "roots", "safe_by_settings"}
_SLOW_OPTIONS = (
    *("platform", "to", "dry_run", "prune", "witness", "accept_moved", "environments", "exclude_newer"),
    *("layout", "plugins_dir", "facts", "exit_code"),
)


class NothingToDo:
    """The result of a sync that changes nothing: the profile, and ``data`` of ``--json``."""

    __slots__ = ("data", "profile")

    def __init__(self, profile: Profile, data: Mapping[str, object]) -> None:
        self.profile = profile
        self.data = data


def nothing_to_do(typed: Namespace, environ: Mapping[str, str], directory: str) -> NothingToDo | None:
    """Return the result of a sync that has nothing to do, or None if there may be something to do."""
    if any(getattr(typed, option) not in (None, False, []) for option in _SLOW_OPTIONS):
        return None
    chosen = home_paths.chosen_home(typed.home, environ)
    home = home_paths.Home(chosen or home_paths.default_home(environ))
    found = find_profile(typed.profile, home, environ, directory, is_chosen=chosen is not None)
    if found is None or not _is_trusted(home, found, environ):
        return None
    settings = home_paths.settings_file(home, chosen, environ)
    facts = _facts(found, settings, environ)
    if facts is None:
        return None
    data = {
        "changed": False,
        "profile": found.profile.as_json(),
        "platform": facts["platform"],
        "generation": facts["generation"],
        "bin": found.bin,
        "dry_run": False,
        "changes": [],
        "skipped": facts["skipped"],
        "withheld": facts["withheld"],
        "left_out": [],
        "manifest": None,
        "lock": None,
        "laid_out": None,
        "environments": [],
    }
    return NothingToDo(found.profile, data)


def _is_trusted(home: Home, found: FoundProfile, environ: Mapping[str, str]) -> bool:
    """Return whether the home is the user's own, and on one file system."""
    foreign = trusted_directories.foreign_owner_of_home((), home.root, environ)
    return foreign is None and one_file_system.scattered(home, found.paths) is None


def _facts(found: FoundProfile, settings: str, environ: Mapping[str, str]) -> dict[str, object] | None:
    """Return what the stamp says, or None if anything has changed since it was written."""
    profile, paths = found.profile, found.paths
    facts = stamp.matching(paths, (profile.manifest, profile.lock, settings, paths.environments))
    if facts is None or not facts.keys() >= _FACTS or facts["roots"] != _roots(environ, profile.project):
        return None
    if profile.project is None or facts["safe_by_settings"]:
        return facts
    return None if trusted_directories.foreign_owner_of_project(profile.project, environ) else facts


def _roots(environ: Mapping[str, str], project: str | None) -> list[str]:
    """Return where plugins are searched now: an environment variable, or a new ``.venv``, changes it."""
    if project is not None:
        return [root.path for root in project_roots(environ, project)]
    return [root.path for root in user_roots(environ, home_paths.home_directory_or_nowhere(environ), sys.prefix)]

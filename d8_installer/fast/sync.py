"""Decide by the stamp alone that a ``sync`` has nothing to do: no TOML is parsed and nothing third-party imported."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from d8_installer.model.profile import Profile

_FACTS = {"generation", "platform", "skipped", "withheld", "roots", "safe_by_settings"}
_SLOW_OPTIONS = ("platform", "to", "dry_run", "prune", "witness", "accept_moved", "environments", "exclude_newer")


class NothingToDo:
    """The result of a sync that changes nothing: the profile, and ``data`` of ``--json``."""

    __slots__ = ("data", "profile")

    def __init__(self, profile: Profile, data: Mapping[str, object]) -> None:
        self.profile = profile
        self.data = data


def nothing_to_do(typed: Namespace, environ: Mapping[str, str], directory: str) -> NothingToDo | None:
    """Return the result of a sync that has nothing to do, or None if there may be something to do."""
    from d8_installer.model.profile import Profile
    from d8_installer.store import one_file_system, stamp, trusted_directories
    from d8_installer.store import paths as home_paths
    from d8_installer.store.paths import Home, find_project, project_directory

    if any(getattr(typed, option) not in (None, False, []) for option in _SLOW_OPTIONS):
        return None
    if typed.profile == "system":
        return None
    chosen = home_paths.chosen_home(typed.home, environ)
    home = Home(chosen or home_paths.default_home(environ))
    config_file = home_paths.settings_file(home, chosen, environ)
    known_home = home_paths.known_home_directory(environ)
    project = None if typed.profile == "user" else find_project(directory, known_home)
    if project is None and typed.profile == "project":
        return None
    if project is not None:
        paths = home.profile(project_directory(project))
        manifest, lock = os.path.join(project, "d8.toml"), os.path.join(project, "d8.lock")
        profile, bin_directory = Profile("project", "", manifest, lock, project), paths.bin
    else:
        paths = home.profile("user")
        own = home.config_manifest if chosen else os.path.join(home_paths.config_directory(environ), "d8.toml")
        manifest, lock = own, paths.lock
        profile, bin_directory = Profile("user", "", manifest, lock), home.bin
    if trusted_directories.foreign_owner_of_home((), home.root, environ) or one_file_system.scattered(home, paths):
        return None
    facts = stamp.matching(paths, (manifest, lock, config_file, paths.environments))
    if facts is None or not facts.keys() >= _FACTS or facts["roots"] != _roots(environ, project):
        return None
    if (
        project is not None
        and not facts["safe_by_settings"]
        and trusted_directories.foreign_owner_of_project(project, environ)
    ):
        return None
    data = {
        "profile": profile.as_json(),
        "platform": facts["platform"],
        "generation": facts["generation"],
        "bin": bin_directory,
        "dry_run": False,
        "changes": [],
        "skipped": facts["skipped"],
        "withheld": facts["withheld"],
        "left_out": [],
        "lock": None,
    }
    return NothingToDo(profile, data)


def _roots(environ: Mapping[str, str], project: str | None) -> list[str]:
    """Return where plugins are looked for now; it changes with an environment variable, or with a new ``.venv``."""
    from d8_installer.plugin.environments import project_roots, user_roots
    from d8_installer.store.paths import home_directory_or_nowhere

    if project is not None:
        return [root.path for root in project_roots(environ, project)]
    return [root.path for root in user_roots(environ, home_directory_or_nowhere(environ), sys.prefix)]

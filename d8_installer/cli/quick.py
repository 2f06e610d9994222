"""The quick ways of a ``sync`` with nothing to do and of ``rollback``: nothing third-party, no TOML, no dataclasses."""

from __future__ import annotations

import os
import sys

from d8_installer.cli.context import Outcome, end_cleanly
from d8_installer.errors import D8Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.cli.context import Context
    from d8_installer.ops.rollback import RolledBack

_FACTS = {"generation", "platform", "skipped", "withheld", "roots", "safe_by_settings"}
_SLOW_OPTIONS = ("platform", "to", "dry_run", "prune", "witness", "accept_moved", "environments", "exclude_newer")


def unchanged(context: Context) -> Outcome | None:
    """Return the outcome of a sync that has nothing to do, or None for any doubt: the long way decides then."""
    from d8_installer.model.profile import Profile
    from d8_installer.store import one_file_system, stamp, trusted_directories
    from d8_installer.store import paths as home_paths
    from d8_installer.store.paths import Home, find_project, project_directory

    typed = context.arguments
    if any(getattr(typed, option) not in (None, False, []) for option in _SLOW_OPTIONS):
        return None
    if typed.profile == "system":
        return None
    environ = context.environ
    chosen = home_paths.chosen_home(typed.home, environ)
    home = Home(chosen or home_paths.default_home(environ))
    config_file = home_paths.settings_file(home, chosen, environ)
    known_home = home_paths.known_home_directory(environ)
    project = None if typed.profile == "user" else find_project(context.directory, known_home)
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
    context.talk.note(f"syncing {profile}")
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
    return Outcome(data, ["nothing to do"])


def _roots(environ: Mapping[str, str], project: str | None) -> list[str]:
    """Return where plugins are looked for now: another variable, or a new ``.venv``, is a doubt as any other."""
    from d8_installer.plugin.environments import project_roots, user_roots
    from d8_installer.store.paths import home_directory_or_nowhere

    if project is not None:
        return [root.path for root in project_roots(environ, project)]
    return [root.path for root in user_roots(environ, home_directory_or_nowhere(environ), sys.prefix)]


def rolled_back(context: Context) -> RolledBack | None:
    """Roll back by what is plain to see; None, and nothing changed, for any doubt: the long way decides then."""
    from d8_installer.ops.rollback import enables_no_plugin, quickly
    from d8_installer.pipeline.profile_access import Place, ProfileAccess
    from d8_installer.pipeline.timeouts import typed_patience, with_others

    typed = context.arguments
    choice = ProfileAccess(typed.home, typed.profile, context.environ, context.directory)
    try:
        home = choice.find_home()
        profile = choice.find_profile(lambda: home, typed.profile)
        if not typed.no_plugins and not enables_no_plugin(choice.find_config(lambda: home)):
            return None
    except D8Error:
        return None
    end_cleanly(context.talk.screen)
    patience = with_others(context.talk.note, typed_patience(context.environ.get("D8_PATIENCE", "")))
    return quickly(Place(choice, home, profile, patience), typed.number, context.talk.warn)

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

_FACTS = {"generation", "platform", "skipped", "withheld", "roots"}
_SLOW_OPTIONS = ("platform", "to", "dry_run", "prune", "witness", "accept_moved", "environments", "exclude_newer")


def unchanged(context: Context) -> Outcome | None:
    """Return the outcome of a sync that has nothing to do, or None for any doubt: the long way decides then."""
    from d8_installer.model.profile import Profile
    from d8_installer.store import stamp
    from d8_installer.store.layout import Home, config_directory, default_home, find_project, project_directory

    typed = context.arguments
    if any(getattr(typed, option) not in (None, False, []) for option in _SLOW_OPTIONS):
        return None
    if typed.profile == "system":
        return None
    environ = context.environ
    chosen = typed.home or environ.get("D8_INSTALLER_HOME")
    home = Home(chosen or default_home(environ))
    config = config_directory(environ)
    project = None if typed.profile == "user" else find_project(context.directory, environ.get("HOME", ""))
    if project is None and typed.profile == "project":
        return None
    if project is not None:
        paths = home.profile(project_directory(project))
        manifest, lock = os.path.join(project, "d8.toml"), os.path.join(project, "d8.lock")
        profile, bin_directory = Profile("project", "", manifest, lock, project), paths.bin
    else:
        paths = home.profile("user")
        manifest, lock = home.config_manifest if chosen else os.path.join(config, "d8.toml"), paths.lock
        profile, bin_directory = Profile("user", "", manifest, lock), home.bin
    facts = stamp.matching(paths, (manifest, lock, os.path.join(config, "config.toml"), paths.environments))
    if facts is None or not facts.keys() >= _FACTS or facts["roots"] != _roots(environ, project):
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
    from d8_installer.store.layout import home_directory

    if project is not None:
        return [root.path for root in project_roots(environ, project)]
    return [root.path for root in user_roots(environ, home_directory(environ), sys.prefix)]


def rolled_back(context: Context) -> RolledBack | None:
    """Roll back by what is plain to see; None, and nothing changed, for any doubt: the long way decides then."""
    from d8_installer.ops.patience import typed_patience, with_others
    from d8_installer.ops.place import Choice, Place
    from d8_installer.ops.rollback import enables_no_plugin, quickly

    typed = context.arguments
    choice = Choice(typed.home, typed.profile, context.environ, context.directory)
    try:
        home = choice.find_home()
        profile = choice.find_profile(lambda: home, typed.profile)
        if not typed.no_plugins and not enables_no_plugin(choice.find_config(lambda: home)):
            return None
    except D8Error:
        return None
    end_cleanly(context.talk.screen)
    patience = with_others(context.talk.note, typed_patience(context.environ.get("D8_PATIENCE", "")))
    return quickly(Place(choice, home, profile, patience), typed.number)

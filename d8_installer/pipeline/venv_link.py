"""Which environments get the link by which launchers find a project's profile instead of the user's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError
from d8_installer.pipeline.plugin_search import GIVEN, REMEMBERED
from d8_installer.plugin.environments import environments
from d8_installer.plugin.launcher import PROFILE_LINK
from d8_installer.store import fs, home_state
from d8_installer.store.paths import ProfilePaths
from d8_installer.store.profile_link import forget_profile, name_profile, named_profile

if TYPE_CHECKING:
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.requesters import Requesters
    from d8_installer.pipeline.session import Session
    from d8_installer.plugin.environments import Environment


def link_environments(
    session: Session, workspace: Workspace, requesters: Requesters, *, prune: bool, dry_run: bool = False
) -> set[str]:
    """Put the link into each of a project's environments that has plugins; *prune* removes it from the others.

    If an environment cannot be written, its launchers do not find the project; that is a warning. Return the
    environments that were changed, or would be in a *dry_run*.
    """
    if workspace.profile.project is None:
        return _drop_dead(session, requesters, dry_run=dry_run) if prune else set()
    profile, project = workspace.generations.paths.root, workspace.profile.project
    mine = (os.path.join(os.path.realpath(project), ""), profile)
    chosen = {e.path for p in requesters.plugins if _may_link(e := p.distribution.environment, *mine)}
    changed = set()
    for environment in (*chosen, *(_without_plugins(requesters, chosen) if prune else ())):
        link, is_wanted = os.path.join(environment, PROFILE_LINK), environment in chosen
        if _leads_to(link, profile) == is_wanted:
            continue
        try:
            if not dry_run:
                (name_profile if is_wanted else forget_profile)(link, profile)
            changed.add(environment)
        except DiskError as error:
            session.reporter.warn(f"launchers in {environment} will not find this project: {error}")
    return changed


def _leads_to(link: str, profile: str) -> bool:
    named = named_profile(link)
    return named is not None and os.path.normcase(named) == os.path.normcase(profile)


def _may_link(environment: Environment, inside: str, profile: str) -> bool:
    """Whether the environment is the project's: it is *inside* it, or was named for it, now or before.

    An environment that is only active, or that a link in a clone leads to, serves other projects as well.
    """
    if os.path.realpath(environment.path).startswith(inside) or environment.manager == GIVEN:
        return True
    return environment.manager == REMEMBERED and named_profile(os.path.join(environment.path, PROFILE_LINK)) == profile


def _drop_dead(session: Session, requesters: Requesters, *, dry_run: bool) -> set[str]:
    """Remove the links to projects and profiles that no longer exist; return the environments that have them."""
    dropped = set()
    found = {environment.path for environment in environments(requesters.roots)}
    for place in sorted(found | {root.path for root in requesters.roots if not root.many}):
        link = os.path.join(place, PROFILE_LINK)
        named = named_profile(link)
        if named is None:
            continue
        profile = ProfilePaths(os.path.realpath(named))
        ours = os.path.dirname(profile.root) == os.path.dirname(session.scope.home.profile("user").root)
        project = home_state.load_project(profile)
        if ours and (project is None or not os.path.isfile(os.path.join(project, "d8.toml"))):
            dropped.add(place)
            if not dry_run:
                fs.remove(link)
    return dropped


def _without_plugins(requesters: Requesters, chosen: set[str]) -> set[str]:
    """Return the environments without plugins, and those without a library: PDM leaves one like that."""
    real = {os.path.realpath(environment) for environment in chosen}
    return {root.path for root in requesters.roots if os.path.realpath(root.path) not in real}

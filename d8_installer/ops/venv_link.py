"""The link in a project's environment by which launchers find the project's profile, and not the user's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError
from d8_installer.plugin.launcher import PROFILE_LINK
from d8_installer.store import fs

if TYPE_CHECKING:
    from d8_installer.ops.requesters import Requesters
    from d8_installer.ops.session import Session, Workspace


def link_environments(session: Session, workspace: Workspace, requesters: Requesters, *, prune: bool) -> None:
    """Put the link into each of a project's environments that has plugins; *prune*: take it out of those without.

    An environment that is not ours to write costs its launchers their project, not the sync: that is a warning.
    """
    if workspace.profile.kind != "project":
        return
    profile = workspace.generations.paths.root
    chosen = {plugin.distribution.environment.path for plugin in requesters.plugins}
    for environment in (*chosen, *(_without_plugins(requesters, chosen) if prune else ())):
        try:
            _relink(os.path.join(environment, PROFILE_LINK), profile, wanted=environment in chosen)
        except DiskError as error:
            session.reporter.warn(f"launchers in {environment} will not find this project: {error}")


def _without_plugins(requesters: Requesters, chosen: set[str]) -> set[str]:
    """Return the environments without plugins, those without a library too: PDM removes one that it has emptied."""
    real = {os.path.realpath(environment) for environment in chosen}
    return {root.path for root in requesters.roots if os.path.realpath(root.path) not in real}


def _relink(link: str, profile: str, *, wanted: bool) -> None:
    found = fs.read_link(link)
    if wanted and found != profile:
        fs.replace_link(profile, link)
    elif not wanted and found == profile:
        fs.remove(link)

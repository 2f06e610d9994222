"""Where a profile's plugins are looked for, and which of them count; reads no document of the person's."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d8_installer.plugin.discovery import Scan, scan
from d8_installer.plugin.environments import Root, environments, prefix_of, project_roots, user_roots
from d8_installer.store import lockfile
from d8_installer.store.layout import home_directory_or_nowhere

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from d8_installer.model.profile import Profile
    from d8_installer.ops.session import Session
    from d8_installer.plugin.discovery import DiscoveredPlugin
    from d8_installer.plugin.environments import Environment

GIVEN, REMEMBERED, CONFIGURED = "given", "remembered", "configured"


@dataclass(frozen=True, slots=True)
class Looked:
    """Where plugins were looked for, and what was found; ``chosen`` has each name once."""

    defaults: list[Root]
    roots: list[Root]
    found: list[Environment]
    scan: Scan
    chosen: tuple[DiscoveredPlugin, ...]


def look(session: Session, profile: Profile, given: Iterable[str] = ()) -> Looked:
    """Read the plugins of a profile's environments, and of those at the paths *given*; no document of the person's."""
    defaults = default_roots(session, profile)
    prefixes = [prefix_of(os.path.join(session.directory, path)) for path in given]
    roots = [*defaults, *(Root(path, GIVEN) for path in prefixes)]
    roots += [Root(path, CONFIGURED) for path in session.config.environments if profile.kind != "project"]
    roots += [Root(path, REMEMBERED) for path in lockfile.load_environments(session.generations(profile).paths)]
    found = environments(roots)
    read = scan(found)
    chosen = tuple(_one_each(read.plugins, {os.path.realpath(path) for path in prefixes}))
    return Looked(defaults, roots, found, read, chosen)


def default_roots(session: Session, profile: Profile) -> list[Root]:
    """Return where a profile's plugins may be by DESIGN's rule: a project's in its environment, a user's in theirs.

    The system's are in the environments of its settings alone: those of a person are that person's.
    """
    if profile.kind == "system":
        return []
    if profile.project is not None:
        return project_roots(session.environ, profile.project)
    return user_roots(session.environ, home_directory_or_nowhere(session.environ), sys.prefix)


def _one_each(plugins: Iterable[DiscoveredPlugin], given: Collection[str]) -> Iterable[DiscoveredPlugin]:
    """Keep one plugin of each name: that of a *given* environment, else the newest, else the first that was found."""
    best: dict[str, DiscoveredPlugin] = {}
    for plugin in plugins:
        known = best.get(plugin.name)
        if known is None or (_is_in(plugin, given), _is_newer(plugin, known)) > (_is_in(known, given), False):
            best[plugin.name] = plugin
    return [best[name] for name in sorted(best)]


def _is_in(plugin: DiscoveredPlugin, given: Collection[str]) -> bool:
    return os.path.realpath(plugin.distribution.environment.path) in given


def _is_newer(plugin: DiscoveredPlugin, known: DiscoveredPlugin) -> bool:
    """Whether *plugin* is newer than *known*; a version that no rule orders is older than any."""
    from packaging.version import InvalidVersion, Version

    try:
        new = Version(plugin.distribution.version)
    except InvalidVersion:
        return False
    try:
        return new > Version(known.distribution.version)
    except InvalidVersion:
        return True

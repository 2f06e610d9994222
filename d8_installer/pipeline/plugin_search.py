"""Where a profile's plugins are searched, and which of them count. Reads no manifest or lock of the profile."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from d8_installer.model.value import Struct
from d8_installer.plugin.discovery import Scan, scan
from d8_installer.plugin.environments import Root, environments, prefix_of, project_roots, user_roots
from d8_installer.store import home_state
from d8_installer.store.paths import home_directory_or_nowhere

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import Lock
    from d8_installer.model.profile import Profile
    from d8_installer.model.reference import ImageName
    from d8_installer.pipeline.session import Session
    from d8_installer.plugin.discovery import DiscoveredPlugin
    from d8_installer.plugin.environments import Environment

GIVEN, REMEMBERED, CONFIGURED = "given", "remembered", "configured"


class SearchResult(Struct, frozen=True, kw_only=True):
    """Where plugins were searched, and what was found. ``chosen`` has each name once.

    ``others`` are plugins of the same names in other environments with other requests.
    """

    defaults: list[Root]
    roots: list[Root]
    found: list[Environment]
    scan: Scan
    chosen: tuple[DiscoveredPlugin, ...]
    others: tuple[DiscoveredPlugin, ...] = ()


def search_plugins(
    session: Session, profile: Profile, given: Iterable[str] = (), locked: Lock | None = None
) -> SearchResult:
    """Read the plugins of a profile's environments, and of those at the paths *given*.

    Of several plugins of one name, that of a *given* environment is chosen, else the one whose requests are *locked*.
    """
    defaults = default_roots(session, profile)
    prefixes = [prefix_of(os.path.join(session.scope.directory, path)) for path in given]
    roots = [*defaults, *(Root(path, GIVEN) for path in prefixes)]
    roots += [Root(path, CONFIGURED) for path in session.scope.config.environments if profile.kind != "project"]
    roots += [
        Root(path, REMEMBERED) for path in home_state.load_environments(session.profiles.generations(profile).paths)
    ]
    found = environments(roots)
    read = scan(found)
    lines = {(image.name, *line) for image in (locked.images if locked is not None else ()) for line in image.requests}
    real = {os.path.realpath(path) for path in prefixes if os.path.isdir(path)}
    chosen = tuple(_one_each(read.plugins, real, lines))
    return SearchResult(
        defaults=defaults, roots=roots, found=found, scan=read, chosen=chosen, others=_others(read.plugins, chosen)
    )


def default_roots(session: Session, profile: Profile) -> list[Root]:
    """Return where a profile's plugins are by default: a project's in its environment, a user's in the user's tools.

    The system's plugins are only in the environments that its settings name.
    """
    if profile.kind == "system":
        return []
    if profile.project is not None:
        return project_roots(session.scope.environ, profile.project)
    return user_roots(session.scope.environ, home_directory_or_nowhere(session.scope.environ), sys.prefix)


def _one_each(
    plugins: Iterable[DiscoveredPlugin], given: Collection[str], lines: Collection[tuple[ImageName, str, Digest]]
) -> Iterable[DiscoveredPlugin]:
    """Return one plugin of each name.

    It is the one of a *given* environment, else the one with the most requests in the lock (*lines*), else the newest,
    else the first one found.
    """

    def rank(plugin: DiscoveredPlugin) -> tuple[bool, int]:
        locked = sum((r.name, plugin.name, r.hash) in lines for r in plugin.manifest.requests)
        return _is_in(plugin, given), locked

    best: dict[str, DiscoveredPlugin] = {}
    for plugin in plugins:
        known = best.get(plugin.name)
        if known is None or rank(plugin) > rank(known) or (rank(plugin) == rank(known) and _is_newer(plugin, known)):
            best[plugin.name] = plugin
    return [best[name] for name in sorted(best)]


def _others(plugins: Iterable[DiscoveredPlugin], chosen: Iterable[DiscoveredPlugin]) -> tuple[DiscoveredPlugin, ...]:
    """Return the plugins whose requests are not those of the *chosen* plugin of the same name."""
    by_name = {plugin.name: plugin for plugin in chosen}
    return tuple(p for p in plugins if p.manifest.requests != by_name[p.name].manifest.requests)


def _is_in(plugin: DiscoveredPlugin, given: Collection[str]) -> bool:
    return os.path.realpath(plugin.distribution.environment.path) in given


def _is_newer(plugin: DiscoveredPlugin, known: DiscoveredPlugin) -> bool:
    """Whether *plugin* is newer than *known*. A version that is not PEP 440 is older than any other."""
    if plugin.distribution.version == known.distribution.version:
        return False  # without the import, which takes longer than reading an environment
    from packaging.version import InvalidVersion, Version

    try:
        new = Version(plugin.distribution.version)
    except InvalidVersion:
        return False
    try:
        return new > Version(known.distribution.version)
    except InvalidVersion:
        return True

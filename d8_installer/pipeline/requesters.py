"""Who wants images in a profile: its own manifest, and the plugins of its environments. Resolves nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DiskError, DocumentError
from d8_installer.model.requirement import OTHER_MANIFEST, OWN_MANIFEST, needing_image
from d8_installer.model.resolution import KeptRequests, Wanted
from d8_installer.model.value import Struct, field, replace
from d8_installer.pipeline.hooked_manifests import hooked_manifests
from d8_installer.pipeline.plugin_search import GIVEN, REMEMBERED, search_plugins
from d8_installer.plugin.discovery import Scan
from d8_installer.plugin.environments import ACTIVE, Root, watched
from d8_installer.resolve.absent_manifest import seen_from_here
from d8_installer.resolve.dependencies import with_needs
from d8_installer.store import home_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from d8_installer.model.lock import Lock
    from d8_installer.model.manifest import Manifest
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session
    from d8_installer.plugin.discovery import DiscoveredPlugin
    from d8_installer.plugin.environments import Environment


_MANIFESTS = frozenset([OWN_MANIFEST, OTHER_MANIFEST])


class Requesters(Struct, frozen=True, kw_only=True):
    """Every requester of a profile, as it was read.

    - ``own``: the profile's manifest, or None.
    - ``plugins``: each name once; ``others``: plugins of the same names in other environments with other requests.
    - ``roots``: where plugins were searched; ``default_roots``: those that follow from environment variables alone.
    - ``watched``: the paths whose modification time changes when a plugin comes, goes or is changed.
    - ``gone``: plugins that are known to be uninstalled.
    - ``hooked``: the manifests that hooks add.
    - ``is_certain``: False if a hook that might add manifests could not be asked.
    - ``is_lasting``: False if hooks may answer differently next time although no file has changed.
    - ``is_elsewhere``: the lock's requests of ``d8.toml`` are not those of the manifest here, because there is none or
      because a rollback restored the lock.
    - ``program``: how a command that changes this profile begins.
    """

    own: Manifest | None
    plugins: tuple[DiscoveredPlugin, ...] = ()
    scan: Scan = field(default_factory=Scan)
    roots: tuple[Root, ...] = ()
    default_roots: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    gone: frozenset[str] = frozenset()
    hooked: Mapping[str, Manifest] = field(default_factory=dict)
    hook_problems: tuple[D8Error, ...] = ()
    others: tuple[DiscoveredPlugin, ...] = ()
    is_certain: bool = True
    is_lasting: bool = True
    is_elsewhere: bool = False
    program: str = "d8-installer"

    @property
    def problems(self) -> tuple[D8Error, ...]:
        """The errors of installed plugins whose manifests are left out."""
        return self.hook_problems + tuple(
            DocumentError(
                f"the plugin {b.distribution.name} {b.distribution.version} ({b.distribution.environment.manager})"
                f" is left out: {b.error}",
                hint=b.error.hint,
                code="plugin-left-out",
            )
            for b in self.scan.broken
        )

    def wanted(self, locked: Lock, own: Manifest | None = None, *, prune: bool = False) -> Wanted:
        """Return what all of them want, and what the lock says that it needs. *own* replaces the profile's manifest.

        The lock keeps the requests of absent requesters, unless *prune* (docs/explanation/profiles.md).
        """
        manifest = own if own is not None else self.own
        locked = seen_from_here(locked, manifest, is_elsewhere=self.is_elsewhere)
        requirements = manifest.requirements(OWN_MANIFEST) if manifest is not None else ()
        for plugin in self.plugins:
            requirements += plugin.manifest.requirements(plugin.name)
        for name, hooked in self.hooked.items():
            requirements += hooked.requirements(name)
        present = {plugin.name for plugin in self.plugins} | self.hooked.keys() | self.gone
        unread = {broken.distribution.name for broken in self.scan.broken} - present
        if not self.is_certain:
            unread |= {who for image in locked.images for who in image.plugins} - present - _MANIFESTS
            unread = {who for who in unread if needing_image(who) is None}
        present |= {OWN_MANIFEST} if manifest is not None else set()
        platforms = manifest.platforms if manifest is not None else ()
        wanted = Wanted(
            requirements=requirements,
            present=frozenset(present),
            locked=locked,
            platforms=platforms,
            program=self.program,
            kept=KeptRequests(absent=not prune, unread=frozenset(unread)),
        )
        return with_needs(wanted)


def gather(session: Session, workspace: Workspace, given: Iterable[str] = (), *, hooks: bool = True) -> Requesters:
    """Read the profile's manifest and the plugins of its environments, and of those at the paths *given*.

    Without *hooks*, no plugin's code is asked for manifests, and what it would ask for stays as it is locked.
    """
    search = search_plugins(session, workspace.profile, given, workspace.locked)
    files = [plugin.file for plugin in search.scan.plugins]
    own = workspace.manifest if workspace.manifest_text or os.path.exists(workspace.profile.manifest) else None
    requesters = Requesters(
        own=own,
        plugins=search.chosen,
        scan=search.scan,
        roots=tuple(search.roots),
        default_roots=tuple(root.path for root in search.defaults),
        watched=(*watched(search.roots, search.found), *files),
        is_elsewhere=own is None or _is_rolled_back(workspace),
        others=search.others,
        program=workspace.profile.program,
    )
    return _with_hooked(session, workspace.profile, requesters, hooks=hooks)


def _is_rolled_back(workspace: Workspace) -> bool:
    """Whether a rollback restored the lock, so that the manifest may not fit it.

    A generation newer than the active one shows that there was a rollback. A project's lock is never restored.
    """
    if workspace.profile.kind == "project":
        return False
    generations = workspace.generations
    try:
        active = generations.switch.active(generations.paths)
    except DiskError:  # a foreign file in its place is reported by the commands that write there
        return False
    return active is not None and active < max(generations.numbers(), default=active)


def _with_hooked(session: Session, profile: Profile, requesters: Requesters, *, hooks: bool) -> Requesters:
    """Return *requesters* with the manifests of hooks. A manifest that a plugin ships as data comes first."""
    if not session.scope.config.plugins:
        return requesters
    if not hooks or not session.plugins.any_enabled:
        return replace(requesters, is_certain=False, is_lasting=False)
    hooked = hooked_manifests(session, profile)
    shipped = {plugin.name for plugin in requesters.plugins}
    manifests = {name: manifest for name, manifest in hooked.manifests.items() if name not in shipped}
    problems = (*hooked.problems, *map(_shipped_too, sorted(hooked.manifests.keys() & shipped)))
    usable = not session.plugins.loaded.unusable and not problems
    return replace(
        requesters,
        hooked=manifests,
        hook_problems=problems,
        is_certain=usable,
        is_lasting=usable and not session.plugins.hooks.implements("d8_manifests", "d8_platforms"),
    )


def _shipped_too(name: str) -> DocumentError:
    return DocumentError(
        f"a hook adds a manifest for {name}, which ships one itself",
        hint="tell the author of the hook",
        code="plugin-left-out",
    )


def remember_environments(
    workspace: Workspace, requesters: Requesters, *, prune: bool, dry_run: bool = False
) -> set[str]:
    """Record the environments with plugins outside the default roots, so that later commands search them too.

    An environment without plugins is forgotten by *prune* only, which removes our link from it. Return those that are
    newly recorded or forgotten, or would be in a *dry_run*.
    """
    extra = {
        d.environment.path
        for d in (*(p.distribution for p in requesters.scan.plugins), *(b.distribution for b in requesters.scan.broken))
        if _is_extra(d.environment)
    }
    if not prune:
        extra |= {root.path for root in requesters.roots if root.manager == REMEMBERED and os.path.isdir(root.path)}
    paths = workspace.generations.paths
    extra = {path for path in extra if "\n" not in path}  # the file has one in each line
    changed = extra ^ set(home_state.load_environments(paths))
    if changed and not dry_run:
        home_state.save_environments(paths, sorted(extra))
    return changed


def _is_extra(environment: Environment) -> bool:
    """Whether the environment must be recorded: the active one too, because another may be active tomorrow."""
    return environment.manager in {GIVEN, REMEMBERED, ACTIVE}

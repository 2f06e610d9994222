"""A launcher's cold path: the profile gets what this one plugin wants, and nothing else of it is looked at.

So that a tool's first run depends on no other plugin's health, all other requesters stay as they are locked.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError, DiskError, DocumentError
from d8_installer.model.lock import Lock
from d8_installer.model.manifest import Manifest
from d8_installer.model.plan import Link
from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.model.resolution import LENIENT, KeptRequests, Wanted
from d8_installer.model.value import Struct, replace
from d8_installer.pipeline.apply import apply
from d8_installer.pipeline.change import Applied, Change, asked_by
from d8_installer.pipeline.contested import UnmetRequest, refuse_contested_verifiers, unmet_requests
from d8_installer.pipeline.ownership import refuse_program_of_another
from d8_installer.pipeline.plugin_search import default_roots
from d8_installer.pipeline.relock import relock
from d8_installer.pipeline.requesters import gather
from d8_installer.pipeline.scope import Options
from d8_installer.plugin.discovery import scan
from d8_installer.plugin.environments import Environment, environments, libraries_of, prefix_of
from d8_installer.plugin.launcher import PROFILE_LINK
from d8_installer.store import documents, home_state
from d8_installer.store.generations import file_name
from d8_installer.store.paths import Home, ProfilePaths, chosen_home, default_home, settings_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.model.requirement import Request
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.requesters import Requesters
    from d8_installer.pipeline.session import Session
    from d8_installer.plugin.discovery import DiscoveredPlugin


class Launch(Struct, frozen=True, kw_only=True):
    """A launcher's call: its request's hash (or ``-``), its binary, how it was called, its environment's prefix."""

    request: str
    binary: str
    argv0: str
    prefix: str


class Provided(Struct, frozen=True):
    """The file to become, and what was done for it in a few words (empty: nothing)."""

    path: str
    said: str = ""


def environment_of(argv0: str) -> str:
    """Return the prefix of the environment that a launcher lies in, a user site's too; else that of this Python.

    The two differ where the launcher had to take the d8-installer on PATH.
    """
    prefix = prefix_of(os.path.realpath(argv0))
    return prefix if any(libraries_of(prefix)) else sys.prefix


def find_ready(launch: Launch, environ: Mapping[str, str]) -> str | None:
    """Return the file if it is there already: another first run was quicker, or the launcher has no warm path.

    Raises NotAllowedError if it is another user's.
    """
    if len(launch.request) != 64 or not launch.request.isalnum():
        return None
    home, profile = _places(launch, environ)
    run = home.run(launch.request)
    name = _file_name(launch.binary)
    config_file = partial(settings_file, home, chosen_home(None, environ), environ)
    for path in (os.path.join(_requested(paths, launch.request), name) for paths in (profile, run)):
        if os.access(path, os.X_OK):
            refuse_program_of_another(home, environ, config_file, path)
            return path
    return None


def options_for(launch: Launch, environ: Mapping[str, str], directory: str) -> tuple[Options, str]:
    """Return the session's options and directory: for the project that the environment is linked to, or the user.

    The link names the home too, whatever the variables say now.
    """
    home, profile = _places(launch, environ)
    if os.path.basename(profile.root) == "user":
        return Options(profile="user"), directory
    return Options(profile="project", home=home.root), _project_of(profile) or directory


def provide(session: Session, launch: Launch) -> Provided:
    """Put the plugin's images in place and return the file that the launcher stands for.

    A plugin that cannot agree with those in the profile runs what it asked for from ``runs/``, outside the profile.
    Raises DocumentError where the environment holds no such plugin, and whatever resolving and fetching raise.
    """
    plugin, request = _find(launch)
    with session.profiles.writing(session.profiles.find(), frozen=True) as workspace:
        _remember(session, workspace, launch.prefix)
        requesters = gather(session, workspace)
        refuse_contested_verifiers(session, requesters)
        theirs = unmet_requests(plugin, requesters.plugins, workspace.locked)
        apart = next((one for one in theirs if one.request == request), None)
        if apart is None:
            change = _change(session, workspace, requesters, _without(plugin, theirs))
            applied = apply(
                session, workspace, replace(change, reason=f"first run of {launch.binary}", awaited=request.name)
            )
    if apart is not None:
        return _provide_apart(session, apart, launch.binary)
    path = os.path.join(_requested(workspace.generations.paths, request.hash.hex), _file_name(launch.binary))
    if os.path.exists(path):
        return Provided(path, _said(plugin, applied))
    for problem in applied.left_out:
        if not isinstance(problem, ConflictError):
            raise problem
    if not applied.left_out:
        raise DiskError(f"{path} is missing after it was placed", hint="run `d8-installer sync`")
    return _provide_apart(
        session, UnmetRequest(plugin=plugin, request=request, why=str(applied.left_out[0])), launch.binary
    )


def _provide_apart(session: Session, apart: UnmetRequest, binary: str) -> Provided:
    from d8_installer.pipeline.plugin_runs import provide_separately

    run = provide_separately(session, apart, binary)
    return Provided(run.path, f"{apart.why}; it runs apart from your profile")


def _without(plugin: DiscoveredPlugin, requests: tuple[UnmetRequest, ...]) -> DiscoveredPlugin:
    """Return *plugin* without the requests that are another environment's in the profile."""
    theirs = {one.request for one in requests}
    kept = tuple(request for request in plugin.manifest.requests if request not in theirs)
    return replace(plugin, manifest=replace(plugin.manifest, requests=kept))


def _find(launch: Launch) -> tuple[DiscoveredPlugin, Request]:
    """Return the plugin of the launcher's environment and its request: by hash, else (an edited manifest) by name."""
    read = scan([Environment(launch.prefix, "launcher's", tuple(libraries_of(launch.prefix)))])
    offers = [(plugin, request) for plugin in read.plugins for request in plugin.manifest.requests]
    for plugin, request in offers:
        if request.hash.hex == launch.request and launch.binary in dict(request.binaries):
            return plugin, request
    for plugin, request in offers:
        if launch.binary in dict(request.binaries):
            return plugin, request
    for broken in read.broken:
        raise broken.error
    raise DocumentError(
        f"no plugin in {launch.prefix} asks for {launch.binary[:100]!r}", hint="reinstall the plugin that ships it"
    )


def _change(session: Session, workspace: Workspace, requesters: Requesters, plugin: DiscoveredPlugin) -> Change:
    """Return the lock with what *plugin* wants in it, as far as those agree who are locked for the same images."""
    mine = plugin.manifest.requirements(plugin.name)
    names = {requirement.request.name for requirement in mine}
    before = workspace.locked
    shared = Lock.of([image for image in before.images if image.name in names], before.extra)
    own = _own(workspace)
    everybody = requesters.wanted(shared, own or Manifest()).requirements
    locked = {(image.name, who) for image in shared.images for who, _ in image.requests}
    theirs = tuple(r for r in everybody if r.requester != plugin.name and (r.request.name, r.requester) in locked)
    present = frozenset(r.requester for r in theirs) | {plugin.name}
    relocked = relock(
        session,
        Wanted(
            requirements=(*theirs, *mine),
            present=present,
            locked=shared,
            kept=KeptRequests(absent=True),
            strictness=LENIENT,
        ),
    )
    others = [image for image in before.images if image.name not in names]
    lock = Lock.of([*relocked.lock.images, *others], before.extra)
    asked = asked_by((*everybody, *mine)) | ({} if own is not None else _held(workspace))
    return Change(
        relocked=replace(relocked, lock=lock, text=lock.render()),
        reason="first run",
        problems=relocked.problems,
        asked=asked,
    )


def _own(workspace: Workspace) -> Manifest | None:
    """Return the profile's own manifest, or None where it cannot be read."""
    try:
        return documents.load_manifest(workspace.profile.manifest).value
    except DocumentError:
        return None


def _held(workspace: Workspace) -> dict[tuple[str, str], frozenset[str]]:
    """Return the names that own images have in ``bin``: a manifest that cannot be read loses none of them."""
    active = workspace.generations.active()
    own = {image.name for image in workspace.locked.images if image.is_own}
    placed = [p.placement for p in (active.placed if active is not None else ()) if p.placement.in_bin]
    return {(str(p.name), p.binary): frozenset([OWN_MANIFEST]) for p in placed if p.name in own}


def _remember(session: Session, workspace: Workspace, prefix: str) -> None:
    """Let later commands look into this environment, if they do not do so by themselves."""
    # The tool's own environment is the launcher's here, which says nothing of where other commands look.
    roots = [root for root in default_roots(session, workspace.profile) if root.path != sys.prefix]
    known = {os.path.realpath(environment.path) for environment in environments(roots)}
    paths = workspace.generations.paths
    remembered = home_state.load_environments(paths)
    if os.path.realpath(prefix) not in known and prefix not in remembered:
        home_state.save_environments(paths, sorted({*remembered, prefix}))


def _said(plugin: DiscoveredPlugin, applied: Applied) -> str:
    links = [step for step in applied.plan.steps if isinstance(step, Link)]
    new = [step.placement for step in links if step.replaces != step.placement.version]
    placed = [f"{placement.binary} {placement.version}" for placement in new]
    return f"installed {', '.join(placed)} for {plugin.name}" if placed else ""


def _places(launch: Launch, environ: Mapping[str, str]) -> tuple[Home, ProfilePaths]:
    """Return the home and the profile that the launcher's warm path looks in, by the same rule."""
    link = os.path.join(launch.prefix, PROFILE_LINK)
    if not os.path.islink(launch.argv0) and os.path.islink(link):
        profile = ProfilePaths(os.path.realpath(link))
        home = Home(os.path.dirname(os.path.dirname(profile.root)))
        if os.path.isfile(home.schema) and _project_of(profile) is not None:
            return home, profile
    home = Home(chosen_home(None, environ) or default_home(environ))
    return home, home.profile("user")


def _project_of(profile: ProfilePaths) -> str | None:
    project = home_state.load_project(profile)
    return project if project is not None and os.path.isfile(os.path.join(project, "d8.toml")) else None


def _requested(profile: ProfilePaths, request: str) -> str:
    return os.path.join(profile.current, "req", request)


def _file_name(binary: str) -> str:
    return file_name(binary, ".exe" if sys.platform == "win32" else "")

"""A launcher's first run: places the images that its plugin requests, and leaves all other requesters as locked.

So the first run of a tool does not depend on the state of other plugins.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError, DiskError, DocumentError
from d8_installer.model.lock import Lock
from d8_installer.model.manifest import Manifest
from d8_installer.model.plan import Link
from d8_installer.model.requirement import OWN_MANIFEST, needing_image
from d8_installer.model.resolution import LENIENT, KeptRequests, Wanted
from d8_installer.model.value import Struct, replace
from d8_installer.ops.ready_launch import find_request, place_of, project_of, requested_file
from d8_installer.pipeline.apply import apply
from d8_installer.pipeline.change import Applied, Change, asked_by
from d8_installer.pipeline.contested import UnmetRequest, refuse_contested_verifiers, unmet_requests
from d8_installer.pipeline.plugin_search import default_roots
from d8_installer.pipeline.relock import relock
from d8_installer.pipeline.requesters import gather
from d8_installer.pipeline.scope import Options
from d8_installer.plugin.environments import environments
from d8_installer.store import documents, home_state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.ops.ready_launch import Launch
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.relock import Relocked
    from d8_installer.pipeline.requesters import Requesters
    from d8_installer.pipeline.session import Session
    from d8_installer.plugin.discovery import DiscoveredPlugin


class Provided(Struct, frozen=True):
    """The file to execute, and what was done to provide it, in a few words ("" for nothing)."""

    path: str
    summary: str = ""


class LaunchSession(Struct, frozen=True):
    """The options and the working directory of the session that serves a launcher."""

    options: Options
    directory: str


def session_for(launch: Launch, environ: Mapping[str, str], directory: str) -> LaunchSession:
    """Return the session for the project that the launcher's environment is linked to, or for the user's profile.

    The link determines the home as well, whatever the variables say now.
    """
    place = place_of(launch, environ)
    if os.path.basename(place.profile.root) == "user":
        return LaunchSession(Options(profile="user"), directory)
    options = Options(profile="project", home=place.home.root)
    return LaunchSession(options, project_of(place.profile) or directory)


def provide(session: Session, launch: Launch) -> Provided:
    """Place the plugin's images and return the file that the launcher stands for.

    If the plugin's request conflicts with others in the profile, its image is resolved outside the profile, under
    ``runs/``. If the environment has no such plugin, raise DocumentError.
    """
    offer = find_request(launch)
    plugin, request = offer.plugin, offer.request
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
    path = requested_file(workspace.generations.paths, request.hash.hex, launch.binary)
    if os.path.exists(path):
        return Provided(path, _summary(plugin, applied))
    for problem in applied.left_out:
        if not isinstance(problem, ConflictError):
            raise problem
    if not applied.left_out:
        raise DiskError(f"{path} is missing after it was placed", hint="run `d8-installer sync`", code="program-gone")
    return _provide_apart(
        session, UnmetRequest(plugin=plugin, request=request, why=str(applied.left_out[0])), launch.binary
    )


def _provide_apart(session: Session, apart: UnmetRequest, binary: str) -> Provided:
    from d8_installer.pipeline.plugin_runs import provide_separately

    run = provide_separately(session, apart, binary)
    path = requested_file(run.paths, apart.request.hash.hex, binary)
    return Provided(path if os.path.exists(path) else run.path, f"{apart.why}; it runs apart from your profile")


def _without(plugin: DiscoveredPlugin, requests: tuple[UnmetRequest, ...]) -> DiscoveredPlugin:
    """Return *plugin* without those of its *requests* that the profile has from another environment."""
    contested_requests = {one.request for one in requests}
    kept = tuple(request for request in plugin.manifest.requests if request not in contested_requests)
    return replace(plugin, manifest=replace(plugin.manifest, requests=kept))


def _change(session: Session, workspace: Workspace, requesters: Requesters, plugin: DiscoveredPlugin) -> Change:
    """Return the change that locks what *plugin* requires, together with the other requesters of the same images."""
    required = plugin.manifest.requirements(plugin.name)
    names = {requirement.request.name for requirement in required}
    before = workspace.locked
    shared = Lock.of([image for image in before.images if image.name in names], before.extra)
    own = _own_manifest(workspace)
    every = requesters.wanted(shared, own or Manifest()).requirements
    locked = {(image.name, requester) for image in shared.images for requester, _ in image.requests}
    others = tuple(r for r in every if r.requester != plugin.name and (r.request.name, r.requester) in locked)
    relocked = _relocked(session, workspace, (*others, *required), names | _in_needs(before))
    touched = {image.name for image in relocked.lock.images}
    rest = [image for image in before.images if image.name not in touched and image.name not in names]
    lock = Lock.of([*relocked.lock.images, *rest], before.extra)
    asked = asked_by((*every, *required)) | ({} if own is not None else _names_of_own_images(workspace))
    return Change(
        relocked=replace(relocked, lock=lock, text=lock.render()),
        reason="first run",
        problems=relocked.problems,
        asked=asked,
    )


def _relocked(
    session: Session, workspace: Workspace, requirements: tuple[Requirement, ...], names: set[ImageName]
) -> Relocked:
    """Lock *requirements* beside the locked images *names*, and beside others that turn out to be needed.

    What is locked for others stays as it is, but for what the new images need.
    """
    before = workspace.locked
    asked = {requirement.request.name for requirement in requirements}
    images = [image for image in before.images if image.name in names]
    stays = ((image.name, who) for image in images if image.name not in asked for who, _ in image.requests)
    wanted = Wanted(
        requirements=requirements,
        present=frozenset(requirement.requester for requirement in requirements),
        locked=Lock.of(images, before.extra),
        kept=KeptRequests(absent=True, left_out=frozenset(one for one in stays if needing_image(one[1]) is None)),
        strictness=LENIENT,
    )
    relocked = relock(session, wanted, session.checks.choosing(workspace.profile))
    found = {image.name for image in relocked.lock.images if before.find(image.name) is not None}
    return relocked if found <= names else _relocked(session, workspace, requirements, names | found)


def _in_needs(lock: Lock) -> set[ImageName]:
    """Return the images that need others, and those that others need."""
    needing = {image.name for image in lock.images if image.needs or image.needs_if_present}
    return needing | {image.name for image in lock.images if any(map(needing_image, dict(image.requests)))}


def _own_manifest(workspace: Workspace) -> Manifest | None:
    """Return the profile's own manifest, or None if it cannot be read."""
    try:
        return documents.load_manifest(workspace.profile.manifest).value
    except DocumentError:
        return None


def _names_of_own_images(workspace: Workspace) -> dict[tuple[str, str], frozenset[str]]:
    """Return the names that images of the own manifest have in ``bin``, so that an unreadable manifest loses none."""
    active = workspace.generations.active()
    own = {image.name for image in workspace.locked.images if image.is_own}
    placed = [p.placement for p in (active.placed if active is not None else ()) if p.placement.in_bin]
    return {(str(p.name), p.binary): frozenset([OWN_MANIFEST]) for p in placed if p.name in own}


def _remember(session: Session, workspace: Workspace, prefix: str) -> None:
    """Record the environment for later commands, unless they look into it anyway."""
    # d8-installer runs from the launcher's environment here, which other commands may not.
    roots = [root for root in default_roots(session, workspace.profile) if root.path != sys.prefix]
    known = {os.path.realpath(environment.path) for environment in environments(roots)}
    paths = workspace.generations.paths
    remembered = home_state.load_environments(paths)
    if os.path.realpath(prefix) not in known and prefix not in remembered:
        home_state.save_environments(paths, sorted({*remembered, prefix}))


def _summary(plugin: DiscoveredPlugin, applied: Applied) -> str:
    links = [step for step in applied.plan.steps if isinstance(step, Link)]
    new = [step.placement for step in links if step.replaces != step.placement.version]
    placed = [f"{placement.binary} {placement.version}" for placement in new]
    return f"installed {', '.join(placed)} for {plugin.name}" if placed else ""

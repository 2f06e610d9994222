"""An image resolved once under ``runs/``, for ``run`` and for launchers of one plugin, and never placed in ``bin``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, MismatchError
from d8_installer.model.profile import Profile
from d8_installer.model.requirement import OWN_MANIFEST, Request
from d8_installer.pipeline.altered_files import altered_text
from d8_installer.pipeline.gate import PlacedProgram
from d8_installer.pipeline.ownership import refuse_program_of_another
from d8_installer.store import status
from d8_installer.store.generations import ProfileStore, file_name
from d8_installer.store.switch import switch_for_this_system

if TYPE_CHECKING:
    from collections.abc import Callable

    from d8_installer.model.generation import Generation
    from d8_installer.model.lock import LockedImage
    from d8_installer.pipeline.session import Session
    from d8_installer.store.paths import ProfilePaths

    Admit = Callable[[LockedImage], None]
    """Raises an error if an image may not run here."""


def installed_program(session: Session, active: Generation, binary: str, paths: ProfilePaths) -> PlacedProgram:
    """Return *binary* of a generation of the profile with *paths*.

    Refuse a program that another user or an update may have changed.
    """
    # A binary that is kept out of bin runs too: it was asked for by its name, and shadows nothing.
    placed = active.find(binary) or next((p for p in active.placed if p.placement.binary == binary), None)
    if placed is None:
        raise DiskError(f"the binary {binary!r} went missing", hint="run `d8-installer sync`", code="program-gone")
    name = file_name(binary, active.platform.executable_suffix)
    scope = session.scope
    path = scope.home.executable(placed.digest.hex, name)
    refuse_program_of_another(scope.home, scope.environ, lambda: scope.config_file, os.path.dirname(path), path)
    problem = status.altered(path, placed.size)
    if problem is not None and os.path.lexists(path):
        raise MismatchError(
            altered_text(placed, path, problem),
            hint="type `d8-installer verify --fix`, which puts back what was installed",
            code="altered-file",
        )
    return PlacedProgram(path=path, generation=active, placed=placed, paths=paths)


def image_program(
    session: Session, request: Request, binary: str, requester: str = OWN_MANIFEST, *, admit: Admit | None = None
) -> PlacedProgram:
    """Return *binary* of the request's image. The request is resolved once, and stays resolved under ``runs``.

    Errors name *requester*: the person's manifest, or a plugin. *admit* may refuse the image before it is fetched.
    """
    paths = session.scope.home.run(request.hash.hex)
    profile = Profile("run", "", "", paths.lock)
    generations = ProfileStore(paths, switch_for_this_system(), session.store)
    active = generations.active()
    if active is None:
        session.profiles.refuse_foreign(session.scope.home.root)
        with status.readable_by_all(wanted=session.scope.is_global), session.profiles.alone(paths):
            with session.profiles.switching():
                generations.recover()
            active = generations.active()
            if active is None:
                _install(session, profile, generations, request, requester, admit)
                active = generations.active()
    if active is None:
        raise DiskError(
            f"{paths.root} holds no generation after it was made", hint="remove that directory", code="program-gone"
        )
    stale = active.find(binary)
    if stale is not None and not os.path.exists(session.scope.home.executables(stale.digest.hex)):
        raise DiskError(
            f"the store no longer has {binary!r}",
            hint=f"remove {paths.root}, then type the same command again",
            code="program-gone",
        )
    return installed_program(session, active, binary, paths)


def _install(
    session: Session,
    profile: Profile,
    generations: ProfileStore,
    request: Request,
    requester: str,
    admit: Admit | None,
) -> None:
    """Resolve and place the image, without the plugins that it needs: it finds others in the person's profile alone."""
    # Imported here, because a binary that is in place already needs none of it.
    from d8_installer.model.manifest import Manifest
    from d8_installer.model.resolution import Wanted
    from d8_installer.pipeline.apply import apply
    from d8_installer.pipeline.change import Change, asked_by
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.relock import relock

    workspace = Workspace(
        profile=profile,
        generations=generations,
        manifest_text="",
        manifest=Manifest((request,)),
        lock_text="",
        lock=None,
    )
    requirements = workspace.manifest.requirements(requester)
    wanted = Wanted(requirements=requirements, present=frozenset([requester]), locked=workspace.locked)
    relocked = relock(session, wanted, session.checks.choosing(profile), alone=True)
    if admit is not None:
        for image in relocked.lock.images:
            admit(image)
    # A run's bin is on no PATH, so a plugin's names shadow nothing there.
    asked = asked_by(workspace.manifest.requirements(OWN_MANIFEST))
    apply(session, workspace, Change(relocked=relocked, reason=f"run {request.name}", asked=asked))

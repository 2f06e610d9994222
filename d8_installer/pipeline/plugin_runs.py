"""Plugins' requests that a profile's lock does not satisfy: each is resolved under ``runs/``, for its launchers alone.

Two environments may hold two versions of one plugin, and a plugin may want a version that others exclude. The profile
follows one of them. A launcher of the other looks in the profile, then under ``runs/``, and the profile does not change
for it. ``sync`` prepares such a run, and ``gc`` removes it when no plugin asks for it any more.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error
from d8_installer.model.shell_words import quoted
from d8_installer.pipeline.image_runs import image_program
from d8_installer.plugin.discovery import scan
from d8_installer.plugin.environments import Environment, libraries_of
from d8_installer.store import home_state
from d8_installer.store.paths import name_of_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d8_installer.pipeline.contested import UnmetRequest
    from d8_installer.pipeline.gate import PlacedProgram
    from d8_installer.pipeline.session import Session
    from d8_installer.store.paths import ProfilePaths


def provide_separately(session: Session, apart: UnmetRequest, binary: str) -> PlacedProgram:
    """Return *binary* of the request's run, which is made if it does not exist. Note for ``gc`` who asks for it.

    Raise whatever resolving and fetching raise.
    """
    paths = session.scope.home.run(apart.request.hash.hex)
    owners = home_state.load_environments(paths)
    is_ours = bool(owners) or not os.path.lexists(paths.current)
    run = image_program(session, apart.request, binary, apart.plugin.name)
    prefix = apart.plugin.distribution.environment.path
    if is_ours and prefix not in owners:  # a run that a person made by `run` stays theirs
        home_state.save_environments(paths, sorted({*owners, prefix}))
    return run


def prepare_runs(session: Session, requests: Iterable[UnmetRequest], *, dry_run: bool = False) -> tuple[D8Error, ...]:
    """Prepare the run of each request, with a note each. Return the errors of those that failed."""
    problems = []
    for apart in requests:
        try:
            if not dry_run:
                provide_separately(session, apart, apart.request.binaries[0][0])
        except D8Error as error:
            name = apart.plugin.name
            problems.append(error if name in error.message else error.within(f"{name} wants {apart.request.name}"))
            continue
        wants = f"{apart.plugin.name} in {apart.plugin.distribution.environment.path} wants {apart.request.name}"
        spec = apart.request.version.text
        session.reporter.note(f"{wants} {spec}, for its own launchers alone: {apart.why}{_other_way(apart)}")
    return tuple(problems)


def _other_way(apart: UnmetRequest) -> str:
    if not apart.can_follow:
        return ""
    path = apart.plugin.distribution.environment.path
    return f" (`d8-installer sync --env {quoted(path)}` makes it follow this one)"


def is_abandoned(paths: ProfilePaths) -> bool:
    """Whether a run was made for plugins, none of which asks for it any more."""
    prefixes = home_state.load_environments(paths)
    if not prefixes:
        return False
    found = [Environment(prefix, "", tuple(libraries_of(prefix))) for prefix in prefixes]
    wanted = {
        name_of_request(request.hash.hex) for plugin in scan(found).plugins for request in plugin.manifest.requests
    }
    return os.path.basename(paths.root) not in wanted

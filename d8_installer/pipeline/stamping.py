"""The stamp: what a sync saw, so that the next one can see at a glance that nothing has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.pipeline.beside import laid_out
from d8_installer.store import fs, stamp, trusted_directories
from d8_installer.store.generations import file_name
from d8_installer.store.store import Stored

if TYPE_CHECKING:
    from d8_installer.model.generation import Generation
    from d8_installer.model.plan import Plan
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.requesters import Requesters
    from d8_installer.pipeline.session import Session


def write_stamp(session: Session, workspace: Workspace, requesters: Requesters, plan: Plan, number: int | None) -> None:
    """Record what this sync saw; *number* is the active generation."""
    project = workspace.profile.project
    facts: dict[str, object] = {
        "generation": number,
        "platform": str(plan.platform),
        "skipped": [str(name) for name in plan.skipped],
        "withheld": sorted({placement.binary for placement in plan.withheld}),
        "roots": requesters.default_roots,
        "safe_by_settings": project is not None
        and trusted_directories.foreign_owner_of_project(project, session.scope.environ) is not None,
    }
    paths = workspace.generations.paths
    places = [*_places(session, workspace, plan, number), *requesters.watched]
    executables = [] if number is None else _executables(session, workspace, workspace.generations.load(number))
    executables += laid_out(workspace)
    text = stamp.seen(paths, _files(session, workspace), places, executables, facts)
    fs.replace_file(paths.stamp, text, durable=False)


def _files(session: Session, workspace: Workspace) -> list[str]:
    """Return the files whose bytes are compared."""
    environments = workspace.generations.paths.environments
    return [workspace.profile.manifest, workspace.profile.lock, session.scope.config_file, environments]


def _places(session: Session, workspace: Workspace, plan: Plan, number: int | None) -> list[str]:
    """Return the directories and files whose modification times are compared."""
    paths = workspace.generations.paths
    entry = [session.scope.home.bin] if workspace.profile.is_exposed else []
    record = [] if number is None else [paths.record(number)]
    requests = {paths.request(request.hex) for p in plan.target for request in p.requests}
    directories = [paths.bin, *([paths.requests] if requests else []), *sorted(requests)]
    return [*directories, *entry, *record, paths.layout, session.scope.home.schema]


def _executables(session: Session, workspace: Workspace, generation: Generation) -> list[str]:
    """Return the stored files and the wrappers of a generation, which must still be the same files."""
    generations = workspace.generations
    wrappers = [path for _, path in generations.wrappers(generations.paths.generation(generation.number), generation)]
    suffix = generation.platform.executable_suffix
    stored = [
        session.store.expected_path(Stored(placed.digest, placed.size), file_name(placed.placement.binary, suffix))
        for placed in generation.placed
    ]
    return [*stored, *wrappers]

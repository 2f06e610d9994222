"""``sync --to DIR``: the binaries of a lock as plain files in a directory, for container images and other machines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, UsageError
from d8_installer.model.executable import HEAD_BYTES, check_executable
from d8_installer.model.value import replace
from d8_installer.pipeline.admission import Gate
from d8_installer.pipeline.change import Applied, Change
from d8_installer.pipeline.fetch import fetch_all
from d8_installer.pipeline.situation import situation
from d8_installer.pipeline.spares import Spares
from d8_installer.pipeline.store_guard import all_stored
from d8_installer.pipeline.tag_memory import refuse_moved
from d8_installer.plan.plan import make_plan
from d8_installer.store import fs, stamp
from d8_installer.store.generations import file_name

if TYPE_CHECKING:
    from d8_installer.model.generation import Placement
    from d8_installer.model.plan import Plan
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session


def lay_out(session: Session, workspace: Workspace, change: Change, directory: str) -> Applied:
    """Copy every binary of the lock into *directory*, each replaced in one rename; other files there stay.

    The profile, its manifest and its lock are not changed.
    """
    refuse_moved(session, change.lock)
    plan = _plan(session, change)
    result = Applied(plan=plan, generation=None, bin=directory, profile=workspace.profile, dry_run=change.dry_run)
    if change.dry_run:
        return result
    target = [placement for placement in plan.target if placement.in_bin]
    names = [file_name(placement.binary, plan.platform.executable_suffix) for placement in target]
    for name in names:
        _refuse_foreign(session, os.path.join(directory, name))
    spares = Spares(change.lock, plan, change.asked)
    Gate(session, plan, None).admit(change.lock, spares)
    fetch_all(session, spares.rest(plan, None, session.store), spares=spares)
    plan = spares.rest(plan, None, session.store)
    target = [placement for placement in plan.target if placement.in_bin]
    names = [file_name(placement.binary, plan.platform.executable_suffix) for placement in target]
    result = replace(result, plan=plan, left_out=(*change.problems, *plan.problems))
    fs.make_directories(directory)
    with all_stored(session, plan, lambda: spares.rest(_plan(session, change), None, session.store)):
        files = [_stored(session, plan, placement, name) for placement, name in zip(target, names, strict=True)]
        for file, name in zip(files, names, strict=True):
            fs.copy_executable(file, os.path.join(directory, name))
    return result


def _stored(session: Session, plan: Plan, placement: Placement, name: str) -> str:
    """Return the stored executable, which must be the plan's platform's (MismatchError).

    It may have been fetched for another: a single ImageManifest is one file for all of them.
    """
    stored = session.store.path(session.store.members(placement.layer)[placement.member], name)
    what = f"{placement.member!r} of {placement.name} {placement.version}"
    check_executable(fs.read_head(stored, HEAD_BYTES), plan.platform, what)
    return stored


def _plan(session: Session, change: Change) -> Plan:
    """What is a command of this machine says nothing of the place that the directory is for."""
    start = situation(session, change)
    return make_plan(change.lock, replace(start, policy=replace(start.policy, shadowed=frozenset())))


def check_directory(session: Session, directory: str) -> str:
    """Return where ``--to`` leads; no name, or one inside the home (whose files are linked), is a UsageError.

    A file in the way is a DiskError.
    """
    if not directory:
        raise UsageError("--to needs a directory", hint="such as --to ./bin")
    path = os.path.abspath(os.path.join(session.scope.directory, directory))
    home = os.path.realpath(session.scope.home.root)
    if os.path.commonpath([home, os.path.realpath(path)]) == home:
        raise UsageError(
            f"{path} is inside the home", hint="--to is for plain files elsewhere; leave it out to sync here"
        )
    above = path
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if not os.path.isdir(above):
        raise DiskError(f"{above} is in the way: it is not a directory", hint="move it away, or name another with --to")
    return path


def _refuse_foreign(session: Session, path: str) -> None:
    """A file that this store never held was not laid out by us, and is somebody's."""
    mark = stamp.file_checksum(path)
    if mark is not None and not fs.list_directory(session.scope.home.executables(mark)):
        raise DiskError(f"{path} is in the way: it is not a binary of d8-installer", hint="move it away")

"""``sync --to DIR``: copies the binaries of a lock to a directory, for container images and other machines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, UsageError
from d8_installer.model.executable import HEAD_BYTES, check_executable
from d8_installer.model.plan import Link
from d8_installer.model.value import replace
from d8_installer.ops.output_file import is_inside, refuse_windows_names
from d8_installer.pipeline.admission import Admission
from d8_installer.pipeline.change import Applied, Change
from d8_installer.pipeline.dispensable import Dispensable
from d8_installer.pipeline.fetch import fetch_all
from d8_installer.pipeline.situation import situation
from d8_installer.pipeline.store_guard import all_stored
from d8_installer.pipeline.tag_memory import refuse_moved
from d8_installer.pipeline.unmet import admit_images
from d8_installer.plan.plan import make_plan
from d8_installer.store import fs, stamp
from d8_installer.store.generations import file_name

if TYPE_CHECKING:
    from d8_installer.model.generation import Placement
    from d8_installer.model.plan import Plan, Step
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session


def lay_out(session: Session, workspace: Workspace, change: Change, directory: str) -> Applied:
    """Copy every binary of the lock to *directory*, each in one rename, unless it is there. Other files there stay.

    The profile, its manifest and its lock do not change.
    """
    refuse_moved(session, change.lock)
    plan = _plan(session, change)
    result = Applied(plan=plan, generation=None, bin=directory, profile=workspace.profile, dry_run=change.dry_run)
    if change.dry_run:
        return replace(result, plan=_without(plan, _present(session, plan, directory)))
    for name in _by_file_name(plan):
        _refuse_foreign(session, os.path.join(directory, name))
    dispensable = Dispensable(change.lock, plan, change.asked)
    admit_images(session, change, plan, None, dispensable.leave_out)
    Admission(session, plan, None).admit(change.lock, dispensable)
    fetch_all(session, dispensable.rest(plan, None, session.store), dispensable=dispensable)
    plan = dispensable.rest(plan, None, session.store)
    fs.make_directories(directory)
    with all_stored(session, plan, lambda: dispensable.rest(_plan(session, change), None, session.store)):
        stored = {name: _stored(session, plan, placement, name) for name, placement in _by_file_name(plan).items()}
        present = _present(session, plan, directory)
        for name, file in stored.items():  # only now that each of them is known to be right
            if name not in present:
                fs.copy_executable(file, os.path.join(directory, name))
    return replace(result, plan=_without(plan, present), left_out=(*change.problems, *plan.problems))


def _present(session: Session, plan: Plan, directory: str) -> frozenset[str]:
    """Return the names in *directory* that are the binaries of *plan* already, as far as the store knows these."""
    found = []
    for name, placement in _by_file_name(plan).items():
        stored = session.store.members(placement.layer).get(placement.member)
        path = os.path.join(directory, name)
        if stored is not None and stamp.file_checksum(path) == stored.digest.hex and os.access(path, os.X_OK):
            found.append(name)
    return frozenset(found)


def _without(plan: Plan, present: frozenset[str]) -> Plan:
    """Return *plan* without the steps that put in place what is *present*."""
    suffix = plan.platform.executable_suffix

    def is_done(step: Step) -> bool:
        return isinstance(step, Link) and (
            not step.placement.in_bin or file_name(step.placement.binary, suffix) in present
        )

    return replace(plan, steps=tuple(step for step in plan.steps if not is_done(step)))


def _by_file_name(plan: Plan) -> dict[str, Placement]:
    suffix = plan.platform.executable_suffix
    return {file_name(placement.binary, suffix): placement for placement in plan.target if placement.in_bin}


def _stored(session: Session, plan: Plan, placement: Placement, name: str) -> str:
    """Return the stored executable. If it is for another platform than the plan's, raise MismatchError.

    It may have been fetched for another one: a single ImageManifest has one file for all platforms.
    """
    stored = session.store.path(session.store.members(placement.layer)[placement.member], name)
    what = f"{placement.member!r} of {placement.name} {placement.version}"
    check_executable(fs.read_head(stored, HEAD_BYTES), plan.platform, what)
    return stored


def _plan(session: Session, change: Change) -> Plan:
    """Return the plan without regard to commands of this machine, since the directory may be for another one."""
    start = situation(session, change)
    return make_plan(change.lock, replace(start, policy=replace(start.policy, shadowed=frozenset())))


def check_directory(session: Session, directory: str) -> str:
    """Return the absolute path of ``--to``. An empty name, or one inside the home, is a UsageError.

    A file in the way is a DiskError.
    """
    if not directory:
        raise UsageError("--to needs a directory", hint="such as --to ./bin")
    named = os.path.join(session.scope.directory, directory)
    refuse_windows_names(named, f"--to {directory}", "such as --to ./bin")
    path = os.path.abspath(named)
    home = os.path.realpath(session.scope.home.root)
    if is_inside(os.path.realpath(path), home):
        raise UsageError(
            f"{path} is inside the home", hint="--to is for plain files elsewhere; leave it out to sync here"
        )
    above = path
    while not os.path.lexists(above) and above != os.path.dirname(above):
        above = os.path.dirname(above)
    if not os.path.lexists(above):
        raise DiskError(f"there is no {above}", hint="name a directory on a drive that is there")
    if not os.path.isdir(above):
        raise DiskError(
            f"{above} is in the way: it is not a directory",
            hint="move it away, or name another with --to",
            code="in-the-way",
        )
    return path


def _refuse_foreign(session: Session, path: str) -> None:
    """Refuse to replace a file that is not in the store, since d8-installer did not put it there."""
    checksum = stamp.file_checksum(path)
    if checksum is not None and not fs.list_directory(session.scope.home.executables(checksum)):
        raise DiskError(
            f"{path} is in the way: it is not a binary of d8-installer", hint="move it away", code="in-the-way"
        )

"""``sync --to DIR``: the binaries of a lock as plain files in a directory, for container images and other machines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.ops.apply import Applied, Change, situation
from d8_installer.ops.fetch import fetch_all
from d8_installer.plan import make_plan
from d8_installer.store import fs
from d8_installer.store.profile import file_name

if TYPE_CHECKING:
    from d8_installer.ops.session import Session, Workspace


def lay_out(session: Session, workspace: Workspace, change: Change, directory: str) -> Applied:
    """Copy every binary of the lock into *directory*, each replaced in one rename; other files there stay.

    The profile, its manifest and its lock are not changed.
    """
    plan = make_plan(change.lock, situation(session, change.lock, None))
    result = Applied(plan, None, directory, str(workspace.profile), change.dry_run)
    if change.dry_run:
        return result
    fetch_all(session, plan)
    fs.make_directories(directory)
    for placement in plan.target:
        name = file_name(placement.binary, plan.platform.executable_suffix)
        stored = session.store.members(placement.layer)[placement.member]
        fs.copy_executable(session.store.path(stored, name), os.path.join(directory, name))
    return result

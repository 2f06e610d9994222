"""``add``: ``install`` for the project here; a directory without one becomes a project."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.ops.images.in_project import of_project
from d8_installer.ops.install import install

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.pipeline.change import Applied
    from d8_installer.pipeline.session import Session


def add(
    session: Session, requirements: Sequence[str], *, use_major: int | None = None, dry_run: bool = False
) -> Applied:
    """Put each ``NAME[SPEC]`` into the manifest of the nearest project, lock, and place everything.

    If no ``d8.toml`` is here or above, the working directory gets one, unless it is HOME or a root.
    """
    within = of_project(session, "add", "install", requirements, begins=True)
    manifest = within.profiles.find().manifest
    is_new = not os.path.lexists(manifest)
    applied = install(within, requirements, use_major=use_major, dry_run=dry_run, word="add")
    if is_new:
        session.reporter.note(f"{'would make' if dry_run else 'made'} {manifest}: no project was here or above")
    return applied

"""``remove``: ``uninstall`` for the project here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import UsageError
from d8_installer.model.shell_words import joined
from d8_installer.ops.images.in_project import of_project
from d8_installer.ops.uninstall import uninstall
from d8_installer.pipeline.other_profiles import project_here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.pipeline.change import Applied
    from d8_installer.pipeline.session import Session


def remove(session: Session, names: Sequence[str], *, dry_run: bool = False) -> Applied:
    """Take each image out of the manifest of the nearest project, and its binaries out of the project's ``bin``."""
    within = of_project(session, "remove", "uninstall", names)
    if project_here(within) is None:
        raise UsageError(
            f"no d8.toml in {session.scope.directory} or above it, so there is no project to remove from",
            hint=f"go to the project, or type `d8-installer uninstall {joined(names)}` for your own profile",
            code="no-project",
        )
    return uninstall(within, names, dry_run=dry_run, word="remove")

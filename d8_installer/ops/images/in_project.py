"""Shared by ``add`` and ``remove``: they mean the project here, as ``install`` and ``uninstall`` mean the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import UsageError
from d8_installer.model.shell_words import joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.pipeline.session import Session


def of_project(session: Session, verb: str, instead: str, names: Sequence[str], *, begins: bool = False) -> Session:
    """Return a session of the same command for the project here; with *begins*, the directory becomes one.

    Raise a UsageError if the person names another profile: there one types *instead* and the same *names*.
    """
    typed = session.scope.options.profile
    if typed not in (None, "project"):
        option, before = ("--user", "") if typed == "user" else ("--global", "--global ")
        raise UsageError(
            f"{verb} is about the project here, so {option} cannot be typed with it",
            hint=f"type `d8-installer {before}{instead} {joined(names)}`",
        )
    return session.with_scope(session.scope.with_options(profile="project", begins_project=begins))

"""What a person is told if a profile's binaries are not on PATH."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from d8_installer.pipeline.path_lookup import is_on_path, path_hint

if TYPE_CHECKING:
    from collections.abc import Callable

    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.session import Session


def say_path(session: Session, profile: Profile, directory: str, say: Callable[[str], None]) -> None:
    """If *directory*, which has the profile's binaries, is not on PATH, say how to put it there."""
    if not is_on_path(session, directory):
        say(f"{directory} is not on your PATH: {path_advice(session, profile)}")


def path_advice(session: Session, profile: Profile) -> str:
    """Return what to type to get the binaries of *profile* onto PATH, or where they are if ``ensurepath`` is done."""
    if profile.kind == "project" or not _is_ensured(session):
        return path_hint(session, profile)
    if sys.platform == "win32":
        return "open a new console, which has it"
    if session.scope.is_global:
        return "log in again: new login shells have it"
    return "open a new shell, which has it"


def _is_ensured(session: Session) -> bool:
    from d8_installer.ops.shell.ensurepath import is_ensured

    return is_ensured(session)

"""Installed programs that something else has changed, such as a program that updates itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.pipeline.ownership import other_owner_of_home
from d8_installer.store.status import UNEXECUTABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.generation import Generation, Placed
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.session import Session
    from d8_installer.store.generations import ProfileStore


def altered_text(placed: Placed, path: str, problem: str) -> str:
    """Return one clause: which program it is, how its file at *path* differs, and how it is updated."""
    placement = placed.placement
    is_wrapper = os.path.basename(os.path.dirname(path)) == "bin"  # which no program updates
    is_updated = problem != UNEXECUTABLE and not is_wrapper
    update = f" (to update it, type `d8-installer upgrade {placement.name}`)" if is_updated else ""
    return f"something else changed {placement.binary} {placement.version}: {path} {problem}{update}"


def altered_facts(generations: ProfileStore, active: Generation) -> tuple[tuple[str, str], ...]:
    """Return the binaries of a generation whose stored file was changed, and how. Missing files are left out."""
    return tuple(
        (placed.placement.binary, f"{path} {problem}")
        for placed, path, problem in altered_programs(generations, active)
        if os.path.lexists(path)
    )


def altered_programs(generations: ProfileStore, active: Generation) -> Iterator[tuple[Placed, str, str]]:
    """Yield the stored executables and the wrappers of a generation that were changed, and how they differ."""
    yield from generations.altered_executables(active)
    yield from generations.altered_wrappers(active)


def warn_of_altered(
    session: Session, profile: Profile, active: Generation, binary: str | None = None
) -> dict[Placed, str]:
    """Warn if the home belongs to another user, and of each stored file that was changed. Return these warnings.

    With *binary*, only that one counts.
    """
    owner = other_owner_of_home(session.scope.home, session.scope.environ, lambda: session.scope.config_file)
    if owner is not None:
        session.reporter.warn(f"{owner}, who can change every program in it")
    problems = {}
    for placed, path, problem in altered_programs(session.profiles.generations(profile), active):
        if binary in (None, placed.placement.binary):
            session.reporter.warn(altered_text(placed, path, problem))
            problems[placed] = problem
    return problems

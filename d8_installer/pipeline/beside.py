"""Whether the user's binaries are laid out for the Go tool as well. Only then ``d8_layout`` is imported."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import UsageError

if TYPE_CHECKING:
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.d8_layout import D8Layout
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session


def layout_of(session: Session, workspace: Workspace) -> D8Layout | None:
    """Return the layout that the profile has, or is to have; None for none.

    It has one if ``--layout`` is typed, if the settings say so, or if there is a record of one.
    """
    typed, configured = session.scope.options.layout, session.scope.config.layout
    if workspace.profile.kind != "user":
        if typed is not None:
            raise UsageError(
                f"only your own profile can be laid out for d8, and not {workspace.profile}",
                hint="type `d8-installer --user sync --layout d8`",
            )
        return None
    if os.name != "posix":
        if typed is not None:
            raise UsageError("what is laid out for d8 has symbolic links", hint="leave --layout out on this system")
        return None
    if typed is None and configured is None and not os.path.lexists(workspace.generations.paths.layout):
        return None
    if typed == "none" and configured is not None:
        raise UsageError(
            f'the settings say layout = "{configured}"', hint="type `d8-installer config unset layout` first"
        )
    from d8_installer.pipeline.d8_layout import D8Layout

    return D8Layout.of(session, workspace)


def recorded(session: Session, profile: Profile, *, ends: bool = False) -> D8Layout | None:
    """Return the layout of *profile* if it has one, with *ends* for its end."""
    generations = session.profiles.generations(profile)
    if profile.kind != "user" or not os.path.lexists(generations.paths.layout):
        return None
    from d8_installer.pipeline.d8_layout import D8Layout
    from d8_installer.pipeline.profile_access import Workspace

    return D8Layout.of(session, Workspace(profile=profile, generations=generations), ends=ends)


def ending(session: Session) -> D8Layout | None:
    """Return the layout of the user's profile, for its end; None if there is none."""
    return recorded(session, session.profiles.find(default="user"), ends=True)


def laid_out(workspace: Workspace) -> list[str]:
    """Return the files that are laid out, so that the next sync sees whether they still are."""
    path = workspace.generations.paths.layout
    if not os.path.lexists(path):
        return []
    from d8_installer.store.d8_layout import load_record

    record = load_record(path)
    return [] if record is None else [one.path for one in record.files]


def follow(session: Session, workspace: Workspace, number: int) -> None:
    """Lay out generation *number*, which has become active by a rollback, which a failure here does not undo."""
    from d8_installer.pipeline.activation import warned_of

    with warned_of("what is laid out for d8 is as before", session.reporter.warn):
        layout = layout_of(session, workspace)
        if layout is not None:
            layout.follow(workspace.generations.load(number))

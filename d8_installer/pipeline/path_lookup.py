"""What is on PATH, and how a person gets a profile's binaries onto it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from d8_installer.model.shell_words import quoted
from d8_installer.pipeline.parent_shell import shell_of_person
from d8_installer.pipeline.search_path import entries, first_command, has_entry, place, starts
from d8_installer.pipeline.shell_lines import evaluated
from d8_installer.store import status

if TYPE_CHECKING:
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.session import Session


def is_on_path(session: Session, directory: str) -> bool:
    """Whether *directory* is on PATH, under any name."""
    return has_entry(session.scope.environ.get("PATH", ""), directory)


def is_command_elsewhere(session: Session, binary: str) -> bool:
    """Whether PATH already has a command *binary*, not counting our ``bin`` and launchers of that name."""
    own, environ = place(session.scope.home.bin), session.scope.environ
    others = [entry for entry in entries(environ.get("PATH", "")) if place(entry) != own]
    found = first_command(binary, others, environ)
    return found is not None and not starts(found, binary)


def path_hint(session: Session, profile: Profile) -> str:
    """Return a hint that says what to type to get the binaries of *profile* onto PATH, for this home and shell."""
    return f"type {_typed_env(session) if profile.kind == 'project' else f'`{_typed_ensurepath(session)}`'}"


def _typed_env(session: Session) -> str:
    """Return what to type in the person's shell to put a project's binaries first on its PATH."""
    home = session.scope.options.home
    command = f"d8-installer --home {quoted(home)} env" if home else "d8-installer env"
    shell = shell_of_person(session.scope.environ)
    quote = "``" if shell == "tcsh" else "`"
    return f"{quote}{evaluated(shell, command)}{quote} in the project"


def _typed_ensurepath(session: Session) -> str:
    """Return what to type to put this home's ``bin`` on PATH."""
    return f"{called(session)} ensurepath"


def called(session: Session) -> str:
    """Return how a person calls d8-installer about this home, with sudo if it is the system's and not theirs."""
    if session.scope.is_global:
        needs_sudo = sys.platform != "win32" and not status.is_writable(session.scope.home.root)
        return f"{'sudo ' if needs_sudo else ''}d8-installer --global"
    home = session.scope.options.home
    return f"d8-installer --home {quoted(home)}" if home else "d8-installer"

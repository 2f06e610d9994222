"""``ensurepath``: puts ``bin`` at the end of PATH, in the start-up files of the person's shells or of the machine.

On Windows there are no such files: every console gets its PATH from the registry.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DiskError, NotAllowedError
from d8_installer.model.value import Struct
from d8_installer.ops.config import note_directories
from d8_installer.ops.shell.fish_paths import fills_fish_paths, leave_fish_paths
from d8_installer.ops.shell.start_up_files import ETC, StartUpFile, add_line, has_line, has_older_line, start_up_files
from d8_installer.pipeline.path_lookup import is_on_path
from d8_installer.pipeline.shell_lines import READ_PROFILE, by_hand, path_entry
from d8_installer.store.paths import home_directory, refuse_long_home

if TYPE_CHECKING:
    from d8_installer.pipeline.session import Session


class NotChanged(Struct, frozen=True):
    """A start-up file that could not be written, and why."""

    file: StartUpFile
    why: str


class OtherShell(Struct, frozen=True):
    """A shell whose start-up files ``ensurepath`` does not write, the line for them if it is known, and the error."""

    name: str
    line: str | None
    error: D8Error


class EnsuredPath(Struct, frozen=True, kw_only=True):
    """The result: the ``files`` that were changed (or would be), and whether PATH had the directory ``already``.

    ``not_changed`` are the files that could not be written. ``by_hand`` is set if ``ensurepath`` does not write the
    files of the person's shell.
    """

    directory: str
    files: tuple[str, ...]
    already: bool
    not_changed: tuple[NotChanged, ...] = ()
    by_hand: OtherShell | None = None
    errors: tuple[D8Error, ...] = ()
    dry_run: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        missing = [{"file": one.file.path, "why": one.why, "line": one.file.line} for one in self.not_changed]
        shell = None if self.by_hand is None else {"shell": self.by_hand.name, "line": self.by_hand.line}
        done = {
            "changed": bool(self.files),
            "dry_run": self.dry_run,
            "directory": self.directory,
            "files": list(self.files),
            "already": self.already,
        }
        return {**done, "not_changed": missing, "by_hand": shell}


def ensure_path(session: Session, *, dry_run: bool = False) -> EnsuredPath:
    """Append ``bin`` to the PATH of new consoles: the person's, or with ``--global`` the machine's.

    ``bin`` is appended, not prepended: a binary must not replace a command that exists already.
    """
    refuse_long_home(session.scope.home)
    directory = path_entry(session.scope.home.bin)
    if sys.platform == "win32":
        return _in_registry(session, directory, dry_run=dry_run)
    return _in_start_up_files(session, directory, dry_run=dry_run)


if sys.platform == "win32":
    from d8_installer.ops.shell.registry_path import RegistryPath, add_directory

    def _in_registry(session: Session, directory: str, *, dry_run: bool) -> EnsuredPath:
        """Append the directory to PATH in the registry, from which every new console has it."""
        already = is_on_path(session, directory)
        path = RegistryPath(session.scope.is_global, directory)
        files = (path.key,) if add_directory(path, dry_run=dry_run) else ()
        return EnsuredPath(directory=directory, files=files, already=already, dry_run=dry_run)


def is_ensured(session: Session) -> bool:
    """Whether ``ensurepath`` is done already, so that new shells have ``bin`` on PATH."""
    try:
        directory = path_entry(session.scope.home.bin)
        if sys.platform == "win32":
            return not add_directory(RegistryPath(session.scope.is_global, directory), dry_run=True)
        if not session.scope.is_global and _other_shell(session, directory) is not None:
            return False
        # One file is always wanted, and comes first: zsh is asked only after that one has the line.
        return all(has_line(file) for file in start_up_files(session, directory) if file.wanted)
    except D8Error:
        return False  # `ensurepath` says why


def _in_start_up_files(session: Session, directory: str, *, dry_run: bool) -> EnsuredPath:
    """Append the directory to PATH in the start-up files of the person's shells, or of the machine.

    A file that has the line does not change. A file that cannot be written is skipped, and named in ``errors``.
    """
    already = is_on_path(session, directory)
    session.profiles.refuse_foreign(ETC if session.scope.is_global else home_directory(session.scope.environ))
    if not dry_run:
        note_directories(session)
    files = list(start_up_files(session, directory))
    filled = fills_fish_paths(files)
    changed, not_changed, errors = list[str](), list[NotChanged](), list[D8Error]()
    for file in files:
        if file.wanted or has_older_line(file):
            try:
                changed += [file.path] if add_line(file, dry_run=dry_run) else []
            except (DiskError, NotAllowedError) as error:
                not_changed.append(NotChanged(file, error.message))
                errors.append(error.within(hint=f"add this line to it by hand: {file.line}"))
    other = None if already or session.scope.is_global else _other_shell(session, directory)
    errors += [] if other is None else [other.error]
    errors += leave_fish_paths(session, directory) if filled and not dry_run else ()
    if len(errors) == len(not_changed) == sum(file.wanted for file in files) == 1:
        raise errors[0]  # there is nothing else to report
    return EnsuredPath(
        directory=directory,
        files=tuple(changed),
        already=already,
        not_changed=tuple(not_changed),
        by_hand=other,
        errors=tuple(errors),
        dry_run=dry_run,
    )


def _other_shell(session: Session, directory: str) -> OtherShell | None:
    """Return the person's shell if its start-up files are not written."""
    shell = os.path.basename(session.scope.environ.get("SHELL", ""))
    if shell in READ_PROFILE or shell in {"csh", "tcsh", "fish", "zsh"}:
        return None
    found = by_hand(shell, directory)
    if found is None:
        hint = f"add {directory} to PATH in its start-up file by hand"
        error = D8Error(f"{shell[:100]!r} is not a shell that ensurepath knows", hint=hint, code="unknown-shell")
        return OtherShell(shell, None, error)
    file, line = found
    error = D8Error(
        f"{shell} is a shell that ensurepath does not write for",
        hint=f"add this line to {file}: {line}",
        code="unknown-shell",
    )
    return OtherShell(shell, line, error)

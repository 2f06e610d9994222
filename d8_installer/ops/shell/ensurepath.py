"""``ensurepath``: ``bin`` at the end of PATH, for every shell that a person (or everybody) starts from now on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DiskError, NotAllowedError, UsageError
from d8_installer.model.value import Struct
from d8_installer.ops.config import note_directories
from d8_installer.ops.shell.fish_paths import fills_fish_paths, leave_fish_paths
from d8_installer.ops.shell.start_up_files import ETC, StartUpFile, add_line, has_older_line, start_up_files
from d8_installer.pipeline.path_lookup import is_on_path
from d8_installer.pipeline.shell_lines import READ_PROFILE, by_hand, path_entry
from d8_installer.store.paths import home_directory

if TYPE_CHECKING:
    from d8_installer.pipeline.session import Session


class EnsuredPath(Struct, frozen=True, kw_only=True):
    """``files`` were changed; ``already``: PATH had the directory before.

    ``not_changed``: the files that could not be written, each with the reason and the line that belongs there.
    ``by_hand``: the person's shell, where ``ensurepath`` does not know it, and the line for it (None: not known).
    """

    directory: str
    files: tuple[str, ...]
    already: bool
    not_changed: tuple[tuple[StartUpFile, D8Error], ...] = ()
    by_hand: tuple[str, str | None] | None = None
    errors: tuple[D8Error, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        missing = [{"file": f.path, "why": error.message, "line": f.line} for f, error in self.not_changed]
        shell = None if self.by_hand is None else {"shell": self.by_hand[0], "line": self.by_hand[1]}
        done = {"directory": self.directory, "files": list(self.files), "already": self.already}
        return {**done, "not_changed": missing, "by_hand": shell}


def ensure_path(session: Session) -> EnsuredPath:
    """Append ``bin`` to PATH in the start-up files of the person's shells; said once, it is not said again.

    With ``--global`` in those of the machine, for everybody. A file that cannot be written is passed over, and told of
    in ``errors``. Appending, not prepending: a binary must not take the place of a command that is there already.
    """
    directory = path_entry(session.scope.home.bin)
    already = is_on_path(session, directory)
    if os.name != "posix":
        raise UsageError("ensurepath knows no start-up file of this system", hint=f"add {directory} to PATH by hand")
    session.profiles.refuse_foreign(ETC if session.scope.is_global else home_directory(session.scope.environ))
    note_directories(session)
    files = list(start_up_files(session, directory))
    filled = fills_fish_paths(files)
    changed, not_changed, errors = list[str](), list[tuple[StartUpFile, D8Error]](), list[D8Error]()
    for file in files:
        if file.wanted or has_older_line(file):
            try:
                changed += [file.path] if add_line(file) else []
            except (DiskError, NotAllowedError) as error:
                not_changed.append((file, error))
                errors.append(error.within(hint=f"add this line to it by hand: {file.line}"))
    by_hand = None if already or session.scope.is_global else _unknown_shell(session, directory)
    errors += [] if by_hand is None else [by_hand[1]]
    errors += leave_fish_paths(session, directory) if filled else ()
    if len(errors) == len(not_changed) == sum(file.wanted for file in files) == 1:
        raise errors[0]  # there is nothing else to tell
    unknown = None if by_hand is None else by_hand[0]
    return EnsuredPath(
        directory=directory,
        files=tuple(changed),
        already=already,
        not_changed=tuple(not_changed),
        by_hand=unknown,
        errors=tuple(errors),
    )


def _unknown_shell(session: Session, directory: str) -> tuple[tuple[str, str | None], D8Error] | None:
    """Return the name and the line of the person's shell, and what is said of it, if its files are not written."""
    shell = os.path.basename(session.scope.environ.get("SHELL", ""))
    if shell in READ_PROFILE or shell in {"csh", "tcsh", "fish", "zsh"}:
        return None
    found = by_hand(shell, directory)
    if found is None:
        hint = f"add {directory} to PATH in its start-up file by hand"
        return (shell, None), D8Error(f"{shell[:100]!r} is not a shell that ensurepath knows", hint=hint)
    file, line = found
    said = D8Error(f"{shell} is a shell that ensurepath does not write for", hint=f"add this line to {file}: {line}")
    return (shell, line), said

"""``ensurepath`` and ``env``: how ``bin`` gets onto PATH, for a person's shells and for one project."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d8_installer.errors import UsageError
from d8_installer.ops.start_up import add_line, start_up_files
from d8_installer.plugin.launcher import HEAD_BYTES, request_of
from d8_installer.store import fs

if TYPE_CHECKING:
    from d8_installer.ops.session import Session

SHELLS = ("bash", "zsh", "fish", "sh", "powershell", "direnv", "github")
"""Whose language ``env`` speaks; ``github``: the line that its file GITHUB_PATH wants."""


@dataclass(frozen=True, slots=True)
class EnsuredPath:
    """``files`` were changed; ``already``: PATH had the directory before."""

    directory: str
    files: tuple[str, ...]
    already: bool

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {"directory": self.directory, "files": list(self.files), "already": self.already}


@dataclass(frozen=True, slots=True)
class EnvLines:
    """Lines that a shell evaluates to have the profile's binaries first on PATH."""

    profile: str
    directory: str
    lines: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {"profile": self.profile, "directory": self.directory, "lines": list(self.lines)}


def ensure_path(session: Session) -> EnsuredPath:
    """Append ``bin`` to PATH in the start-up files of the person's shells; said once, it is not said again.

    Appending, not prepending: a binary must not take the place of a command that is there already (DESIGN, Trust).
    """
    directory = session.home.bin
    already = is_on_path(session, directory)
    if session.is_global:
        raise UsageError(
            "ensurepath writes into no start-up file for everybody",
            hint=f"write this line into /etc/profile.d/d8-installer.sh: {_last_on_path(directory)}",
        )
    if os.name != "posix":
        raise UsageError("ensurepath knows no start-up file of this system", hint=f"add {directory} to PATH by hand")
    changed = []
    for file in start_up_files(session, directory):
        if file.wanted:
            session.refuse_foreign(file.path)
            changed += [file.path] if add_line(file) else []
    return EnsuredPath(directory, tuple(changed), already)


def is_on_path(session: Session, directory: str) -> bool:
    """Whether PATH has *directory*, under whatever name."""
    wanted = os.path.realpath(directory)
    return any(
        os.path.realpath(entry) == wanted for entry in session.environ.get("PATH", "").split(os.pathsep) if entry
    )


def is_command_elsewhere(session: Session, binary: str) -> bool:
    """Whether *binary* already is a command on PATH, other than by our ``bin`` or by a launcher of that very name."""
    own = os.path.realpath(session.home.bin)
    entries = [entry for entry in session.environ.get("PATH", "").split(os.pathsep) if os.path.realpath(entry) != own]
    found = shutil.which(binary, path=os.pathsep.join(entries))
    if found is None:
        return False
    launched = request_of(fs.head(found, HEAD_BYTES))
    return launched is None or launched[0] != binary


def env_lines(session: Session, shell: str | None) -> EnvLines:
    """Return the lines that put the profile's ``bin`` first on PATH, in *shell*'s language (default: $SHELL's)."""
    profile = session.profile()
    paths = session.home.profile(profile.directory)
    chosen = shell or os.path.basename(session.environ.get("SHELL", "sh"))
    if chosen not in SHELLS:
        chosen = "sh"
    return EnvLines(str(profile), paths.bin, (_first_on_path(chosen, paths.bin),))


def _first_on_path(shell: str, directory: str) -> str:
    if shell == "fish":
        return f"set -gx PATH {_quote(directory)} $PATH"
    if shell == "direnv":
        return f"PATH_add {_quote(directory)}"
    if shell == "github":
        return directory
    if shell == "powershell":
        return f"$env:PATH = '{directory.replace(chr(39), chr(39) * 2)}' + [IO.Path]::PathSeparator + $env:PATH"
    return f'export PATH={_quote(directory)}:"$PATH"'


def _last_on_path(directory: str) -> str:
    return f'export PATH="$PATH":{_quote(directory)}'


def _quote(text: str) -> str:
    import shlex

    return shlex.quote(text)

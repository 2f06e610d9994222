"""``ensurepath`` and ``env``: how ``bin`` gets onto PATH, for a person's shells and for one project."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d8_installer.errors import UsageError
from d8_installer.plugin.launcher import HEAD_BYTES, request_of
from d8_installer.store import fs
from d8_installer.store.layout import home_directory

if TYPE_CHECKING:
    from d8_installer.ops.session import Session

_LIMIT = 4 << 20
_MARK = "# added by d8-installer ensurepath"
SHELLS = ("bash", "zsh", "fish", "sh", "powershell")


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
    if os.name != "posix":
        raise UsageError("ensurepath knows no start-up file of this system", hint=f"add {directory} to PATH by hand")
    changed = []
    for file, line in _start_up_files(session, directory):
        session.refuse_foreign(file)
        raw = fs.read(file, limit=_LIMIT)
        text = (raw or b"").decode("utf-8", "surrogateescape")
        if line not in text.splitlines():
            gap = "" if not text or text.endswith("\n") else "\n"
            mode = 0o644 if raw is None else os.stat(file).st_mode & 0o777
            data = f"{text}{gap}{_MARK}\n{line}\n".encode("utf-8", "surrogateescape")
            fs.replace_file(file, data, mode=mode)
            changed.append(file)
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


def _start_up_files(session: Session, directory: str) -> list[tuple[str, str]]:
    home = home_directory(session.environ)
    quoted = _quote(directory)
    line = f'export PATH="$PATH":{quoted}'
    shell = os.path.basename(session.environ.get("SHELL", ""))
    files = [(os.path.join(home, ".profile"), line)]
    if os.path.exists(os.path.join(home, ".bash_profile")):
        # A login bash that finds this file does not read .profile.
        files.append((os.path.join(home, ".bash_profile"), line))
    if shell == "bash" or os.path.exists(os.path.join(home, ".bashrc")):
        files.append((os.path.join(home, ".bashrc"), line))
    if shell == "zsh" or os.path.exists(os.path.join(home, ".zshrc")):
        files.append((os.path.join(session.environ.get("ZDOTDIR") or home, ".zshrc"), line))
    fish = os.path.join(session.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "fish")
    if shell == "fish" or os.path.isdir(fish):
        files.append((os.path.join(fish, "conf.d", "d8-installer.fish"), f"fish_add_path --append {quoted}"))
    return files


def _first_on_path(shell: str, directory: str) -> str:
    if shell == "fish":
        return f"set -gx PATH {_quote(directory)} $PATH"
    if shell == "powershell":
        return f"$env:PATH = '{directory.replace(chr(39), chr(39) * 2)}' + [IO.Path]::PathSeparator + $env:PATH"
    return f'export PATH={_quote(directory)}:"$PATH"'


def _quote(text: str) -> str:
    import shlex

    return shlex.quote(text)

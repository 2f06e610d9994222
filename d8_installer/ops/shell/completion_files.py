"""``completion --install``: puts the completion script where a person's shell reads it.

fish reads the file by itself. bash, zsh and PowerShell run it by a line in their start-up file; tcsh needs only a line.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, UsageError
from d8_installer.model.value import Struct
from d8_installer.ops.config import note_directories
from d8_installer.ops.shell.start_up_files import StartUpFile, add_line, has_line, run_commands_file
from d8_installer.store import fs
from d8_installer.store.paths import config_directory, home_directory, xdg_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from d8_installer.pipeline.session import Session

MARK = "completion of d8-installer"
"""What the first lines of every script have."""
TCSH_LINE = "complete d8-installer 'p@*@`d8-installer __complete tcsh`@'"
"""All that tcsh needs; it passes the command line in a variable."""
_HEAD = 200
_LIMIT = 1 << 20


class CompletionFiles(Struct, frozen=True):
    """The file of a shell's script, if it has one, and the line in a start-up file, if it needs one."""

    shell: str
    script: str | None = None
    start_up: StartUpFile | None = None


class InstalledCompletion(Struct, frozen=True):
    """The shell, and the files that were changed: none if everything was there."""

    shell: str
    files: tuple[str, ...]
    dry_run: bool

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {
            "shell": self.shell,
            "files": list(self.files),
            "changed": bool(self.files),
            "dry_run": self.dry_run,
        }


def completion_files(environ: Mapping[str, str]) -> Iterator[CompletionFiles]:
    """Yield the files of every shell for which a completion can be installed."""
    data = xdg_directory(environ, "XDG_DATA_HOME", ".local", "share")
    config = os.path.dirname(config_directory(environ))
    yield _run_by_line("bash", os.path.join(data, "bash-completion", "completions", "d8-installer"), environ)
    yield _run_by_line("zsh", os.path.join(data, "zsh", "site-functions", "_d8-installer"), environ)
    yield CompletionFiles("fish", os.path.join(config, "fish", "completions", "d8-installer.fish"))
    tcshrc = StartUpFile(path=run_commands_file(environ, "tcsh"), line=TCSH_LINE, command="completion")
    yield CompletionFiles("tcsh", None, tcshrc)
    script = os.path.join(config, "powershell", "d8-installer.ps1")
    named = script.replace("'", "''")
    profile = os.path.join(config, "powershell", "profile.ps1")
    line = f"if (Test-Path '{named}') {{ . '{named}' }}"
    start_up = StartUpFile(path=profile, line=line, command="completion")
    yield CompletionFiles("powershell", script, start_up)


def _run_by_line(shell: str, script: str, environ: Mapping[str, str]) -> CompletionFiles:
    path = shlex.quote(script)
    line = f"if [ -r {path} ]; then . {path}; fi"
    file = StartUpFile(path=run_commands_file(environ, shell), line=line, command="completion")
    return CompletionFiles(shell, script, file)


def install_completion(session: Session, shell: str, text: str, *, dry_run: bool) -> InstalledCompletion:
    """Write the script *text* for *shell*, and the line that runs it. What is there already does not change."""
    if sys.platform == "win32":
        raise UsageError(
            "on Windows, a completion is not installed by this command",
            hint="add this line to the file that $PROFILE names: "
            "`d8-installer completion powershell | Out-String | Invoke-Expression`",
        )
    environ = session.scope.environ
    (wanted,) = (one for one in completion_files(environ) if one.shell == shell)
    session.profiles.refuse_foreign(home_directory(environ))
    needs_script = wanted.script is not None and _needs_script(wanted.script, text)
    line = wanted.start_up
    needs_line = line is not None and not has_line(line)
    files = [*([line.path] if line is not None and needs_line else ()), *([wanted.script] if needs_script else ())]
    if files and not dry_run:
        note_directories(session)
        if line is not None and needs_line:
            add_line(line)
        if wanted.script is not None and needs_script:
            fs.replace_file(wanted.script, text.encode())
    return InstalledCompletion(shell, tuple(map(str, files)), dry_run)


def _needs_script(path: str, text: str) -> bool:
    """Whether the script has to be written; a file that another program wrote there is a DiskError."""
    before = fs.read(path, limit=_LIMIT)
    if before is not None and not is_ours(path):
        raise DiskError(f"{path} is not d8-installer's", hint="move it away, then type the same command again")
    return before != text.encode()


def is_ours(path: str) -> bool:
    """Whether the file is one of our scripts."""
    return MARK.encode() in fs.read_head(path, _HEAD)

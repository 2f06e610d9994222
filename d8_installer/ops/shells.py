"""How each shell says that a directory is on PATH, and which directory none of them can have there. Text only."""

from __future__ import annotations

import os
import shlex

from d8_installer.errors import ConfigError

SHELLS = ("bash", "zsh", "fish", "tcsh", "sh", "powershell", "direnv", "github")
"""Whose language ``env`` speaks; ``github``: the line that its file GITHUB_PATH wants."""


def path_entry(directory: str) -> str:
    """Return *directory* if it can be an entry of PATH; what would be read as two is a ConfigError."""
    for sign, name in ((os.pathsep, f"a {os.pathsep!r}"), ("\n", "a line end"), ("\r", "a line end")):
        if sign in directory:
            raise ConfigError(
                f"{directory!r} cannot be on PATH, for it has {name}",
                hint="choose another home with --home DIR, or D8_INSTALLER_HOME",
            )
    return directory


def shell_of(program: str) -> str:
    """Return the language of the shell whose program is *program*; one that we do not know is taken for a POSIX one."""
    name = os.path.basename(program)
    return "tcsh" if name == "csh" else name if name in SHELLS else "sh"


def first_on_path(shell: str, directory: str) -> str:
    """Return the line by which *shell* has *directory* first on PATH."""
    if shell == "fish":
        return f"set -gx PATH {fish_quoted(directory)} $PATH"
    if shell == "tcsh":
        return f'setenv PATH {csh_quoted(directory)}:"${{PATH}}"'
    if shell == "direnv":
        return f"PATH_add {shlex.quote(directory)}"
    if shell == "github":
        return directory
    if shell == "powershell":
        return f"$env:PATH = '{directory.replace(chr(39), chr(39) * 2)}' + [IO.Path]::PathSeparator + $env:PATH"
    return f'export PATH={shlex.quote(directory)}:"$PATH"'


def last_on_path(shell: str, directory: str) -> str:
    """Return the line by which a start-up file of *shell* appends *directory* to PATH."""
    if shell == "fish":
        return f"fish_add_path --append {fish_quoted(directory)}"
    if shell == "tcsh":
        return f'setenv PATH "${{PATH}}":{csh_quoted(directory)}'
    return f'export PATH="$PATH":{shlex.quote(directory)}'


def fish_quoted(text: str) -> str:
    """Quote for fish, which reads backslashes within single quotes, too (fish's language, Quotes)."""
    return text if shlex.quote(text) == text else "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def csh_quoted(text: str) -> str:
    """Quote for csh, which reads ``!`` within quotes, too (tcsh(1), History substitution)."""
    return shlex.quote(text).replace("!", "\\!")

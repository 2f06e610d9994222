"""The lines that put a directory on PATH, for each shell. Text only."""

from __future__ import annotations

import os
import shlex

from d8_installer.errors import ConfigError

SHELLS = ("bash", "zsh", "fish", "tcsh", "sh", "powershell", "cmd", "direnv", "github")
"""The shells that ``env`` knows; ``github`` is the format of the file GITHUB_PATH."""


READ_PROFILE = frozenset(["", "sh", "ash", "bash", "dash", "ksh", "ksh93", "lksh", "mksh", "oksh", "yash"])
"""The shells that read ``.profile`` at login; an empty SHELL counts as one."""


def path_entry(directory: str) -> str:
    """Return *directory* if it can be an entry of PATH; raise ConfigError if it would be read as two entries."""
    for sign, name in ((os.pathsep, f"a {os.pathsep!r}"), ("\n", "a line end"), ("\r", "a line end")):
        if sign in directory:
            raise ConfigError(
                f"{directory!r} cannot be on PATH, because it has {name}",
                hint="choose another home with --home DIR, or D8_INSTALLER_HOME",
                code="bad-home-path",
            )
    return directory


def shell_of(program: str) -> str:
    """Return which of SHELLS the program *program* is; an unknown one counts as a POSIX shell."""
    name = os.path.basename(program)
    return "tcsh" if name == "csh" else name if name in SHELLS else "sh"


def first_on_path(shell: str, directory: str) -> str:
    """Return the line that puts *directory* first on PATH in *shell*."""
    if shell == "github":
        return directory
    if shell == "powershell":
        return f"$env:PATH = {_in_single_quotes(directory)} + [IO.Path]::PathSeparator + $env:PATH"
    if shell == "cmd":
        return f'set "PATH={directory};%PATH%"'
    if shell == "fish":
        return f"set -gx PATH {fish_quoted(directory)} $PATH"
    if shell == "tcsh":
        return f'setenv PATH {csh_quoted(directory)}:"${{PATH}}"'
    if shell == "direnv":
        return f"PATH_add {shlex.quote(directory)}"
    return f'export PATH={shlex.quote(directory)}"${{PATH:+:${{PATH}}}}"'


def evaluated(shell: str, command: str) -> str:
    """Return what to type in *shell* so that it evaluates what *command* prints."""
    if shell == "fish":
        return f"{command} | source"
    if shell == "tcsh":
        return f"eval `{command}`"
    if shell == "powershell":
        return f"{command} | Out-String | Invoke-Expression"
    if shell == "cmd":
        return f"for /f \"delims=\" %i in ('{command}') do @call %i"
    return f'eval "$({command})"'


def last_on_path(shell: str, directory: str) -> str:
    """Return the line for a start-up file of *shell* that adds *directory* at the end of PATH unless it is on it.

    The line may run several times: nested shells read the file again, and several files may have it.
    """
    if shell == "fish":
        quoted = fish_quoted(directory)
        has_it = f"contains -- {quoted} $PATH; or contains -- {fish_quoted(f'{directory}/')} $PATH"
        return f"{has_it}; or set -gx PATH $PATH {quoted}"
    if shell == "tcsh":
        return _last_in_csh(directory)
    quoted = shlex.quote(directory)
    has_it = f"*:{quoted}:*|*:{shlex.quote(f'{directory}/')}:*"
    return f'case ":${{PATH}}:" in {has_it}) ;; *) export PATH="${{PATH:+${{PATH}}:}}"{quoted} ;; esac'


def _last_in_csh(directory: str) -> str:
    """Return the line for tcsh and csh.

    tcsh expands wildcards within quotes as well, but its ``set -f`` drops a word that is there already; csh has no such
    option.
    """
    lacks_it = " && ".join(f'"x:${{PATH}}:" !~ *{csh_quoted(f":{way}:")}*' for way in (directory, f"{directory}/"))
    appended = f'setenv PATH "${{PATH}}":{csh_quoted(directory)}'
    if not set("*?[]{}") & set(directory):
        return f"if ( {lacks_it} ) {appended}"
    in_tcsh = f"if ( $?tcsh ) set -f path = ( $path:q {csh_quoted(directory)} )"
    return f"{in_tcsh}; if ( ! $?tcsh && {lacks_it} ) {appended}"


def older_last_on_path(shell: str, directory: str) -> str:
    """Return the line that earlier versions wrote instead of ``last_on_path``."""
    if shell == "fish":
        return f"fish_add_path --append {fish_quoted(directory)}"
    if shell == "tcsh":
        return f'setenv PATH "${{PATH}}":{csh_quoted(directory)}'
    return f'export PATH="$PATH":{shlex.quote(directory)}'


def by_hand(shell: str, directory: str) -> tuple[str, str] | None:
    """Return the start-up file and the line for a *shell* whose files we do not edit; None for an unknown shell."""
    in_double_quotes = '"' + directory.replace("\\", "\\\\").replace('"', '\\"') + '"'
    ways = {
        "nu": ("config.nu", f"$env.PATH = ($env.PATH | split row (char esep) | append {in_double_quotes} | uniq)"),
        "xonsh": ("~/.xonshrc", f"$PATH.add({directory!r})"),
        "elvish": ("~/.config/elvish/rc.elv", f"set paths = [$@paths {_in_single_quotes(directory)}]"),
        "pwsh": ("$PROFILE", f"$env:PATH += [IO.Path]::PathSeparator + {_in_single_quotes(directory)}"),
    }
    return ways.get(shell)


def fish_quoted(text: str) -> str:
    """Quote for fish, which reads backslashes within single quotes as well (fish's language, Quotes)."""
    return text if shlex.quote(text) == text else "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def csh_quoted(text: str) -> str:
    """Quote for csh, which reads ``!`` within quotes as well (tcsh(1), History substitution)."""
    return shlex.quote(text).replace("!", "\\!")


def _in_single_quotes(text: str) -> str:
    """Quote for PowerShell and Elvish, which read a doubled quote as one."""
    return "'" + text.replace("'", "''") + "'"

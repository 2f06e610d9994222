"""The lines of ``env`` on Windows, in ASCII: a program writes to a pipe in one encoding, and each shell reads another.

Python writes in the ANSI code page, cmd.exe and PowerShell read in the OEM one, Git Bash reads UTF-8. Text only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.pipeline.shell_lines import first_on_path

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDERS = ("LOCALAPPDATA", "APPDATA", "PROGRAMDATA", "USERPROFILE")
"""Variables that a home may be below; a longer path comes before a shorter one."""


def first_on_windows_path(shell: str, directory: str, environ: Mapping[str, str]) -> str:
    """Return the line that puts *directory* first on PATH in *shell*."""
    if shell == "github":  # GitHub reads that file as UTF-8, whichever shell writes it
        return first_on_path(shell, directory)
    if shell == "cmd":
        return first_on_path(shell, _in_cmd(directory, environ))
    line = first_on_path(shell, directory if shell == "powershell" else in_git_bash(directory))
    return re.sub(r"[^\x00-\x7f]+", lambda found: _escaped(found[0], shell), line)


def in_git_bash(directory: str) -> str:
    r"""Return how Git Bash and MSYS2 spell a directory: ``C:\x`` is ``/c/x``.

    In their PATH a ``:`` separates entries (MSYS2's documentation, Filesystem Paths).
    """
    drive = re.match(r"([A-Za-z]):(?=[\\/])", directory)
    below = directory.replace("\\", "/")
    return below if drive is None else f"/{drive[1].lower()}{below[drive.end() :]}"


def _escaped(text: str, shell: str) -> str:
    """Return how *text*, which is not ASCII, is written within single quotes; such text is always in them."""
    if shell == "powershell":  # about_Type_Conversion; a [char] is a unit of UTF-16
        raw = text.encode("utf-16-be", "surrogatepass")
        return "".join(f"' + [char]0x{raw[at : at + 2].hex()} + '" for at in range(0, len(raw), 2)).replace("'' + ", "")
    if shell == "fish":
        return "'" + "".join(f"\\U{ord(sign):08x}" for sign in text) + "'"
    if shell == "tcsh":
        return text
    return "'$'" + "".join(f"\\x{byte:02x}" for byte in text.encode("utf-8", "surrogatepass")) + "''"


def _in_cmd(directory: str, environ: Mapping[str, str]) -> str:
    """Return how cmd.exe reads a directory, below a variable if it can be named in no other way.

    Neither ``%`` nor ``^`` can be written so that ``call`` leaves it one (cmd's help, ``call /?``).
    """
    start, rest = "", directory
    if not directory.isascii():
        for name in _FOLDERS:
            folder = environ.get(name, "")
            if folder and directory.startswith(f"{folder}\\"):
                start, rest = f"%{name}%", directory[len(folder) :]
                break
    bad = next((sign for sign in rest if sign in "%^" or not sign.isascii()), None)
    if bad is not None:
        raise ConfigError(
            f"{directory} cannot be in a line for cmd, because it has a {bad!r}",
            hint="use PowerShell (`--shell powershell`), or choose another home with --home DIR",
            code="bad-home-path",
        )
    return start + rest

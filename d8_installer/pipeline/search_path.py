"""PATH as systems read it: its entries, whether a directory is one of them, and which file a command's name means.

On Windows entries are separated by ``;``, may be in quotes, may end in a backslash and have any case, and the
extensions in PATHEXT decide which files are commands (``model.windows_program``).
"""

from __future__ import annotations

import os
import sys

from d8_installer.plugin.launcher import HEAD_BYTES, read_launcher
from d8_installer.store import fs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_CONSOLE_SCRIPT = b"d8_installer.launch"
"""What the program has in it that pip, pipx or uv makes on Windows in the place of a launcher."""
_CONSOLE_SCRIPT_BYTES = 1 << 20


def entries(path: str, separator: str = os.pathsep) -> list[str]:
    """Return the directories of a PATH. Empty entries are left out, and quotes removed where the system does so."""
    if separator == ":":
        return [entry for entry in path.split(":") if entry]
    from d8_installer.model.windows_program import path_entries

    return path_entries(path)


def place(directory: str) -> str:
    """Return what is equal for all spellings of one directory: its real path, in one case where case does not count."""
    return os.path.normcase(os.path.realpath(directory))


def has_entry(path: str, directory: str) -> bool:
    """Whether *directory* is an entry of the PATH *path*, under any name."""
    wanted = place(directory)
    return any(place(entry) == wanted for entry in entries(path))


def first_command(name: str, directories: Iterable[str], environ: Mapping[str, str]) -> str | None:
    """Return the file that a shell runs for the command *name* (a name without extension), or None.

    Windows's current directory is not looked at: what is in it says nothing about PATH.
    """
    extensions = _extensions(environ)
    files = (os.path.join(directory, name + extension) for directory in directories for extension in extensions)
    return next(filter(is_command, files), None)


def program_on_path(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the program *name* on PATH, or None.

    On Windows ``shutil.which`` looks into the current directory first, which may be another person's clone.
    """
    if sys.platform == "win32":
        return first_command(name, entries(environ.get("PATH", "")), environ)
    import shutil

    return shutil.which(name, path=environ.get("PATH", os.defpath))


def is_command(file: str) -> bool:
    """Whether *file* is a file that this user may execute."""
    return os.path.isfile(file) and os.access(file, os.X_OK)


def command_name(file_name: str) -> str:
    """Return what a person types for a file in ``bin``."""
    if sys.platform == "win32" and file_name.lower().endswith(".exe"):
        return file_name[: -len(".exe")]
    return file_name


def _extensions(environ: Mapping[str, str]) -> Sequence[str]:
    if sys.platform == "win32":
        from d8_installer.model.windows_program import extensions

        return extensions(environ)
    return [""]


def starts(file: str, binary: str) -> bool:
    """Whether *file*, found as a command of that name, is a launcher of *binary*."""
    head = fs.read_head(file, HEAD_BYTES)
    if sys.platform == "win32" and head.startswith(b"MZ"):
        return _CONSOLE_SCRIPT in fs.read_head(file, _CONSOLE_SCRIPT_BYTES)
    launched = read_launcher(head)
    return launched is not None and launched.binary == binary

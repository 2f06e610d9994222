"""Which shell a person types in. On Windows no variable says so; there the programs that started this one do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from d8_installer.pipeline.shell_lines import shell_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def shell_of_person(environ: Mapping[str, str]) -> str:
    """Return the person's shell, one of SHELLS: by $SHELL; on Windows the nearest one that started this process."""
    if sys.platform == "win32":
        return _nearest_shell()
    return shell_of(environ.get("SHELL", "sh"))


if sys.platform == "win32":
    import os

    from d8_installer.store.windows_processes import running_processes

    _SHELLS = {
        "powershell": "powershell",
        "pwsh": "powershell",
        "cmd": "cmd",
        "bash": "bash",
        "zsh": "zsh",
        "fish": "fish",
        "tcsh": "tcsh",
        "sh": "sh",
        "dash": "sh",
    }

    def _nearest_shell() -> str:
        found = (_SHELLS.get(name.lower().removesuffix(".exe")) for name in _programs_above())
        return next(filter(None, found), "powershell")

    def _programs_above() -> Iterator[str]:
        """Yield the file name of each program above this process, the nearest first.

        A parent may have ended, and its number may be another process's now: then what is found is a guess.
        """
        known = running_processes()
        process = known.pop(os.getpid(), None)
        while process is not None and (process := known.pop(process.parent, None)) is not None:
            yield process.program

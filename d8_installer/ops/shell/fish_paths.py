"""Removes ``bin`` from fish_user_paths, where the line of earlier versions of ``ensurepath`` put it.

That list is a universal variable of fish: it comes before PATH and outlives the line that wrote it. Only fish itself
can change it while fish is running, so fish is run to do so.
"""

from __future__ import annotations

import os
from shutil import which
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error
from d8_installer.ops.shell.start_up_files import has_older_line
from d8_installer.pipeline.shell_lines import fish_quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from d8_installer.ops.shell.start_up_files import StartUpFile
    from d8_installer.pipeline.session import Session

_SECONDS = 20.0


def fills_fish_paths(files: Iterable[StartUpFile]) -> bool:
    """Whether one of the start-up files has the line that adds to fish_user_paths."""
    return any(file.path.endswith(".fish") and has_older_line(file) for file in files)


def leave_fish_paths(session: Session, directory: str) -> Sequence[D8Error]:
    """Remove *directory* from fish_user_paths, after the line that put it there is gone. Return the errors."""
    rest = f"(string match -v -- {fish_quoted(directory)} $fish_user_paths)"
    typed = f"set -U fish_user_paths {rest}; count $fish_user_paths >/dev/null; or set -Ue fish_user_paths"
    program = which("fish", path=session.scope.environ.get("PATH", os.defpath))
    if program is not None:
        import subprocess

        environ = {name: value for name, value in session.scope.environ.items() if name != "D8_RPP_TOKEN"}
        try:
            done = subprocess.run(
                [program, "-c", typed],
                check=False,
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
            )
            if done.returncode == 0:
                return ()
        except (OSError, subprocess.TimeoutExpired):
            pass  # the person can do it, as if there were no fish
    return (D8Error(f"fish_user_paths may still have {directory}", hint=f"type this in fish: {typed}"),)

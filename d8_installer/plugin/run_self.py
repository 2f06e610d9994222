"""Runs this d8-installer from inside another program: the hooks of package managers and build back ends use it.

It runs as a process of its own, so that the other program imports nothing of ours and does not fail with us.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

_BUG = 70
_CODE = (
    "import sys; ours = sys.argv.pop(1); ours in sys.path or sys.path.append(ours); "
    "from d8_installer.cli.main import main; sys.exit(main())"
)
"""The first argument is our library: plugins of PDM and Poetry projects are in a directory that no Python searches."""
_LIBRARY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class ToolFailure(Struct, frozen=True):
    """One error of a command: the code that ``d8-installer help CODE`` explains, the message, and the hint or ""."""

    code: str
    message: str
    hint: str = ""


class ToolResult(Struct, frozen=True):
    """The result of a command: its exit code, the envelope's ``data``, and its errors."""

    exit_code: int
    data: Mapping[str, object]
    errors: tuple[ToolFailure, ...] = ()


def run_tool(*arguments: str, directory: str | None = None) -> ToolResult:
    """Run ``d8-installer ARGUMENTS --json -q`` in *directory* and return its result. Warnings go to our stderr.

    A command that fails does not raise. One that prints no envelope has the exit code 70 and an error that says so.
    """
    # -P and not -I: d8-installer may be in a user site, but no module may come from the working directory.
    command = [sys.executable, "-P", "-c", _CODE, _LIBRARY, *arguments, "--json", "--quiet"]
    done = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    try:
        envelope = json.loads(done.stdout)
        errors = tuple(map(_failure, envelope["errors"]))
        return ToolResult(done.returncode, dict(envelope["data"]), errors)
    except (ValueError, KeyError, TypeError):
        ended = ToolFailure("bug", f"d8-installer ended with {done.returncode}")
        return ToolResult(done.returncode or _BUG, {}, (ended,))


def _failure(error: Mapping[str, object]) -> ToolFailure:
    return ToolFailure(str(error["code"]), str(error["message"]), str(error["hint"] or ""))

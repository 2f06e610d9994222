"""Running this very d8-installer from inside another program: what hooks of package managers and build back ends use.

A process of its own, so that nothing of ours is imported into theirs and no failure of ours is theirs.
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
_START = (
    "import sys; ours = sys.argv.pop(1); ours in sys.path or sys.path.append(ours); "
    "from d8_installer.cli.main import main; sys.exit(main())"
)
"""PDM's and Poetry's project plugins lie in a directory that no Python knows by itself: it is the first argument."""
_OURS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class ToolResult(Struct, frozen=True):
    """How a command ended: its exit code (DESIGN's), the envelope's ``data``, and each error's message and hint."""

    exit_code: int
    data: Mapping[str, object]
    errors: tuple[tuple[str, str], ...] = ()


def run_tool(*arguments: str, directory: str | None = None) -> ToolResult:
    """Run ``d8-installer ARGUMENTS --json -q`` in *directory* and return what it said; warnings go to our stderr.

    Never raises for what the command does: one that prints no envelope has exit code 70 and says so.
    """
    # -P, not -I: a d8-installer in a user site is one as well, but the working directory is not a place for modules.
    command = [sys.executable, "-P", "-c", _START, _OURS, *arguments, "--json", "--quiet"]
    done = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    try:
        envelope = json.loads(done.stdout)
        errors = tuple((str(error["message"]), str(error["hint"] or "")) for error in envelope["errors"])
        return ToolResult(done.returncode, dict(envelope["data"]), errors)
    except (ValueError, KeyError, TypeError):
        return ToolResult(done.returncode or _BUG, {}, ((f"d8-installer ended with {done.returncode}", ""),))

"""The door of launchers: ``python -I -m d8_installer.launch REQUEST BINARY ARGV0 ARGS…``, their cold path.

Also what the console scripts call that Windows wheels ship in a launcher's place. The work is ``cli.launching``'s.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from d8_installer.cli.main import main as command_line

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Provide the binary that a launcher stands for, and become it; returns only an exit code."""
    return command_line(["launch", *(sys.argv[1:] if arguments is None else arguments)])


def console() -> int:
    """Do the same for a console script: the name that it was called by is the binary's."""
    name = os.path.basename(sys.argv[0])
    binary = name[: -len(".exe")] if name.lower().endswith(".exe") else name.removesuffix("-script.py")
    return main(["-", binary, *sys.argv])


if __name__ == "__main__":
    sys.exit(main())

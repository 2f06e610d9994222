"""Where launchers enter on their first run: ``main`` with the arguments REQUEST BINARY ARGV0 ARGS….

The console scripts that Windows wheels have in place of launchers enter at ``console``. ``cli.launching`` does the
work. A launcher imports this module once to see that the installation works, so it imports next to nothing itself.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Provide the binary that a launcher stands for, and become it."""
    from d8_installer.cli.main import main as command_line

    command_line(["launch", *(sys.argv[1:] if arguments is None else arguments)])


def console() -> NoReturn:
    """Do the same for a console script, whose own name is the binary's.

    A person may type that name in capitals on Windows, and the script may have cut off its ``.exe``.
    """
    name = os.path.basename(sys.argv[0]).lower()
    main(["-", name.removesuffix(".exe").removesuffix("-script.py"), *sys.argv])


if __name__ == "__main__":
    main()

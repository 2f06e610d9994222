"""``env [--shell SHELL]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    from d8_installer.pipeline.shell_lines import SHELLS

    text = f"the shell that reads the line: {', '.join(SHELLS)} (default: yours)"
    parser.add_argument("--shell", choices=SHELLS, metavar="SHELL", help=text)


def execute(context: Context) -> Outcome:
    """Print the line to evaluate: ``eval "$(d8-installer env)"``."""
    from d8_installer.ops.shell.env import env_lines

    with context.session() as session:
        result = env_lines(session, context.arguments.shell)
    return Outcome(result.as_json(), result.lines, is_for_scripts=True)

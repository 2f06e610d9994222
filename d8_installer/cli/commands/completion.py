"""``completion SHELL``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import RawOutput

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    shells = ("bash", "zsh", "fish", "tcsh", "powershell")
    parser.add_argument("shell", choices=shells, help="the shell to print the script for")


def execute(context: Context) -> RawOutput:
    """Print the script."""
    from d8_installer.cli.completion.scripts import SCRIPTS

    context.talk.screen.write_raw(SCRIPTS[context.arguments.shell])
    return RawOutput()

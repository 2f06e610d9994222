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
    context.talk.screen.write_raw(_script(context.arguments.shell))
    return RawOutput()


def _script(shell: str) -> str:
    from d8_installer.cli.completion import fish, posix, powershell
    from d8_installer.cli.completion.tables import levels
    from d8_installer.cli.parser import whole_parser

    parser = whole_parser()
    if shell == "fish":
        return fish.script(list(levels(parser)))
    return powershell.script(list(levels(parser))) if shell == "powershell" else posix.script(parser, shell)

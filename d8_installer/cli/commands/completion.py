"""``completion SHELL``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli.context import RawOutput

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="the shell that is to complete")


def execute(context: Context) -> RawOutput:
    """Print the script."""
    import shtab

    context.talk.screen.write_raw(shtab.complete(grammar.whole_parser(), context.arguments.shell))
    return RawOutput()

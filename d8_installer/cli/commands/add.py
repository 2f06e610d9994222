"""``add NAME[SPEC]…``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.commands import install

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``install``."""
    install.configure(parser)


def execute(context: Context) -> Outcome:
    """Add the images to the project; say how to reach the binaries if they are not on PATH."""
    from d8_installer.ops.add import add

    return install.placed(context, add)

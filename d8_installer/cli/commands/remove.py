"""``remove NAME…``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.commands import uninstall

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uninstall``."""
    uninstall.configure(parser)


def execute(context: Context) -> Outcome:
    """Remove the images from the project."""
    from d8_installer.ops.remove import remove

    return uninstall.removed(context, remove)

"""``ensurepath``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(_parser: argparse.ArgumentParser) -> None:
    """Add nothing."""


def execute(context: Context) -> Outcome:
    """Append the bin directory to PATH."""
    from d8_installer.cli.text.upkeep import ensurepath_lines
    from d8_installer.ops.shell.ensurepath import ensure_path

    with context.session() as session:
        result = ensure_path(session, dry_run=context.arguments.dry_run)
    is_global = context.arguments.profile == "system"
    return Outcome(result.as_json(), ensurepath_lines(result, is_global=is_global), result.errors)

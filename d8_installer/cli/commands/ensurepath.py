"""``ensurepath``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(_parser: argparse.ArgumentParser) -> None:
    """Nothing to add."""


def execute(context: Context) -> Outcome:
    """Append to PATH."""
    from d8_installer.ops.shell.ensurepath import ensure_path

    with context.session() as session:
        result = ensure_path(session)
    lines = [f"added {result.directory} to PATH in {file}" for file in result.files]
    if lines:
        lines.append("open a new shell for it to take effect")
    if not lines and not result.errors:
        whose = "everybody's" if context.arguments.profile == "system" else "your"
        lines = [f"{result.directory} is in {whose} start-up files already"]
    return Outcome(result.as_json(), lines, result.errors)

"""``doctor``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(_parser: argparse.ArgumentParser) -> None:
    """Nothing to add."""


def execute(context: Context) -> Outcome:
    """Look; an error finding makes the exit code 1."""
    from d8_installer.errors import D8Error
    from d8_installer.ops.doctor import diagnose

    with context.session() as session:
        result = diagnose(session)
    lines = []
    for found in result.found:
        lines.append(f"{found.finding.level:<8} {found.check}: {found.finding.message}")
        if found.finding.hint:
            lines.append(f"{'':<8} hint: {found.finding.hint}")
    errors = [D8Error(f"{one.check}: {one.finding.message}", hint=one.finding.hint) for one in result.errors]
    return Outcome(result.as_json(), lines, errors)

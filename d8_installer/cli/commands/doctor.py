"""``doctor``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--fix", action="store_true", help="first drop what is kept of clusters: endpoints and facts")


def execute(context: Context) -> Outcome:
    """Look for problems; one of level error makes the exit code 1."""
    from d8_installer.cli.text.upkeep import doctor_lines
    from d8_installer.errors import D8Error, UsageError
    from d8_installer.ops.doctor import diagnose

    if context.arguments.dry_run and not context.arguments.fix:
        raise UsageError("--dry-run is for --fix: `doctor` alone changes nothing", hint="leave --dry-run out")
    with context.session() as session:
        result = diagnose(session, fix=context.arguments.fix, dry_run=context.arguments.dry_run)
    errors = [
        D8Error(f"{one.check}: {one.finding.message}", hint=one.finding.hint, code="doctor-found")
        for one in result.errors
    ]
    return Outcome(result.as_json(), doctor_lines(result), errors)

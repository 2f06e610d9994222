"""``export --format cyclonedx|json|requirements``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the format."""
    parser.add_argument(
        "--format",
        choices=("cyclonedx", "json", "requirements"),
        required=True,
        help="CycloneDX 1.6 (extra [sbom]), the lock as JSON, or one line NAME===TAG for each image",
    )


def execute(context: Context) -> Outcome:
    """Print the lock in that format."""
    from d8_installer.cli.options import source_date
    from d8_installer.cli.text.locks import export_lines
    from d8_installer.ops.export import export

    with context.session() as session:
        result = export(session, context.arguments.format, source_date(context.environ))
    return Outcome(result.as_json(), export_lines(result), is_for_scripts=True)

"""``manifest init NAME[SPEC]…``, ``manifest check [FILE]`` and ``manifest schema``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome
from d8_installer.cli.options import REQUIREMENT, name_argument

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


_FILE = "d8.toml"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    from d8_installer.cli.options import add_accept_moved, add_dry_run, add_globals, add_source

    ways = parser.add_subparsers(dest="way", metavar="COMMAND", required=True)
    init = ways.add_parser("init", help="create a manifest")
    check = ways.add_parser("check", help="check that a manifest can be read")
    schema = ways.add_parser("schema", help="print the JSON Schema of d8.toml, for editors")
    for way in (init, check, schema):
        add_globals(way, repeated=True)
    init.add_argument(
        "requirements",
        type=name_argument,
        metavar="NAME[SPEC]",
        nargs="*",
        help=REQUIREMENT,
    )
    init.add_argument("--file", metavar="FILE", default=_FILE, help="the file to write (default: d8.toml)")
    add_dry_run(init)
    check.add_argument("file", metavar="FILE", nargs="?", default=_FILE, help="the manifest (default: d8.toml)")
    check.add_argument("--resolve", action="store_true", help="also look up each image, and the files in it")
    add_source(check)
    add_accept_moved(check)


def execute(context: Context) -> Outcome:
    """Create or check a manifest, or print its schema."""
    from d8_installer.cli.text.plugins import manifest_lines
    from d8_installer.ops import manifest

    typed = context.arguments
    if typed.way == "schema":
        from d8_installer.cli.text.schemas import schema_outcome
        from d8_installer.model.json_schema import manifest_schema

        return schema_outcome(manifest_schema())
    with context.session() as session:
        if typed.way == "init":
            result = manifest.init(session, typed.requirements, typed.file, dry_run=typed.dry_run)
        else:
            result = manifest.check(session, typed.file, resolve=typed.resolve)
    return Outcome(result.as_json(), manifest_lines(result))

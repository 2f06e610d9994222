"""``config [list | get KEY | set KEY VALUE | unset KEY | path | schema]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome
from d8_installer.cli.options import name_argument

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    from d8_installer.cli.options import add_dry_run, add_globals

    ways = parser.add_subparsers(dest="way", metavar="COMMAND")
    ways.add_parser("list", help="show all settings")
    ways.add_parser("path", help="show the path of the settings file")
    ways.add_parser("schema", help="print the JSON Schema of config.toml, for editors")
    get = ways.add_parser("get", help="show one setting")
    put = ways.add_parser("set", help="change one setting")
    unset = ways.add_parser("unset", help="reset one setting to its default")
    for way in ways.choices.values():
        add_globals(way, repeated=True)
    for way in (get, put, unset):
        way.add_argument("key", type=name_argument, metavar="KEY", help="a setting, such as endpoint or owners.BINARY")
    for way in (put, unset):
        add_dry_run(way)
    put.add_argument("value", metavar="VALUE", help="its value; separate the parts of a list by commas")


def execute(context: Context) -> Outcome:
    """Show or change the settings."""
    from d8_installer.cli.text.plugins import setting_lines, written_lines
    from d8_installer.ops import config

    typed = context.arguments
    if typed.way == "schema":
        from d8_installer.cli.text.schemas import schema_outcome
        from d8_installer.model.json_schema import config_schema

        return schema_outcome(config_schema())
    with context.session() as session:
        if typed.way in {"set", "unset"}:
            value = typed.value if typed.way == "set" else None
            result = config.change(session, typed.key, value, dry_run=typed.dry_run)
            return Outcome(result.as_json(), written_lines(result))
        if typed.way == "path":
            result = config.Settings(session.scope.config_file, {})
            return Outcome(result.as_json(), [result.file], is_for_scripts=True)
        result = config.show(session, typed.key if typed.way == "get" else None)
    return Outcome(result.as_json(), setting_lines(result), is_for_scripts=True)

"""``plugins [list | enable NAME | disable NAME]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    from d8_installer.cli.options import add_dry_run, add_globals

    ways = parser.add_subparsers(dest="way", metavar="COMMAND")
    ways.add_parser("list", help="list plugins, the images that they need, and the state of their code")
    ways.add_parser("enable", help="let a plugin's code run")
    ways.add_parser("disable", help="stop a plugin's code from running")
    for name, way in ways.choices.items():
        add_globals(way, repeated=True)
        if name != "list":
            way.add_argument("name", metavar="NAME", help="the plugin's distribution")
            add_dry_run(way)


def execute(context: Context) -> Outcome:
    """List the plugins, or enable or disable one."""
    from d8_installer.cli.text.plugins import changed_line, plugin_lines
    from d8_installer.ops import plugins

    typed = context.arguments
    with context.session() as session:
        if typed.way in {"enable", "disable"}:
            change = plugins.enable if typed.way == "enable" else plugins.disable
            result = change(session, typed.name, dry_run=typed.dry_run)
            return Outcome(result.as_json(), [changed_line(result)])
        result = plugins.list_plugins(session)
    return Outcome(result.as_json(), plugin_lines(result))

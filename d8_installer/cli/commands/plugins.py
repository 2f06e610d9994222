"""``plugins [list | enable NAME | disable NAME]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from d8_installer.cli.context import Context
    from d8_installer.ops.plugins import PluginRow


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the three ways."""
    ways = parser.add_subparsers(dest="way", metavar="WAY")
    ways.add_parser("list", help="show the plugins: what they want, which have code, and its state")
    ways.add_parser("enable", help="let a plugin's code run")
    ways.add_parser("disable", help="let it run no more")
    for name, way in ways.choices.items():
        grammar.add_globals(way, repeated=True)
        if name != "list":
            way.add_argument("name", metavar="NAME", help="the plugin's distribution")


def execute(context: Context) -> Outcome:
    """List or change."""
    from d8_installer.cli.text import table
    from d8_installer.ops import plugins

    typed = context.arguments
    with context.session() as session:
        if typed.way in {"enable", "disable"}:
            result = (plugins.enable if typed.way == "enable" else plugins.disable)(session, typed.name)
            (row,) = result.rows
            return Outcome(result.as_json(), [f"{row.name} is {'now' if result.changed else 'already'} {row.state}"])
        result = plugins.list_plugins(session)
    wanted = [(m.name, m.version, m.manager, _few(m.images), m.why or m.environment) for m in result.manifests]
    coded = [(row.name, row.version or "-", _hooks(row), _state(row)) for row in result.rows]
    lines = table(("PLUGIN", "VERSION", "FOUND BY", "IMAGES", "WHERE"), wanted) if wanted else []
    lines += [*([""] if lines else []), *table(("WITH CODE", "VERSION", "HOOKS", "STATE"), coded)] if coded else []
    return Outcome(result.as_json(), lines or ["no plugin"])


def _hooks(row: PluginRow) -> str:
    return "-" if row.hooks is None else ",".join(hook.removeprefix("d8_") for hook in row.hooks)


def _state(row: PluginRow) -> str:
    if row.state == "not found":
        return "enabled, not found"
    return row.state if row.why is None else f"{row.state}: {row.why}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")

"""``config [list | get KEY | set KEY VALUE | unset KEY | path]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the five ways."""
    ways = parser.add_subparsers(dest="way", metavar="WAY")
    ways.add_parser("list", help="show every setting")
    ways.add_parser("path", help="show where the settings lie")
    get = ways.add_parser("get", help="show one setting")
    put = ways.add_parser("set", help="change one setting")
    unset = ways.add_parser("unset", help="return one setting to its default")
    for way in ways.choices.values():
        grammar.add_globals(way, repeated=True)
    for way in (get, put, unset):
        way.add_argument("key", metavar="KEY", help="such as endpoint, or owners.BINARY")
    put.add_argument("value", metavar="VALUE", help="the value; the parts of a list are separated by commas")


def execute(context: Context) -> Outcome:
    """Show or change."""
    from d8_installer.ops import config

    typed = context.arguments
    with context.session() as session:
        if typed.way in {"set", "unset"}:
            result = config.change(session, typed.key, typed.value if typed.way == "set" else None)
            return Outcome(result.as_json(), [f"wrote {result.file}"])
        if typed.way == "path":
            file = session.scope.config_file
            return Outcome({"file": file, "settings": {}, "key": None}, [file])
        result = config.show(session, typed.key if typed.way == "get" else None)
    if result.key is not None:
        return Outcome(result.as_json(), [_shown(result.values[result.key])])
    return Outcome(result.as_json(), [f"{key} = {_shown(value)}" for key, value in result.values.items()])


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={owner}" for key, owner in value.items())
    return ",".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)

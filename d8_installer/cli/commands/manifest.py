"""``manifest init NAME[SPEC]…`` and ``manifest check [FILE]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context

_FILE = "d8.toml"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the two ways."""
    ways = parser.add_subparsers(dest="way", metavar="WAY", required=True)
    init = ways.add_parser("init", help="write a new manifest")
    check = ways.add_parser("check", help="read a manifest as everybody will")
    for way in (init, check):
        grammar.add_globals(way, repeated=True)
    init.add_argument("requirements", metavar="NAME[SPEC]", nargs="+", help="such as 'stronghold>=1.4,<2'")
    init.add_argument("--file", metavar="FILE", default=_FILE, help="where to write it (default: d8.toml)")
    check.add_argument("file", metavar="FILE", nargs="?", default=_FILE, help="the manifest (default: d8.toml)")
    check.add_argument("--resolve", action="store_true", help="also find each image, and the files in it")
    grammar.add_from(check)


def execute(context: Context) -> Outcome:
    """Write or check."""
    from d8_installer.ops import manifest

    typed = context.arguments
    with context.session() as session:
        if typed.way == "init":
            result = manifest.init(session, typed.requirements, typed.file)
        else:
            result = manifest.check(session, typed.file, resolve=typed.resolve)
    lines = [f"wrote {result.file}" if result.written else f"{result.file} is a manifest"]
    for request, version in result.images:
        binaries = ", ".join(binary for binary, _ in request.binaries)
        lines.append(f"  {request.name} {request.version.text}{f' -> {version}' if version else ''}: {binaries}")
    return Outcome(result.as_json(), lines)

"""``wheel WHEEL [--mode thin|fat] [--platform P…|all] [-o DIR]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the input, what becomes of it, and where it goes."""
    parser.add_argument("source", metavar="WHEEL", help="a plugin's wheel, of any build back end")
    parser.add_argument("--manifest", metavar="PATH", help="the manifest in the wheel, where no entry point names it")
    parser.add_argument("--mode", choices=("thin", "fat"), default="thin", help="ship launchers, or the binaries")
    parser.add_argument(
        "--platform", dest="platforms", metavar="P", action="append", default=[], help="only for this one; fat: or all"
    )
    parser.add_argument("-o", dest="output", metavar="DIR", help="where the wheels go (default: beside the input)")
    parser.add_argument("--lock", metavar="FILE", help="fat: take the versions of this d8.lock, which must be current")
    parser.add_argument("--parts", metavar="DIR", help="for build hooks: WHEEL is the manifest, DIR gets the scripts")
    parser.add_argument(
        "--taken", metavar="NAME", action="append", default=[], help="with --parts: a script that the wheel has already"
    )
    grammar.add_trust(parser)


def execute(context: Context) -> Outcome:
    """Pack; SOURCE_DATE_EPOCH dates the files inside, without it they are of 1980."""
    from d8_installer.cli.packing import parts_only, wheels

    if context.arguments.parts is not None:
        return parts_only(context)
    return wheels(context, grammar.source_date(context.environ))

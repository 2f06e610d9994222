"""``wheel WHEEL [--mode thin|fat] [--platform P…|all] [-o DIR]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the wheel, and what becomes of it."""
    parser.add_argument("source", metavar="WHEEL", help="a plugin's wheel, of any build backend")
    parser.add_argument("--manifest", metavar="PATH", help="manifest in the wheel, if no entry point names it")
    parser.add_argument("--mode", choices=("thin", "fat"), default="thin", help="pack launchers, or the binaries")
    parser.add_argument(
        "--platform", dest="platforms", metavar="P", action="append", default=[], help="pack for this platform, or all"
    )
    parser.add_argument("-o", dest="output", metavar="DIR", help="output directory (default: that of WHEEL)")
    parser.add_argument("--lock", metavar="FILE", help="fat: d8.lock to take the versions from; it must be current")
    parser.add_argument(
        "--parts", metavar="DIR", help="for build hooks: WHEEL is the manifest, and DIR gets the scripts"
    )
    parser.add_argument(
        "--taken", metavar="NAME", action="append", default=[], help="with --parts: a script that the wheel already has"
    )


def execute(context: Context) -> Outcome:
    """Pack the wheels. Their files have the date of SOURCE_DATE_EPOCH, or are of 1980."""
    from d8_installer.cli.options import source_date
    from d8_installer.cli.packing import parts_only, wheels

    if context.arguments.parts is not None:
        return parts_only(context)
    return wheels(context, source_date(context.environ))

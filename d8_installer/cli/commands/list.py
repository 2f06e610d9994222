"""``list [--outdated]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context
    from d8_installer.ops.list import InstalledBinary


def configure(parser: argparse.ArgumentParser) -> None:
    """Add ``--outdated``."""
    parser.add_argument("--outdated", action="store_true", help="only what has a newer stable version; asks the source")
    grammar.add_from(parser)


def execute(context: Context) -> Outcome:
    """List."""
    from d8_installer.cli.text import table
    from d8_installer.ops.list import list_installed

    outdated = context.arguments.outdated
    with context.session() as session:
        result = list_installed(session, outdated=outdated)
    context.talk.note(str(result.profile))
    if result.others is not None:
        context.talk.note(result.others)
    newest = ("NEWEST",) if outdated else ()
    header = ("BINARY", "VERSION", "IMAGE", "RANGE", "REQUESTER", *newest)
    rows = [
        (_name(b), b.version, b.image, *_asked(b), *((b.newest or "",) if outdated else ())) for b in result.binaries
    ]
    nothing = "nothing is outdated" if outdated else "nothing is installed"
    return Outcome(result.as_json(), table(header, rows) if rows else [nothing])


def _asked(binary: InstalledBinary) -> tuple[str, str]:
    """Return the ranges and, in the same order, their requesters. A range that is not known here is a question mark."""
    ranges = ", ".join("?" if request.range is None else request.range for request in binary.requests)
    return ranges, ", ".join(request.requester for request in binary.requests)


def _name(binary: InstalledBinary) -> str:
    return binary.binary if binary.in_bin else f"({binary.binary})"  # not in bin: only launchers and `run` reach it

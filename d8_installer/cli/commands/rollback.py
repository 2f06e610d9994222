"""``rollback [N]``"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    from d8_installer.cli.context import Context


_PROJECT = "d8.lock is unchanged: the next `d8-installer sync` returns to it"
_USER = "d8.toml is unchanged: what its ranges do not allow, the next install, upgrade or sync changes again"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the number."""
    parser.add_argument(
        "number", metavar="N", nargs="?", type=_number, help="number of the generation (default: the previous one)"
    )


def execute(context: Context) -> Outcome:
    """Switch back."""
    from d8_installer.cli.shadowed import warn_of_shadows
    from d8_installer.cli.text.generations import rollback_lines
    from d8_installer.ops.rollback import rollback

    with context.session() as session:
        result = rollback(session, context.arguments.number, dry_run=context.arguments.dry_run)
        if result.changed:
            context.talk.note(_USER if result.lock_restored else _PROJECT)
        home, profile = session.scope.home, result.profile
        warn_of_shadows(context, home, home.bin if profile.is_exposed else home.profile(profile.directory).bin)
    return Outcome(result.as_json(), rollback_lines(result))


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a generation's number")
    return int(text)

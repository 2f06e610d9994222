"""``rollback [N]``"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    from d8_installer.cli.context import Context


_RETURNS = "d8.lock stays as it is: the next `d8-installer sync` returns to it"
_STAYS = (
    "d8.toml stays as it is: what it no longer allows, the next command that locks (install, sync, …) changes again"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the number."""
    parser.add_argument("number", metavar="N", nargs="?", type=_number, help="the generation (default: the one before)")


def execute(context: Context) -> Outcome:
    """Switch back."""
    from d8_installer.cli.shadowed import warn_of_shadows
    from d8_installer.cli.text import NOTHING, difference
    from d8_installer.ops.rollback import rollback

    with context.session() as session:
        result = rollback(session, context.arguments.number)
        context.talk.note(f"changed {result.profile}")
        context.talk.note(_STAYS if result.lock_restored else _RETURNS)
        home, profile = session.scope.home, result.profile
        warn_of_shadows(context, home, home.bin if profile.is_exposed else home.profile(profile.directory).bin)
    made = [] if result.differences is None else [difference(change) for change in result.differences] or [NOTHING]
    was = "" if result.before is None else f", was {result.before}"
    return Outcome(result.as_json(), [*made, f"generation {result.after}{was}"])


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a generation's number")
    return int(text)

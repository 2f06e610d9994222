"""``rollback [N]``: where nothing is in doubt it is over before anything heavy is imported."""

from __future__ import annotations

from d8_installer.cli.context import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context
    from d8_installer.ops.rollback import RolledBack


_RETURNS = "d8.lock stays as it is: the next `d8-installer sync` returns to it"
_STAYS = (
    "d8.toml stays as it is: what it no longer allows, the next command that locks (install, sync, …) changes again"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the number."""
    parser.add_argument("number", metavar="N", nargs="?", type=_number, help="the generation (default: the one before)")


def execute(context: Context) -> Outcome:
    """Switch back, the quick way if the summaries of both generations count."""
    from d8_installer.cli.quick import rolled_back
    from d8_installer.cli.shadowed import warn_after_rollback
    from d8_installer.cli.text import NOTHING, difference

    result = rolled_back(context) or _by_the_records(context)
    context.talk.note(f"changed {result.profile}")
    context.talk.note(_STAYS if result.lock_restored else _RETURNS)
    warn_after_rollback(context)
    made = [] if result.differences is None else [difference(change) for change in result.differences] or [NOTHING]
    was = "" if result.before is None else f", was {result.before}"
    return Outcome(result.as_json(), [*made, f"generation {result.after}{was}"])


def _by_the_records(context: Context) -> RolledBack:
    from d8_installer.ops.history import rollback

    with context.session() as session:
        return rollback(session, context.arguments.number)


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"{text[:20]!r} is not a generation's number")
    return int(text)

"""``rollback [N]``: where nothing is in doubt it is over before anything heavy is imported."""

from __future__ import annotations

from d8_installer.cli.context import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context
    from d8_installer.ops.rollback import RolledBack


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the number."""
    parser.add_argument("number", metavar="N", nargs="?", type=_number, help="the generation (default: the one before)")


def execute(context: Context) -> Outcome:
    """Switch back, the quick way if the summaries of both generations count."""
    from d8_installer.cli.quick import rolled_back
    from d8_installer.cli.text import NOTHING, difference

    result = rolled_back(context) or _by_the_records(context)
    if not result.lock_restored:
        context.talk.note("d8.lock stays as it is: the next `d8-installer sync` returns to it")
    lines = [difference(change) for change in result.differences] or [NOTHING]
    return Outcome(result.as_json(), [*lines, f"generation {result.after}, was {result.before}"])


def _by_the_records(context: Context) -> RolledBack:
    from d8_installer.ops.history import rollback

    with context.session() as session:
        return rollback(session, context.arguments.number)


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"{text[:20]!r} is not a generation's number")
    return int(text)

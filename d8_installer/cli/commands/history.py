"""``history``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(_parser: argparse.ArgumentParser) -> None:
    """Add nothing."""


def execute(context: Context) -> Outcome:
    """Show the generations, newest first."""
    from d8_installer.cli.text.generations import history_lines
    from d8_installer.ops.history import history

    with context.session() as session:
        result = history(session)
    context.talk.note(result.profile.title)
    return Outcome(result.as_json(), history_lines(result))

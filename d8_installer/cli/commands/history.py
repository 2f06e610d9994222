"""``history``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(_parser: argparse.ArgumentParser) -> None:
    """Nothing to add."""


def execute(context: Context) -> Outcome:
    """Show the generations, newest first."""
    from d8_installer.cli.text import difference
    from d8_installer.ops.history import history

    with context.session() as session:
        result = history(session)
    context.talk.note(str(result.profile))
    lines = []
    for entry in result.entries:
        lines.append(f"{'*' if entry.active else ' '} {entry.number}  {entry.time}  {entry.reason}".rstrip())
        lines += [f"      {difference(change)}" for change in entry.differences]
    return Outcome(result.as_json(), lines or ["nothing was installed yet"])

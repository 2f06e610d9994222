"""Reporter and Task: what hears the progress of a verb. Protocols only; the command line has a Reporter."""

from __future__ import annotations

from typing import Protocol


class Task(Protocol):
    """A transfer in progress."""

    def advance(self, amount: int) -> None:
        """Count *amount* more bytes."""

    def finish(self, *, is_whole: bool) -> None:
        """End the task; *is_whole*: all bytes arrived, and they are the right ones."""


class Reporter(Protocol):
    """Hears the progress of a verb: talk for people, never data. Called from several threads."""

    def task(self, name: str, total: int) -> Task:
        """Announce the transfer of *total* bytes."""

    def note(self, text: str) -> None:
        """Report something worth a line."""

    def detail(self, text: str) -> None:
        """Report something that is shown with ``-v`` only."""

    def warn(self, text: str) -> None:
        """Report something that the person should act upon."""

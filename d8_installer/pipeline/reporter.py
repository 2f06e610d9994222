"""Reporter and Task: who hears what a verb is doing. Protocols only; the command line has one, plugins hear along."""

from __future__ import annotations

from typing import Protocol


class Task(Protocol):
    """One thing that takes a while."""

    def advance(self, amount: int) -> None:
        """Say that *amount* more bytes are done."""

    def finish(self, *, is_whole: bool) -> None:
        """Say that it is over; *is_whole*: all bytes came, and they are the right ones."""


class Reporter(Protocol):
    """Who hears what a verb is doing: talk, never data. Called from several threads."""

    def task(self, name: str, total: int) -> Task:
        """Announce the transfer of *total* bytes."""

    def note(self, text: str) -> None:
        """Tell something worth a line."""

    def detail(self, text: str) -> None:
        """Tell something that only ``-v`` wants to know."""

    def warn(self, text: str) -> None:
        """Tell something that the person should act upon."""

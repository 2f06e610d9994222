"""Announcer: the Reporter of a command, which the reporters of plugins join."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.pipeline.reporter import Reporter, Task
    from d8_installer.plugin.calling import Hooks, Offer
    from d8_installer.plugin.records import EventKind, EventReporter


class Announcer:
    """Passes everything to the person's Reporter, and as events to the plugins' reporters, one at a time."""

    def __init__(self, person: Reporter) -> None:
        self._person = person
        self._reporters: list[Offer[EventReporter]] = []
        self._lock = threading.RLock()

    def join(self, hooks: Hooks) -> None:
        """Add the reporters that plugins offer."""
        if hooks.implements("d8_reporters"):
            from d8_installer.plugin.records import EventReporter

            offers = hooks.records("d8_reporters", EventReporter, report=lambda error: self._person.warn(str(error)))
            self._reporters.extend(offers)

    def note(self, text: str) -> None:
        """Pass a note on."""
        self._person.note(text)
        self.tell("note", text)

    def detail(self, text: str) -> None:
        """Pass a detail on to the person alone."""
        self._person.detail(text)

    def warn(self, text: str) -> None:
        """Pass a warning on."""
        self._person.warn(text)
        self.tell("warning", text)

    def task(self, name: str, total: int) -> Task:
        """Announce a transfer."""
        self.tell("transfer-begun", f"fetching {name}", {"name": name, "bytes": total})
        return _Transfer(self, self._person.task(name, total), name, total)

    def finish(self, error: BaseException | None) -> None:
        """Tell the plugins that the command is over, and by which error."""
        text = "" if error is None else error.message if isinstance(error, D8Error) else type(error).__name__
        self.tell("finished", text or "done", {"error": text})

    def tell(self, kind: EventKind, text: str, facts: Mapping[str, str | int] | None = None) -> None:
        """Tell the plugins alone. A reporter that fails is named once, and is told nothing more."""
        if not self._reporters:
            return
        from d8_installer.plugin.calling import guarded
        from d8_installer.plugin.records import Event

        event = Event(kind, text, facts or {})
        with self._lock:
            for offer in list(self._reporters):
                reporter = offer.record
                try:
                    guarded(offer.plugin, f"the reporter {reporter.name!r}", partial(reporter.event, event))
                except D8Error as error:
                    self._reporters.remove(offer)
                    self._person.warn(f"{error}; it is told nothing more")


class _Transfer:
    """A Task whose end is an event."""

    def __init__(self, announcer: Announcer, task: Task, name: str, total: int) -> None:
        self._announcer = announcer
        self._task = task
        self._name = name
        self._total = total

    def advance(self, amount: int) -> None:
        """Count *amount* more bytes."""
        self._task.advance(amount)

    def finish(self, *, is_whole: bool) -> None:
        """Say that it is over, well or not."""
        self._task.finish(is_whole=is_whole)
        self._announcer.tell("transfer-done", f"fetched {self._name}", {"name": self._name, "bytes": self._total})

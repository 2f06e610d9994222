"""Tells the reporters of plugins what the person's Reporter is told."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error
from d8_installer.plugin.calling import guarded
from d8_installer.plugin.records import Event, EventReporter

if TYPE_CHECKING:
    from d8_installer.pipeline.reporter import Reporter, Task
    from d8_installer.plugin.calling import Hooks, Offer


def with_reporters(reporter: Reporter, hooks: Hooks) -> Reporter:
    """Return *reporter*, or one that tells the plugins' reporters too, if there are any."""
    if not hooks.implements("d8_reporters"):
        return reporter
    offers = hooks.records("d8_reporters", EventReporter, report=lambda error: reporter.warn(str(error)))
    return EventTee(reporter, offers) if offers else reporter


def tell(reporter: Reporter, event: Event) -> None:
    """Tell the plugins' reporters alone, if *reporter* has any."""
    if isinstance(reporter, EventTee):
        reporter.tell(event)


def tell_end(reporter: Reporter, error: BaseException | None) -> None:
    """Tell that the command is over, and by what."""
    text = "" if error is None else error.message if isinstance(error, D8Error) else type(error).__name__
    tell(reporter, Event("finished", text or "done", {"error": text}))


class EventTee:
    """A Reporter: all goes to the person's, and as events to those of plugins, one at a time."""

    def __init__(self, inner: Reporter, reporters: list[Offer[EventReporter]]) -> None:
        self._inner = inner
        self._reporters = reporters
        self._lock = threading.RLock()

    def note(self, text: str) -> None:
        """Pass a note on."""
        self._inner.note(text)
        self.tell(Event("note", text))

    def detail(self, text: str) -> None:
        """Pass a detail on to the person alone."""
        self._inner.detail(text)

    def warn(self, text: str) -> None:
        """Pass a warning on."""
        self._inner.warn(text)
        self.tell(Event("warning", text))

    def task(self, name: str, total: int) -> Task:
        """Announce a transfer to all."""
        self.tell(Event("transfer-begun", f"fetching {name}", {"name": name, "bytes": total}))
        return _Transfer(self, self._inner.task(name, total), name, total)

    def tell(self, event: Event) -> None:
        """Tell the plugins; who fails is named once, and not told again."""
        with self._lock:
            for offer in list(self._reporters):
                try:
                    reporter = offer.record
                    guarded(offer.plugin, f"the reporter {reporter.name!r}", partial(reporter.event, event))
                except D8Error as error:
                    self._reporters.remove(offer)
                    self._inner.warn(f"{error}; it is told nothing more")


class _Transfer:
    """A Task whose end is an event."""

    def __init__(self, tee: EventTee, inner: Task, name: str, total: int) -> None:
        self._tee = tee
        self._inner = inner
        self._name = name
        self._total = total

    def advance(self, amount: int) -> None:
        """Count."""
        self._inner.advance(amount)

    def finish(self, *, is_whole: bool) -> None:
        """Say that it is over, well or not."""
        self._inner.finish(is_whole=is_whole)
        self._tee.tell(Event("transfer-done", f"fetched {self._name}", {"name": self._name, "bytes": self._total}))

"""The records of hooks that watch: events, and the switch from one generation to the next. Frozen, cheap to import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from d8_installer.model.value import Struct, field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EventKind = Literal["note", "warning", "transfer-begun", "transfer-done", "switched", "finished"]


class Event(Struct, frozen=True):
    """Something that happened: ``text`` is a line for people, ``facts`` the same for programs.

    transfer-begun, transfer-done: ``name``, ``bytes`` (compressed). switched: ``profile``, ``generation``, ``reason``.
    finished: ``error``, the message of what ended the command, or "".
    """

    kind: EventKind
    text: str
    facts: Mapping[str, str | int] = field(default_factory=dict)


class EventReporter(Struct, frozen=True):
    """Somebody who hears events, one at a time, from any thread. One that raises is named once and dropped."""

    name: str
    event: Callable[[Event], None]


class SwitchFacts(Struct, frozen=True, kw_only=True):
    """One switch of a profile: from generation ``before`` (None: there was none) to ``after``, and why.

    ``added``, ``changed`` and ``removed`` are names of binaries, sorted; ``bin_directory`` is where they are.
    """

    profile: str
    before: int | None
    after: int
    reason: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    bin_directory: str

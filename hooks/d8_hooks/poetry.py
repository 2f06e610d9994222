"""Poetry's plugin (entry point group ``poetry.application.plugin``): runs after commands that change an environment.

Only Poetry imports this: its plugins are subclasses of its own class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from poetry.plugins.application_plugin import ApplicationPlugin

from d8_hooks.after_install import Changed, report_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHANGING = frozenset({"add", "install", "remove", "sync", "update"})
"""The commands that change a project's environment; ``self add`` and others change Poetry's own."""


class _Environment(Protocol):
    path: Path


class _Poetry(Protocol):
    pyproject_path: Path


class _Command(Protocol):
    name: str
    env: _Environment
    poetry: _Poetry

    def option(self, name: str) -> object: ...


class _Output(Protocol):
    def is_quiet(self) -> bool: ...
    def write_line(self, messages: str, verbosity: object, type: object) -> None: ...  # noqa: A002 - cleo's name


class _Io(Protocol):
    output: _Output
    error_output: _Output


class _Event(Protocol):
    """The part of cleo's ConsoleTerminateEvent that is used here."""

    command: _Command
    io: _Io
    exit_code: int


class _Dispatcher(Protocol):
    def add_listener(self, event_name: str, listener: Callable[[_Event, str, object], None]) -> None: ...


class _Application(Protocol):
    event_dispatcher: _Dispatcher


class Plugin(ApplicationPlugin):  # type: ignore[misc] # Poetry is not installed where types are checked
    """The class that Poetry loads."""

    def activate(self, application: _Application) -> None:
        """Subscribe to the end of commands."""
        from cleo.events.console_events import TERMINATE

        application.event_dispatcher.add_listener(TERMINATE, after_command)


def after_command(event: _Event, _name: str, _dispatcher: object) -> None:
    """Sync the environment after a command that has changed it; the command's exit code is kept."""
    command = event.command
    if command.name not in CHANGING or event.exit_code != 0 or command.option("dry-run"):
        return
    report = report_on(lambda: Changed(str(command.env.path), str(command.poetry.pyproject_path.parent)))
    if report.done and not event.io.output.is_quiet():
        _write(event.io.error_output, report.done)
    for line in report.problem:
        _write(event.io.error_output, line)


def _write(output: _Output, line: str) -> None:
    """Write the line without interpreting markup in it."""
    from cleo.io.outputs.output import Type, Verbosity

    output.write_line(line, verbosity=Verbosity.QUIET, type=Type.RAW)

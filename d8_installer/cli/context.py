"""The input of a command (``Context``) and its result (``Outcome``, ``RawOutput``).

The no-op ``sync`` imports this module, so it imports little itself: not even ``typing``, since type checkers also
understand ``TYPE_CHECKING = False``.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from d8_installer.cli.screen import Screen
    from d8_installer.cli.talk import Talk
    from d8_installer.errors import D8Error
    from d8_installer.pipeline.session import Session


class Outcome:
    """The result of a command: its data, its lines, and the errors that did not stop it.

    ``after`` are notes for stderr, to be read after the lines. ``is_for_scripts``: programs read the lines, too, so
    they stay as they are; others are laid out for people.
    """

    __slots__ = ("after", "data", "errors", "is_for_scripts", "lines")

    def __init__(
        self,
        data: Mapping[str, object],
        lines: Sequence[str],
        errors: Sequence[D8Error] = (),
        *,
        after: Sequence[str] = (),
        is_for_scripts: bool = False,
    ) -> None:
        self.data = data
        self.lines = lines
        self.errors = errors
        self.after = after
        self.is_for_scripts = is_for_scripts


class RawOutput:
    """The result of a command whose stdout belongs to others (``run``, ``completion``, ``proxy serve``)."""

    __slots__ = ("exit_code",)

    def __init__(self, exit_code: int = 0) -> None:
        self.exit_code = exit_code


class Terminated(KeyboardInterrupt):
    """SIGTERM, SIGHUP or Windows's SIGBREAK arrived. Whatever handles Ctrl-C handles this too, and tidies up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def end_cleanly(screen: Screen) -> None:
    """Turn the signals that end a process into exceptions; a signal that the caller ignores (nohup) stays ignored.

    A second signal ends the process at once, even if the handling of the first one waits for something. That is safe:
    a killed process leaves the old state or the new one.
    """
    import signal

    received: list[int] = []

    def end(number: int, _frame: object) -> None:
        received.append(number)
        if len(received) > 1:
            if len(received) == 2:
                screen.leave_line()
            os._exit(128 + number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise Terminated(number)

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, end)


def working_directory() -> str:
    """Return the working directory. If it was removed, go to the root, which holds no project either."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        os.chdir(os.sep)
        return os.sep


def enter(directories: Sequence[str] | None) -> None:
    """Change to the directories of ``-C``, one after the other, as git and make do. Raises UsageError."""
    for directory in directories or ():
        try:
            os.chdir(directory)
        except (OSError, ValueError) as error:
            from d8_installer.errors import UsageError

            reason = getattr(error, "strerror", None) or "it is not a path"
            raise UsageError(
                f"cannot change to the directory {directory[:200]!r}: {reason.lower()}",
                hint="name a directory that exists after -C",
            ) from error


class Context:
    """The parsed command line and the process's environment."""

    __slots__ = ("arguments", "directory", "environ", "talk")

    def __init__(self, arguments: argparse.Namespace, talk: Talk) -> None:
        self.arguments = arguments
        self.environ: Mapping[str, str] = os.environ
        self.directory = working_directory()
        self.talk = talk

    def session(self) -> AbstractContextManager[Session]:
        """Return what a verb works with; errors about an unknown image get a suggestion."""
        from d8_installer.cli.suggesting import with_suggestions

        return with_suggestions(self.wire())

    def wire(self) -> Session:
        """Return what a verb works with."""
        from datetime import UTC, datetime

        end_cleanly(self.talk.screen)
        from d8_installer.cli.own_command import program_file
        from d8_installer.model.secrets import VARIABLES
        from d8_installer.pipeline.scope import DEFAULT_CONNECTIONS, Options, Scope
        from d8_installer.pipeline.session import wire

        typed = self.arguments
        options = Options(
            home=typed.home,
            endpoint=typed.endpoint,
            ca_file=typed.ca_file,
            client_cert=typed.client_cert,
            client_key=typed.client_key,
            token_file=typed.token_file,
            insecure=typed.insecure,
            offline=typed.offline,
            platform=getattr(typed, "platform", None),
            profile=typed.profile,
            connections=typed.connections or DEFAULT_CONNECTIONS,
            accept_moved=tuple(getattr(typed, "accept_moved", ())),
            witness=getattr(typed, "witness", None),
            plugins=not typed.no_plugins,
            kubeconfig=typed.kubeconfig,
            context=typed.context,
            exclude_newer=getattr(typed, "exclude_newer", None),
            layout=getattr(typed, "layout", None),
            plugins_dir=getattr(typed, "plugins_dir", None),
            facts=getattr(typed, "facts", None),
            skip_cluster_checks=getattr(typed, "skip_cluster_checks", False),
        )
        secrets = self.talk.screen.secrets
        secrets.add(*(self.environ.get(name) for name in VARIABLES))
        scope = Scope(
            options=options,
            environ=self.environ,
            clock=lambda: datetime.now(UTC),
            directory=self.directory,
            program=program_file,
            secrets=secrets,
        )
        return wire(scope, self.talk)

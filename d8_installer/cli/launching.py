"""A launcher's first run: provide the binary, report that in one line, and become the binary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import RawOutput, end_cleanly, working_directory
from d8_installer.cli.program import hand_over
from d8_installer.cli.talk import Talk
from d8_installer.errors import MismatchError, UsageError
from d8_installer.model.plurals import sized
from d8_installer.model.secrets import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d8_installer.cli.screen import Screen
    from d8_installer.ops.ready_launch import Launch


class _FirstRun(Talk):
    """Reports only what is fetched: a person who runs a tool wants the tool's own output."""

    def announce(self, name: str, total: int) -> None:
        """Write a line that names us, if no bar can be shown."""
        self.screen.say(f"d8-installer: fetching {name} ({sized(total)})")

    def note(self, text: str) -> None:
        """Write nothing."""

    def warn(self, text: str) -> None:
        """Write nothing: ``sync`` and ``doctor`` find the same."""


def execute(arguments: Sequence[str], environ: Mapping[str, str], screen: Screen) -> RawOutput:
    """Run ``launch REQUEST BINARY ARGV0 ARGS…``; a REQUEST of ``-`` stands for what the manifest asks for now."""
    if len(arguments) < 3:
        raise UsageError(
            "launch needs REQUEST BINARY ARGV0 ARGS…", hint="it is for launchers; type `d8-installer run NAME`"
        )
    request, binary, argv0, *rest = arguments
    from d8_installer.ops.ready_launch import Launch, environment_of, find_ready

    launch = Launch(request=request, binary=binary, argv0=argv0, prefix=environment_of(argv0))
    path = find_ready(launch, environ) or _provide(launch, environ, screen)
    return RawOutput(hand_over(path, rest, without_secrets(environ)))


def _provide(launch: Launch, environ: Mapping[str, str], screen: Screen) -> str:
    from datetime import UTC, datetime

    from d8_installer.ops.first_run import provide, session_for
    from d8_installer.pipeline.scope import Scope
    from d8_installer.pipeline.session import wire

    end_cleanly(screen)
    chosen = session_for(launch, environ, working_directory())
    talk = _FirstRun(screen, quiet=False, verbose=False)
    scope = Scope(options=chosen.options, environ=environ, clock=lambda: datetime.now(UTC), directory=chosen.directory)
    with wire(scope, talk) as session:
        try:
            provided = provide(session, launch)
        except MismatchError as error:
            raise _as_sync_says(error) from error
    screen.end_bars()
    if provided.summary:
        screen.say(f"d8-installer: {provided.summary}")
    return provided.path


def _as_sync_says(error: MismatchError) -> MismatchError:
    """Name the command that accepts a moved tag: what is typed after a launcher's name is for the program."""
    before, again, option = (error.hint or "").partition("the same command again with ")
    return error.within(hint=f"{before}`d8-installer sync {option}`") if again else error

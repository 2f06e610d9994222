"""The run of a gated program by its wrapper: it is checked, then this process becomes the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import RawOutput, end_cleanly, working_directory
from d8_installer.cli.program import hand_over
from d8_installer.cli.talk import Talk
from d8_installer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d8_installer.cli.screen import Screen


def execute(arguments: Sequence[str], environ: Mapping[str, str], screen: Screen) -> RawOutput:
    """Run ``__gated DIRECTORY BINARY ARGS…``; DIRECTORY is the wrapper's."""
    if len(arguments) < 2:
        raise UsageError("this command is for wrappers in bin", hint="type `d8-installer run NAME`")
    directory, binary, *rest = arguments
    from datetime import UTC, datetime

    from d8_installer.model.secrets import VARIABLES
    from d8_installer.ops.run import gated_runnable, home_of_wrapper
    from d8_installer.pipeline.scope import Options, Scope
    from d8_installer.pipeline.session import wire

    end_cleanly(screen)
    screen.secrets.add(*(environ.get(name) for name in VARIABLES))
    talk = Talk(screen, quiet=False, verbose=False)
    root, is_system = home_of_wrapper(directory, environ)
    scope = Scope(
        options=Options(profile="system") if is_system else Options(home=root),
        environ=environ,
        clock=lambda: datetime.now(UTC),
        directory=working_directory(),
        secrets=screen.secrets,
    )
    with wire(scope, talk) as session:
        program = gated_runnable(session, directory, binary, rest)
    talk.close()
    return RawOutput(hand_over(program.path, rest, program.environ))

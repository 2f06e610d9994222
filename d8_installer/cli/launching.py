"""What a launcher's cold path does: provide the binary, say so in one line, become the binary."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from d8_installer.cli.context import RawOutput, end_cleanly, working_directory
from d8_installer.cli.program import execute_file, wait_for
from d8_installer.cli.talk import Talk
from d8_installer.errors import UsageError
from d8_installer.model.secrets import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d8_installer.ops.provision import Launch


class _Silent(Talk):
    """Says nothing: whoever types a tool's name wants to hear that tool, and one line of ours at most."""

    def warn(self, text: str) -> None:
        """Keep it for ``sync`` and ``doctor``, which find the same."""


def execute(arguments: Sequence[str], environ: Mapping[str, str]) -> RawOutput:
    """Do what ``launch REQUEST BINARY ARGV0 ARGS…`` says; REQUEST may be ``-`` for whatever the manifest has now."""
    if len(arguments) < 3:
        raise UsageError(
            "launch wants REQUEST BINARY ARGV0 ARGS…", hint="it is for launchers; type `d8-installer run NAME`"
        )
    request, binary, argv0, *rest = arguments
    from d8_installer.ops.provision import Launch, environment_of, find_ready

    launch = Launch(request, binary, argv0, environment_of(argv0))
    path = find_ready(launch, environ) or _provide(launch, environ)
    sys.stdout.flush()
    if os.name == "posix":
        execute_file(path, [path, *rest], without_secrets(environ))
    return RawOutput(wait_for([path, *rest], without_secrets(environ)))


def _provide(launch: Launch, environ: Mapping[str, str]) -> str:
    from datetime import UTC, datetime

    from d8_installer.ops.provision import options_for, provide
    from d8_installer.ops.session import Session

    end_cleanly()
    options, directory = options_for(launch, environ, working_directory())
    talk = _Silent(quiet=True, verbose=False)
    with Session(options, environ, lambda: datetime.now(UTC), talk, directory) as session:
        provided = provide(session, launch)
    if provided.said:
        sys.stderr.write(f"d8-installer: {provided.said}\n")
        sys.stderr.flush()
    return provided.path

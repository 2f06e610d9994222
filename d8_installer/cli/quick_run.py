"""The quick way of ``run`` and of gated wrappers: become the program before anything else is imported."""

from __future__ import annotations

import os
import time

from d8_installer.cli.context import working_directory
from d8_installer.cli.program import become
from d8_installer.errors import D8Error
from d8_installer.fast.argv import read_run
from d8_installer.model.run_gate import GATED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def execute_if_ready(typed: Sequence[str], environ: Mapping[str, str]) -> None:
    """Replace this process by the program that was typed, if it may run now. Else do nothing: the long way decides."""
    run = None if typed[:1] == [GATED] else read_run(typed)
    if os.name != "posix" or (run is None and typed[:1] != [GATED]):
        return
    from d8_installer.fast.run import gated, ready

    directory, now = working_directory(), time.time()
    try:
        if run is None:
            program, arguments = gated(typed[1:], environ, directory, now), typed[3:]
        else:
            program, arguments = ready(run, environ, directory, now), run.arguments
        if program is not None:
            become(program.path, [program.path, *arguments], program.environ)
    except (D8Error, OSError):
        return  # the long way finds the same, and says it

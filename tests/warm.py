"""Starts many commands quickly on chosen files: a process that has imported all forks for each.

`Warm` is the test's end; run as a module this file is the other. In contrast to `faults.driver` a command is not
waited for: its number is told at once, so that a test can send it signals while it runs. The child has streams that
are made as Python makes them, ends by ``os._exit`` as soon as ``main`` returns, and so loses whatever is not written.
"""

from __future__ import annotations

import gc
import io
import json
import os
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, TextIO

from tests import measured
from tests.command import environment
from tests.faults.driver import ROOT, WARM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

ALSO_WARM = ("rich.cells", "rich.console", "rich.progress", "d8_hooks.rpp", "httpx2")


class Warm:
    """The process that forks; use as a context manager, for one command at a time."""

    def __enter__(self) -> Warm:
        kept = {name: text for name, text in os.environ.items() if name != measured.VARIABLE}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm"],
            cwd=ROOT,
            env=kept,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._process.communicate()

    def start(self, *arguments: str, home: str, env: Mapping[str, str], files: Sequence[int]) -> int:
        """Start ``d8-installer ARGUMENTS`` with *files* of this process as its first three; return its number."""
        assert self._process.stdin is not None
        paths = [f"/proc/{os.getpid()}/fd/{number}" for number in files]
        job = {"arguments": arguments, "env": environment(home, **env), "cwd": home, "files": paths}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def wait(self) -> int:
        """Wait for the command and return its exit code."""
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


def serve() -> None:
    """Do job after job until stdin ends."""
    for name in (*WARM, *ALSO_WARM):
        import_module(name)
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _be_the_command(json.loads(line))
        _tell(child)
        _, status = os.waitpid(child, 0)
        _tell(os.waitstatus_to_exitcode(status))


def _tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _be_the_command(job: dict[str, Any]) -> None:
    code = 99
    try:
        os.setsid()
        for number, path in enumerate(job["files"]):
            opened = os.open(path, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)[number] | os.O_NOCTTY)
            os.dup2(opened, number)
            os.close(opened)
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
        sys.stdout, sys.stderr = _stream(1), _stream(2)
        sys.stderr.reconfigure(line_buffering=True)  # type: ignore[attr-defined]
        os.environ.clear()
        os.environ.update(job["env"])
        os.chdir(job["cwd"])
        from d8_installer.cli.main import run

        code = run(job["arguments"])
    finally:
        os._exit(code)


def _stream(number: int) -> TextIO:
    """Make a stream as Python does at its start: buffered, by lines only on a terminal."""
    raw = io.FileIO(number, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=os.isatty(number))


if __name__ == "__main__":
    serve()

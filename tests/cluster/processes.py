"""Programs that serve while a context lasts: started, waited for, and ended with whoever started them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

SECONDS = 60
"""How long a program may take until it serves, on a machine that does much else."""
STOPS_IN = 10
"""How long a program may take to end before it is killed."""


@contextmanager
def started(
    command: Sequence[str], directory: Path, name: str = "", *, stops_in: float = STOPS_IN
) -> Iterator[subprocess.Popen[str]]:
    """Run a program in *directory*; it logs to ``<name>.log`` there, and its stdout is a pipe."""
    with (directory / f"{name or command[0].rpartition('/')[2]}.log").open("ab") as log:
        process = subprocess.Popen(
            [*_end_with_us(), *command],
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield process
    finally:
        _end(process, stops_in)


def _end_with_us() -> list[str]:
    """Return what lets the program end when pytest is killed."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _end(process: subprocess.Popen[str], stops_in: float) -> None:
    process.terminate()
    try:
        process.wait(stops_in)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def first_line(process: subprocess.Popen[str], directory: Path, name: str) -> str:
    """Return the first line that the program says; raise RuntimeError with its log if it ends without one."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{name} did not start:\n{tail(directory / f'{name}.log')}")
    return line.rstrip("\n")


def until(what: str, holds: Callable[[], bool], *, log: Path | None = None, seconds: float = SECONDS) -> None:
    """Wait until something holds; raise RuntimeError, with the end of *log*, if it does not in time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds} s\n{tail(log) if log else ''}")
        pause.wait(0.02)


def tail(log: Path) -> str:
    """Return the end of a log."""
    return log.read_text(errors="replace")[-4000:] if log.exists() else ""


@contextmanager
def held_port() -> Iterator[int]:
    """Keep a port for a program that shares ports (SO_REUSEPORT), so that nobody else can take it meanwhile."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        yield port

"""Measuring the cost of commands, and comparing commands in fair rounds."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spent:
    """The cost of one process, with its start: elapsed and processor seconds, and peak resident memory in bytes."""

    seconds: float
    cpu: float
    peak: int


def spend(command: Sequence[str], env: Mapping[str, str], directory: str) -> Spent:
    """Run *command* to its end and return its cost. An exit code other than 0 ends the bench.

    On Linux a process inherits the peak memory of its parent, so this process must stay small and read no big file
    whole.
    """
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, env=env, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            fail(command, process.returncode, output)
    return Spent(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def output_of(command: Sequence[str], env: Mapping[str, str], directory: str) -> str:
    """Return what *command* prints to stdout. An exit code other than 0 ends the bench."""
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(
            command, env=env, cwd=directory, stdout=subprocess.PIPE, stderr=errors, text=True, check=False
        )
        if done.returncode != 0:
            fail(command, done.returncode, errors)
    return done.stdout


def fail(command: Sequence[str], code: int, output: IO[bytes]) -> None:
    """End the bench and show the end of the command's output."""
    output.seek(0)
    text = output.read()[-2000:].decode("utf-8", "replace")
    raise SystemExit(f"{text}\nbench: {' '.join(command)[:300]} ended with {code}")


@contextmanager
def service(command: Sequence[str], env: Mapping[str, str], directory: str) -> Iterator[IO[str]]:
    """Run a server while the context lasts; yield its stdout."""
    process = subprocess.Popen(command, env=env, cwd=directory, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout
    finally:
        process.terminate()
        process.wait()


def interleaved(rounds: int, *runs: Callable[[], T]) -> list[list[T]]:
    """Return the results of each of *runs*. The order alternates (a, b, then b, a), so that drift hits all of them.

    Before each run, data that earlier runs left in memory is written to the disk, outside the time.
    """
    results: list[list[T]] = [[] for _ in runs]
    for number in range(rounds):
        order = list(enumerate(runs))
        for which, run in order if number % 2 == 0 else reversed(order):
            os.sync()
            results[which].append(run())
    return results

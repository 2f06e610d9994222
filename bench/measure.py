"""What a command costs, and rounds that compare commands fairly. Knows nothing of what is measured."""

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
    """One process, start-up included: wall-clock and processor seconds, peak of its resident memory in bytes."""

    seconds: float
    cpu: float
    peak: int


def spend(command: Sequence[str], env: Mapping[str, str], directory: str) -> Spent:
    """Run *command* to its end; any exit code but 0 ends the bench with what it printed.

    Linux hands a process the peak of the one that started it, so that ours must stay small: read no big file whole.
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
    """Return what *command* prints on stdout; any exit code but 0 ends the bench."""
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(
            command, env=env, cwd=directory, stdout=subprocess.PIPE, stderr=errors, text=True, check=False
        )
        if done.returncode != 0:
            fail(command, done.returncode, errors)
    return done.stdout


def fail(command: Sequence[str], code: int, output: IO[bytes]) -> None:
    """End the bench, showing the end of what the command said."""
    output.seek(0)
    text = output.read()[-2000:].decode("utf-8", "replace")
    raise SystemExit(f"{text}\nbench: {' '.join(command)[:300]} ended with {code}")


@contextmanager
def service(command: Sequence[str], env: Mapping[str, str], directory: str) -> Iterator[IO[str]]:
    """Keep a server running while the context lasts; gives its stdout."""
    process = subprocess.Popen(command, env=env, cwd=directory, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout
    finally:
        process.terminate()
        process.wait()


def interleaved(rounds: int, *runs: Callable[[], T]) -> list[list[T]]:
    """Return what each of *runs* gave in each round: a, b, then b, a, and so on, so that drift hits all alike.

    What earlier runs left to write goes to the disk between two, untimed.
    """
    results: list[list[T]] = [[] for _ in runs]
    for number in range(rounds):
        order = list(enumerate(runs))
        for which, run in order if number % 2 == 0 else reversed(order):
            os.sync()
            results[which].append(run())
    return results

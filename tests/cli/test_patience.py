"""Another process that holds a lock is waited for: said, with an end in sight, and Ctrl-C ends it at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import TryAgainError
from d8_installer.store import fs
from d8_installer.store.flock import WaitPolicy
from tests.command import SOON, environment, run, start
from tests.faults.scenarios import CONFIG, DATA
from tests.images import add_image, executables, host_platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="stopped processes")

_HOLD = """
import sys
from d8_installer.store import fs
with fs.exclusive(sys.argv[1], print):
    print("held", flush=True)
    sys.stdin.read()
"""
LOCKS = ("mutex", "switching.mutex", "profiles/user/mutex")
LIMIT = {"D8_PATIENCE": "0.05"}
"""Sixty times this: three seconds."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    images = str(tmp_path / "images")
    for tag in ("v1.0.0", "v2.0.0"):
        add_image(images, "tool", tag, executables(tag, host_platform()))
    home = tmp_path / "home"
    home.mkdir()
    for words in (("config", "set", "endpoint", f"oci-layout:{images}"), ("install", "tool==1.0.0")):
        assert (done := run(*words, home=str(home))).code == 0, done
    return home


@pytest.fixture
def stopped(home: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that hold a lock and were stopped; they end with the test."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def stop(stopped: list[subprocess.Popen[str]], path: Path) -> int:
    """Hold the lock in a process that is then stopped; return its number."""
    command = [sys.executable, "-c", _HOLD, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment("/"))
    stopped.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.send_signal(signal.SIGSTOP)
    return process.pid


@pytest.mark.parametrize("lock", LOCKS)
def test_a_stopped_process_is_named_and_waited_for_with_an_end(
    home: Path, stopped: list[subprocess.Popen[str]], lock: str
) -> None:
    path = home / DATA / lock
    holder = stop(stopped, path)
    begin = time.monotonic()
    done = run("install", "tool", home=str(home), env=LIMIT)
    seconds = time.monotonic() - begin
    print(f"{lock}: gave up after {seconds:.1f} s")  # noqa: T201 - the figure
    assert done.code == 75, done
    assert f"waiting for another d8-installer (process {holder})" in done.err.splitlines()
    assert f"]: another d8-installer (process {holder}) has held {path} for more than 3 s" in done.err
    assert f"`kill -CONT {holder}`" in done.err
    assert 3 <= seconds < SOON
    os.kill(holder, signal.SIGKILL)  # what the hint says, but for what the process would do on its way out
    assert run("install", "tool", home=str(home), env=LIMIT).code == 0


def test_settings_are_waited_for_likewise(home: Path, stopped: list[subprocess.Popen[str]]) -> None:
    path = home / CONFIG / "config.toml.mutex"
    holder = stop(stopped, path)
    done = run("config", "set", "retention", "3", home=str(home), env=LIMIT)
    assert (done.code, f"process {holder}) has held {path}" in done.err) == (75, True), done
    assert run("config", home=str(home)).code == 0  # who looks does not wait


def test_a_rollback_gives_up_likewise(home: Path, stopped: list[subprocess.Popen[str]]) -> None:
    assert run("install", "tool", home=str(home)).code == 0
    stop(stopped, home / DATA / "profiles/user/mutex")
    done = run("rollback", home=str(home), env=LIMIT)
    assert (done.code, "waiting for another" in done.err) == (75, True), done


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("lock", LOCKS)
def test_who_waits_can_be_interrupted(
    home: Path, stopped: list[subprocess.Popen[str]], lock: str, number: signal.Signals
) -> None:
    holder = stop(stopped, home / DATA / lock)
    env = {"D8_TEST_COVERAGE": ""}  # what measures commands answers SIGTERM in its own way
    waiting = start("install", "tool", home=str(home), env=env)
    assert waiting.stderr is not None
    assert f"waiting for another d8-installer (process {holder})\n" in iter(waiting.stderr.readline, "")
    begin = time.monotonic()
    waiting.send_signal(number)
    waiting.communicate(timeout=SOON)
    assert waiting.returncode == (130 if number == signal.SIGINT else 143)
    assert time.monotonic() - begin < SOON


def test_a_short_wait_is_not_worth_a_word(tmp_path: Path) -> None:
    path, said = str(tmp_path / "mutex"), list[str]()
    command = [sys.executable, "-c", _HOLD, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for patience, told in ((WaitPolicy(said.append, 0.3, 0.1), 1), (WaitPolicy(said.append, 0.2, 0.2), 0)):
            said.clear()
            with pytest.raises(TryAgainError, match=f"process {holder.pid}"), fs.exclusive(path, patience):
                pytest.fail("it is held")
            assert len(said) == told
        assert holder.stdin is not None
        holder.stdin.close()
        said.clear()
        with fs.exclusive(path, WaitPolicy(said.append, 30, 30)):
            assert said == []
    with fs.try_exclusive(path) as free:  # and those who gave up hold nothing
        assert free

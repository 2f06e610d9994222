"""What is promised of switching and of locks, with figures.

Switches under readers, one of which is a loop that executes a binary without pause; and each lock of ours, held by a
process that is killed. Not ``--thorough``: some hundred switches. Thorough: ten thousand.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import DiskError
from d8_installer.store import fs
from d8_installer.store.paths import Home
from d8_installer.store.switch import LinkSwitch
from tests.command import environment, run, start
from tests.faults.scenarios import DATA, leftovers
from tests.forms import THOROUGH
from tests.images import add_image, executables, host_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="executes scripts by their first line")

SWITCHES = 10_000 if THOROUGH else 300
READERS = 2
_LOOP = """
import os, subprocess, sys
binary, count = sys.argv[1], 0
while not os.path.exists(sys.argv[2]):
    done = subprocess.run([binary], capture_output=True, text=True)
    count += 1
    if count == 1:
        print("begun", flush=True)
    if done.returncode != 0 or done.stdout.split()[:1] not in (["one"], ["two"]):
        sys.exit(f"exec {count} failed: {done}")
print(count)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    images = str(tmp_path / "images")
    for tag, text in (("v1.0.0", "one"), ("v2.0.0", "two")):
        add_image(images, "tool", tag, executables(text, host_platform()))
    path = tmp_path / "home"
    path.mkdir()
    settings = ("config", "set", "endpoint", f"oci-layout:{images}")
    for words in (settings, ("install", "tool==1.0.0"), ("install", "tool==2.0.0")):
        assert (done := run(*words, home=str(path))).code == 0, done
    return path


@contextlib.contextmanager
def readers(home: Path) -> Iterator[list[int]]:
    """Execute the binary in loops while the context lasts; then the list has how often each did, without a failure."""
    stop, counts = home / "stop", list[int]()
    command = [sys.executable, "-c", _LOOP, str(home / DATA / "bin" / "tool"), str(stop)]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(READERS)
    ]
    try:
        begun = [process.stdout.readline() for process in processes if process.stdout is not None]
        assert begun == ["begun\n"] * READERS, "each executes before anything is switched"
        yield counts
    finally:
        stop.touch()
        ends = [(*process.communicate(timeout=60), process.returncode) for process in processes]
    for out, err, code in ends:
        assert code == 0, err
        counts.append(int(out))


def test_no_exec_fails_while_switching(home: Path, record_property: Callable[[str, object], None]) -> None:
    paths = Home(str(home / DATA)).profile("user")
    begin = time.monotonic()
    with readers(home) as counts:
        for number in range(SWITCHES):
            LinkSwitch().activate(paths, 1 + number % 2)
    seconds = time.monotonic() - begin
    record_property("execs", sum(counts))
    print(f"{SWITCHES} switches, {sum(counts)} execs, 0 failed, {seconds:.1f} s")  # noqa: T201 - the figure
    assert sum(counts) >= READERS


def test_no_exec_fails_while_commands_switch_and_collect(home: Path) -> None:
    """The installed commands: rollback, install, gc with one generation kept, one after the other."""
    verbs = (("rollback",), ("gc", "--keep", "1"), ("install", "tool==2.0.0"), ("install", "tool==1.0.0"))
    rounds = 25 if THOROUGH else 2
    with readers(home) as counts:
        for _ in range(rounds):
            for words in verbs:
                done = run(*words, home=str(home))
                assert done.code == 0 or "no generation before" in done.err, done
    print(f"{rounds * len(verbs)} commands, {sum(counts)} execs, 0 failed")  # noqa: T201 - the figure
    assert run("verify", home=str(home)).code == 0
    assert leftovers(str(home)) == []


_HOLD = """
import sys
from d8_installer.store import fs
with fs.exclusive(sys.argv[1], print):
    print("held", flush=True)
    sys.stdin.read()
"""
LOCKS = ("mutex", "switching.mutex", "profiles/user/mutex")
LOOKING = (
    *(("list",), ("which", "tool"), ("history",), ("run", "tool"), ("env",)),
    *(("verify",), ("gc", "--dry-run")),
)
COMMANDS = (("install", "tool==1.0.0"), ("rollback", "1"), ("gc",), ("verify", "--fix"), ("sync", "--prune"))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_of_a_killed_process_blocks_nobody(home: Path, lock: str) -> None:
    path = str(home / DATA / lock)
    for words in COMMANDS if THOROUGH else COMMANDS[:3]:
        with holder(path) as process:
            waiting = start(*words, home=str(home))
            until_blocked(waiting, path)
            process.kill()
            process.wait(60)
            out, err = waiting.communicate(timeout=60)
            assert waiting.returncode == 0, (words, out, err)
    assert run("verify", home=str(home)).code == 0


@pytest.mark.parametrize("lock", LOCKS)
def test_readers_never_block(home: Path, lock: str) -> None:
    with holder(str(home / DATA / lock)):
        for words in LOOKING:
            assert (done := run(*words, home=str(home))).code == 0, done
            assert "waiting" not in done.err


@contextlib.contextmanager
def holder(path: str) -> Iterator[subprocess.Popen[str]]:
    """Hold a lock in a process of its own."""
    command = [sys.executable, "-c", _HOLD, path]
    env = environment("/")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def until_blocked(process: subprocess.Popen[str], path: str) -> None:
    """Wait until the command waits for the lock (the kernel lists it) or, not wanting that one, has ended."""
    inode = os.stat(path).st_ino
    while process.poll() is None:
        with open("/proc/locks", encoding="ascii") as file:
            if any("->" in line and f":{inode} " in line for line in file):
                return


def test_a_lock_that_its_holder_removed_is_taken_anew(tmp_path: Path) -> None:
    """Who waited for a lock in a directory that is gone has a lock that nobody else sees: it must not count."""
    path = str(tmp_path / "profile" / "mutex")
    seen = []

    def work(waiting: threading.Semaphore) -> None:
        with fs.exclusive(path, lambda _holder: waiting.release()):
            seen.append(others_may_enter())

    def others_may_enter() -> bool:
        try:
            with fs.try_exclusive(path) as free:
                return free
        except DiskError:
            return True

    rounds = 200 if THOROUGH else 20
    for _ in range(rounds):
        waiting = threading.Semaphore(0)
        threads = [threading.Thread(target=work, args=(waiting,)) for _ in range(4)]
        with fs.exclusive(path, pytest.fail):
            for thread in threads:
                thread.start()
                waiting.acquire()
            fs.remove_tree(os.path.dirname(path))
        for thread in threads:
            thread.join(30)
    assert seen == [False] * 4 * rounds

"""Several processes on one home: one switches, the others wait, and whoever reads meanwhile never sees a gap."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.manifest import Manifest
from d8_installer.store import fs
from d8_installer.testing.faults import fault_server, stalled
from d8_installer.testing.memory import MemorySource
from tests.command import TIMEOUT, Completed, start
from tests.faults.scenarios import CONFIG, DATA, leftovers, said
from tests.images import add_image, executables, host_platform
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="executes scripts by their first line")

NAMES = ("alpha", "beta", "gamma", "delta")


class Neighbour(Person):
    """Somebody with a HOME in which `first` is installed."""

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return start(*arguments, home=str(self.home))

    def all_say(self, names: Iterable[str]) -> dict[str, str | None]:
        return {name: said(str(self.home), name) for name in names}


@pytest.fixture
def images(tmp_path: Path) -> str:
    root = str(tmp_path / "images")
    for name in ("first", *NAMES):
        add_image(root, name, "v1.0.0", executables(name, host_platform()))
    add_image(root, "first", "v1.1.0", executables("second", host_platform()))
    return root


def person(directory: Path, images: str) -> Neighbour:
    made = Neighbour(directory)
    made.ok("config", "set", "endpoint", f"oci-layout:{images}")
    made.ok("install", "first==1.0.0")
    return made


@pytest.fixture
def somebody(tmp_path: Path, images: str) -> Neighbour:
    return person(tmp_path / "home", images)


def ends(process: subprocess.Popen[str]) -> Completed:
    out, err = process.communicate(timeout=120)
    return Completed(process.returncode, out, err)


@pytest.mark.parametrize("count", [2, 4])
def test_installs_at_once_are_all_in_place(somebody: Neighbour, count: int) -> None:
    names = NAMES[:count]
    for done in [ends(process) for process in [somebody.start("install", name) for name in names]]:
        assert done.code == 0, done
    assert somebody.all_say(["first", *names]) == {name: name for name in ("first", *names)}
    manifest = os.path.join(somebody.home, CONFIG, "d8.toml")
    with open(manifest, "rb") as file:
        parsed = Manifest.parse(file.read(), manifest)
    assert {request.name.short for request in parsed.requests} == {"first", *names}
    generations = os.path.join(somebody.home, DATA, "profiles", "user", "generations")
    assert sorted(os.listdir(generations)) == [str(number) for number in range(1, count + 2)]
    assert leftovers(str(somebody.home)) == []
    assert somebody.run("sync").out == "nothing to do\n"


def test_the_same_install_at_once_is_done_once(somebody: Neighbour) -> None:
    for done in [ends(process) for process in [somebody.start("install", "alpha") for _ in range(3)]]:
        assert done.code == 0, done
    generations = os.path.join(somebody.home, DATA, "profiles", "user", "generations")
    assert sorted(os.listdir(generations)) == ["1", "2"]
    assert leftovers(str(somebody.home)) == []


def test_who_has_to_wait_says_for_whom(somebody: Neighbour) -> None:
    mutex = os.path.join(somebody.home, DATA, "profiles", "user", "mutex")
    with fs.exclusive(mutex, pytest.fail):
        waiting = somebody.start("install", "alpha")
        assert waiting.stderr is not None
        assert f"waiting for another d8-installer (process {os.getpid()})\n" in iter(waiting.stderr.readline, "")
        assert somebody.all_say(["alpha"]) == {"alpha": None}
        assert somebody.run("list").code == 0  # who only looks does not wait
    assert ends(waiting).code == 0
    assert somebody.all_say(["first", "alpha"]) == {"first": "first", "alpha": "alpha"}


def test_a_killed_holder_keeps_nobody_waiting(somebody: Neighbour) -> None:
    """The lock dies with its process: the next one need not wait, nor be told to remove anything."""
    with fault_server(MemorySource()) as quiet:
        quiet.on("tags", stalled())  # waiting for an answer, a command stands still while it holds the lock
        holder = somebody.start("--endpoint", quiet.url, "install", "alpha")
        assert quiet.stalling.wait(TIMEOUT)
        waiting = somebody.start("install", "beta")
        try:
            assert waiting.stderr is not None
            assert f"waiting for another d8-installer (process {holder.pid})\n" in iter(waiting.stderr.readline, "")
        finally:
            holder.kill()
            ends(holder)
        assert ends(waiting).code == 0
    assert somebody.all_say(["first", "alpha", "beta"]) == {"first": "first", "alpha": None, "beta": "beta"}


def test_homes_do_not_know_each_other(tmp_path: Path, images: str) -> None:
    one, two = person(tmp_path / "one", images), person(tmp_path / "two", images)
    processes = [one.start("install", "alpha"), two.start("install", "beta")]
    for done in map(ends, processes):
        assert done.code == 0, done
        assert "waiting" not in done.err
    assert one.all_say(NAMES) == {"alpha": "alpha", "beta": None, "gamma": None, "delta": None}
    assert two.all_say(NAMES) == {"alpha": None, "beta": "beta", "gamma": None, "delta": None}


def test_a_reader_never_sees_a_gap(somebody: Neighbour) -> None:
    """`first` is switched to and fro; whoever runs or lists it gets one of the two, every time."""
    versions = ["first==1.1.0", "first==1.0.0", "first==1.1.0"]
    seen = set()
    rounds = 0
    for requirement in versions:
        switching = somebody.start("install", requirement)
        listing = somebody.start("list")
        while switching.poll() is None or listing.poll() is None:
            seen.add(said(str(somebody.home), "first"))
            rounds += 1
        assert ends(switching).code == 0
        listed = ends(listing)
        assert listed.code == 0, listed
        assert "first" in listed.out
    assert seen == {"first", "second"}
    assert rounds > len(versions)


def test_switching_to_and_fro_under_many_readers(somebody: Neighbour) -> None:
    """The link alone, as fast as it goes: no open ever fails."""
    from d8_installer.store.paths import Home
    from d8_installer.store.switch import LinkSwitch

    assert somebody.run("install", "first==1.1.0").code == 0
    paths = Home(os.path.join(somebody.home, DATA)).profile("user")
    binary = os.path.join(paths.bin, "first")
    loop = 'while read -r go; do "$0" >/dev/null || exit 1; echo; done'
    command = ["/bin/sh", "-c", loop, binary]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        for number in range(200):
            reader.stdin.write("go\n")
            reader.stdin.flush()
            LinkSwitch().activate(paths, 1 + number % 2)
            with open(binary, "rb") as file:
                assert file.read().startswith(b"#!/bin/sh")
            assert reader.stdout.readline() == "\n"
        reader.stdin.close()
        assert reader.wait(60) == 0

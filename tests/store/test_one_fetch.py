"""Processes of one home fetch each layer once: one does, the others wait for it, say so, and find it in the store."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from d8_installer.testing.faults import FaultServer, cut, fault_server, stalled
from d8_installer.testing.memory import MemorySource
from tests import command
from tests.forms import THOROUGH
from tests.matrix.layers import HOST, Member, layer
from tests.matrix.machine import check_complaint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.command import Completed

pytestmark = pytest.mark.skipif(os.name != "posix", reason="executes scripts by their first line")

PROCESSES, ROUNDS = (32, 20) if THOROUGH else (8, 3)
NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
TAGS = ("v1.0.0", "v1.1.0")
DEADLOCK = 300
"""Seconds after which a round counts as deadlocked; the longest took a tenth of it."""


class Place:
    """One home, the user's profile and some projects in it, and a proxy that counts."""

    def __init__(self, directory: Path, proxy: FaultServer, projects: int) -> None:
        self.home = directory / "home"
        self.proxy = proxy
        self.projects = [self.home / f"project{number}" for number in range(projects)]
        for project in self.projects:
            project.mkdir(parents=True)
            (project / "d8.toml").write_text("schema = 1\n")
        self.data = self.home / ".local/share/d8-installer"

    def start(self, *words: str, cwd: Path | None = None, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [command.PROGRAM, *words],
            env=command.environment(str(self.home), D8_RPP_ENDPOINT=self.proxy.url, **env),
            cwd=cwd or self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def fetched(self) -> Counter[str]:
        return Counter(request.target for request in self.proxy.seen("layer"))

    def arriving(self) -> list[str]:
        place = self.data / "arriving"
        return os.listdir(place) if place.is_dir() else []


def ended(process: subprocess.Popen[str], timeout: float = 120) -> Completed:
    out, err = process.communicate(timeout=timeout)
    return command.Completed(process.returncode, out, err)


@pytest.fixture
def images() -> MemorySource:
    """`zeta` has the layers of `epsilon`."""
    source = MemorySource()
    for name in NAMES:
        for tag in TAGS:
            told = "epsilon" if name == "zeta" else name
            build = layer(
                Member("plugin", f'#!/bin/sh\necho "{told} {tag}"\n'.encode()), Member("ballast", bytes(9999))
            )
            source.add_index(f"deckhouse-cli/plugins/{name}", tag, {HOST: build})
    return source


@pytest.fixture
def place(tmp_path: Path, images: MemorySource) -> Iterator[Place]:
    with fault_server(images) as proxy:
        yield Place(tmp_path, proxy, 4)


def test_projects_that_start_at_once_share_one_transfer(place: Place) -> None:
    processes = [place.start("--project", "install", "alpha", "beta", cwd=project) for project in place.projects]
    for done in map(ended, processes):
        assert done.code == 0, done
    assert sorted(place.fetched().values()) == [1, 1]
    assert place.arriving() == []


def test_two_images_of_one_layer_share_it_within_one_command(place: Place) -> None:
    done = ended(place.start("install", "epsilon", "zeta"))
    assert done.code == 0, done
    assert sum(place.fetched().values()) == 1
    assert "waiting" not in done.err, "one command is not another one to itself"


def test_who_waits_says_so_and_readers_do_not_wait(place: Place) -> None:
    place.proxy.on("layer", stalled(0.5), times=1)
    holder = place.start("--project", "install", "alpha", cwd=place.projects[0], D8_PATIENCE="600")
    assert place.proxy.stalling.wait(60)
    waiting = place.start("--project", "install", "alpha", cwd=place.projects[1])
    try:
        assert waiting.stderr is not None
        while (line := waiting.stderr.readline()) != "waiting for another d8-installer that fetches alpha\n":
            assert line, "it never said that it waits"
        assert ended(place.start("list")).code == 0
        assert ended(place.start("--project", "sync", "--dry-run", cwd=place.projects[2])).code == 0
        assert holder.poll() is None
    finally:
        place.proxy.end()  # cuts what it stalled
        done = ended(holder)
    assert done.code == 0, done
    assert ended(waiting).code == 0
    assert sum(place.fetched().values()) == 2, "the stalled one, and one more try of the same process"


def test_a_killed_fetcher_holds_nobody_up(place: Place) -> None:
    place.proxy.on("layer", stalled(0.5), times=1)
    holder = place.start("--project", "install", "alpha", cwd=place.projects[0])
    assert place.proxy.stalling.wait(60)
    waiting = place.start("--project", "install", "alpha", cwd=place.projects[1])
    assert waiting.stderr is not None
    while "that fetches alpha" not in (line := waiting.stderr.readline()):
        assert line
    holder.kill()
    ended(holder)
    done = ended(waiting)
    assert done.code == 0, done
    assert place.arriving() == []


def test_waiting_has_an_end(place: Place) -> None:
    place.proxy.on("layer", stalled(0.5), times=1)
    holder = place.start("--project", "install", "alpha", cwd=place.projects[0], D8_PATIENCE="600")
    assert place.proxy.stalling.wait(60)
    try:
        begun = time.monotonic()
        done = ended(place.start("--project", "install", "alpha", cwd=place.projects[1], D8_PATIENCE="0.03"))
        check_complaint(done, 75, "another d8-installer has been fetching alpha v1.1.0 for 2 s")
        assert time.monotonic() - begun < command.SOON
    finally:
        holder.kill()
        ended(holder)


def test_a_failing_fetch_frees_the_next(place: Place) -> None:
    """The holder fails; each waiting process tries by itself, one after the other, and all say why they fail."""
    place.proxy.on("layer", cut(0.5))
    processes = [place.start("--project", "install", "alpha", cwd=project) for project in place.projects]
    for done in map(ended, processes):
        check_complaint(done, 75, "the transfer was cut")
    assert place.arriving() == []


# -- the promise -----------------------------------------------------------------------------------------------


def rush(place: Place) -> Iterator[tuple[tuple[str, ...], Path | None]]:
    """Yield the first round's commands: everybody wants everything."""
    for number in range(PROCESSES):
        project = place.projects[number % len(place.projects)] if number % 5 else None
        yield ("--user" if project is None else "--project", "install", *NAMES), project


def commands(place: Place, luck: random.Random) -> Iterator[tuple[tuple[str, ...], Path | None]]:
    """Yield one round's commands: half of them the user's, half on projects."""
    for number in range(PROCESSES):
        project = place.projects[number % len(place.projects)] if number % 2 else None
        scope = ("--user",) if project is None else ("--project",)
        name, other = luck.sample(NAMES, 2)
        verb: Sequence[str] = luck.choice(
            [
                ("install", name, other),
                ("install", f"{name}==1.0.0"),
                ("install", f"{name}==1.1.0", other),
                ("upgrade", "--all"),
                ("uninstall", name),
                ("sync",),
                ("sync", "--frozen"),
                ("lock", "--upgrade"),
                ("list",),
            ]
        )
        yield (*scope, *verb), project


ALLOWED = {"uninstall": {0, 69}, "sync": {0, 65}}
"""What may be said no to: an image that is not there, and a lock that is not there."""


def test_many_processes_mix_and_each_blob_is_fetched_once(place: Place) -> None:
    luck = random.Random(4)  # noqa: S311 - the same rounds every time
    ran = waited = 0
    begun = time.monotonic()
    for number in range(ROUNDS):
        chosen = rush(place) if number == 0 else commands(place, luck)
        started = [(words, place.start(*words, cwd=cwd)) for words, cwd in chosen]
        deadline = time.monotonic() + DEADLOCK
        for words, process in started:
            done = ended(process, max(1.0, deadline - time.monotonic()))
            assert done.code in ALLOWED.get(words[1], {0}), f"{words}\n{done}"
            assert "Traceback" not in done.err, done
            ran += 1
            waited += "that fetches" in done.err
    counts, corrupt, files = place.fetched(), *damage(place)
    assert corrupt == []
    assert binaries(place) > 0
    assert set(by_layer(counts).values()) == {1}, counts
    assert place.arriving() == []
    print(  # noqa: T201 - the promise's figures
        f"\n{PROCESSES} processes x {ROUNDS} rounds: {ran} commands, 0 deadlocks, {len(corrupt)} of {files} files"
        f" corrupt, {len(by_layer(counts))} blobs fetched {sum(counts.values())} times, {waited} waited for a blob,"
        f" {time.monotonic() - begun:.0f} s"
    )


def by_layer(counts: Counter[str]) -> Counter[str]:
    """Add up the fetches of one layer under two names."""
    return sum((Counter({target.replace("/zeta/", "/epsilon/"): n}) for target, n in counts.items()), Counter[str]())


def damage(place: Place) -> tuple[list[str], int]:
    stored = [path for path in (place.data / "store/sha256").rglob("*") if path.is_file()]
    wrong = [str(p) for p in stored if hashlib.sha256(p.read_bytes()).hexdigest() != p.parent.name]
    return wrong, len(stored)


def binaries(place: Place) -> int:
    """Run every binary of every active generation; return how many there were."""
    count = 0
    for path in (place.data / "profiles").glob("*/current/bin/*"):
        said = subprocess.run([path], capture_output=True, text=True, check=True).stdout
        assert said.startswith(path.name.replace("zeta", "epsilon")), (path, said)
        count += 1
    return count

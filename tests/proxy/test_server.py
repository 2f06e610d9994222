"""The proxy as a real process over a real socket: it announces, serves, and ends when it should."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import ConfigError
from d8_installer.proxy.server import ServeOptions, serve
from d8_installer.testing.memory import MemorySource
from tests.command import SOON
from tests.proxy.serving import IMAGE, LAYER, TAG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

V1 = f"/v1/images/{IMAGE}/images/{TAG}?platform=linux-amd64"
PATIENCE = 30.0


@dataclass
class Answer:
    """A whole answer; header names as sent, in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Running:
    """A proxy process, and the port that it announced."""

    process: subprocess.Popen[str]
    port: int

    @contextmanager
    def open(
        self, target: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request(method, target, headers=dict(headers or {}))
            with connection.getresponse() as answer:
                yield answer

    def ask(self, target: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        with self.open(target, method, headers) as answer:
            return Answer(answer.status, dict(answer.headers), answer.read())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """The exit status and everything written to stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors


@contextmanager
def proxy(**options: object) -> Iterator[Running]:
    command = [sys.executable, "-m", "tests.proxy.serving", json.dumps(options)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), line + process.communicate()[1]
        yield Running(process, int(line.rpartition(":")[2]))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_it_serves_as_soon_as_it_says_so() -> None:
    with proxy() as running:
        assert running.port > 0
        answer = running.ask("/healthz")
        assert (answer.status, answer.body) == (200, b"ok")


def test_a_layer_is_the_same_streamed_and_from_the_cache(tmp_path: Path) -> None:
    with proxy(cache_dir=str(tmp_path)) as running:
        for _ in range(2):
            answer = running.ask(V1, headers={"Range": "bytes=0-3"})
            assert (answer.status, answer.body) == (200, LAYER)
            assert answer.headers["content-length"] == str(len(LAYER))
        _, errors = running.stop()
    with proxy(cache_dir=str(tmp_path), stuck=True) as running:
        assert running.ask(V1).body == LAYER, "the next process has it from the cache"
    assert errors.splitlines()[0].split()[:4] == ["GET", V1.partition("?")[0], "200", str(len(LAYER))]


def test_head_has_the_length_and_no_body() -> None:
    with proxy() as running:
        answer = running.ask(V1, "HEAD")
        assert (answer.status, answer.headers["content-length"], answer.body) == (200, str(len(LAYER)), b"")
        refused = running.ask(f"/v1/images/{IMAGE}/tags", "HEAD")
        assert (refused.status, refused.body) == (405, b"")


def test_a_token_is_asked_for_and_never_shown(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("s3cret\n")
    with proxy(token_file=str(tokens)) as running:
        assert running.ask(V1).status == 401
        assert running.ask(V1, headers={"Authorization": "Bearer wrong"}).status == 401
        assert running.ask(V1, headers={"Authorization": "Bearer s3cret"}).body == LAYER
        assert running.ask("/healthz").status == 200
        _, errors = running.stop()
    assert "s3cret" not in errors
    assert errors.count(" 401 ") == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_and_soon(number: signal.Signals) -> None:
    with proxy(access_log=False) as running, socket.create_connection(("127.0.0.1", running.port)):
        running.ask(V1)
        began = time.monotonic()
        status, errors = running.stop(number)
        assert time.monotonic() - began < SOON
    assert (status, errors) == (0, "stopped, source closed: True\n")


def test_a_transfer_that_never_ends_does_not_hold_it_up() -> None:
    with proxy(access_log=False, stuck=True) as running, running.open(V1) as answer:
        assert answer.read(1000) == LAYER[:1000]
        status, errors = running.stop()
        assert (status, errors) == (0, "stopped, source closed: True\n")
        with pytest.raises(http.client.IncompleteRead):
            answer.read()


def test_a_temporary_cache_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with proxy() as running:
        running.ask(V1)
        assert list(tmp_path.glob("d8-proxy-*/sha256/*"))
        running.stop()
    assert list(tmp_path.iterdir()) == []


def test_the_next_proxy_removes_the_cache_of_a_killed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "d8-proxy-unmarked").mkdir()
    with proxy() as living:
        with proxy() as killed:
            killed.ask(V1)
            killed.process.kill()
        (living_cache,) = (path.parent for path in tmp_path.glob("*/mutex") if not list(path.parent.glob("sha256/*")))
        for mutex in tmp_path.glob("*/mutex"):
            os.utime(mutex, (0, 0))
        with proxy() as new:
            kept = {path.name for path in tmp_path.iterdir()}
            assert {living_cache.name, "d8-proxy-unmarked"} < kept
            assert len(kept) == 3
            new.stop()
        living.stop()
    assert [path.name for path in tmp_path.iterdir()] == ["d8-proxy-unmarked"]


@pytest.mark.parametrize("exit_with_parent", [True, False])
def test_it_ends_with_its_parent(exit_with_parent: bool) -> None:
    options = json.dumps({"exit_with_parent": exit_with_parent})
    # the parent starts the proxy, tells us its first line and its pid, and waits to be killed
    script = (
        "import subprocess, sys\n"
        f"command = [sys.executable, '-m', 'tests.proxy.serving', {options!r}]\n"
        "child = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode().strip(), child.pid, flush=True)\n"
        "child.wait()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline().split()[-1])
    watched = os.pidfd_open(child)
    try:
        parent.kill()
        parent.communicate()
        ended, _, _ = select.select([watched], [], [], PATIENCE if exit_with_parent else 2)
        assert bool(ended) == exit_with_parent
    finally:
        if not select.select([watched], [], [], 0)[0]:
            os.kill(child, signal.SIGKILL)
        os.close(watched)


# --- what it refuses to start with ---


def refused(**options: object) -> str:
    with pytest.raises(ConfigError) as caught:
        serve(ServeOptions(registry="memory:", **options), lambda _: MemorySource(), lambda _: None)  # type: ignore[arg-type]
    assert caught.value.exit_code == 78
    return f"{caught.value.message} | {caught.value.hint}"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "192.0.2.1"])  # noqa: S104 - it is refused
def test_nobody_listens_beyond_loopback_without_a_token(host: str) -> None:
    assert "--token-file" in refused(host=host)


def test_a_name_is_no_address() -> None:
    assert "no IP address" in refused(host="proxy.example")


def test_a_taken_port_is_refused_even_if_it_is_shared() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot listen on 127.0.0.1" in refused(port=taken.getsockname()[1])


def test_a_second_proxy_cannot_share_the_port() -> None:
    with proxy() as running:
        assert "cannot listen" in refused(port=running.port)


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    assert "nowhere" in refused(token_file=str(tmp_path / "nowhere"))


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "granian.server.embed", None)
    said = refused()
    assert "needs the extra [proxy]" in said
    assert "granian>=" in said

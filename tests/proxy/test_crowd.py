"""Honest requests while a crowd of connections wants nothing but places.

Not ``--thorough``: 300 of them. Thorough: 2,000.
"""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from d8_installer.proxy.server import MAX_CONNECTIONS, connection_limit
from tests.command import SOON
from tests.forms import THOROUGH
from tests.proxy.serving import LAYER
from tests.proxy.test_server import V1, proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SECONDS = {300: 5.0, 2000: 15.0}
"""How long the crowd stays: longer than a connection may be silent, so that closed ones come back."""


@contextmanager
def crowd(port: int, count: int) -> Iterator[None]:
    """Let *count* connections of every bad kind be open while the context lasts; they end by themselves in any case."""
    command = [sys.executable, "-m", "tests.proxy.attacker", str(port), str(count), "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.kill()
        process.communicate()


def resident(pid: int) -> int:
    """Return the most MiB that a process had in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10


def stays_quick(count: int) -> None:
    with proxy(access_log=False) as running:
        assert running.ask(V1).body == LAYER
        with crowd(running.port, count):
            end = time.monotonic() + SECONDS[count]
            while time.monotonic() < end:
                began = time.monotonic()
                assert running.ask(V1).body == LAYER
                assert time.monotonic() - began < SOON
                time.sleep(0.25)
        assert resident(running.process.pid) < 200
        status, errors = running.stop()
    assert (status, errors) == (0, "stopped, source closed: True\n")


def test_a_crowd_keeps_nobody_waiting() -> None:
    """The small one is more than the 128 places that the server has by default."""
    stays_quick(2000 if THOROUGH else 300)


BEGUN = [b"", b"GET / HT", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"]


def test_a_connection_without_a_request_is_closed() -> None:
    """Silent, with half a request, with HTTP/2, and idle after a request."""
    with proxy() as running, ExitStack() as stack:
        peers = [socket.create_connection(("127.0.0.1", running.port), SOON) for _ in BEGUN]
        began = time.monotonic()
        for peer, begun in zip(peers, BEGUN, strict=True):
            stack.enter_context(closing(peer))
            peer.sendall(begun)
        for peer in peers:
            while peer.recv(4096):
                pass
        assert time.monotonic() - began < SOON


def test_open_files_are_raised_for_them_and_never_beyond_what_is_allowed() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, before[1]))
        assert connection_limit() == min(MAX_CONNECTIONS, before[1] - 256)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 300
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    script = (
        "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (600, 600))\n"
        "from d8_installer.proxy.server import connection_limit\nprint(connection_limit())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "344\n"

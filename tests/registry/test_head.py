"""The head of an answer has a limit from the request on, however its sender spins it out."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import D8Error, TryAgainError, UnreachableError
from d8_installer.registry.client import Client, ClientOptions
from d8_installer.registry.retry import RetryPolicy
from tests.command import SOON
from tests.registry.servers import stop_listening

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTIONS = ClientOptions(read_timeout=0.6, connect_timeout=0.6, retry=RetryPolicy(tries=1))
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def ask(url: str) -> bytes:
    with closing(Client(OPTIONS)) as client:
        return client.get(url, {}, 100).body


@contextmanager
def saying(*parts: bytes, pause: float, repeat: int = 1) -> Iterator[str]:
    """Answer each connection with *parts*, *repeat* times over, *pause* seconds before each."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.recv(1 << 16)
                for part in parts * repeat:
                    if ended.wait(pause):
                        return
                    connection.sendall(part)
                ended.wait()

        def accept() -> None:
            with suppress(OSError):
                while not ended.is_set():
                    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            ended.set()
            stop_listening(server)
            thread.join()


DRIPS = {
    "a byte now and then": ([bytes([byte]) for byte in GOOD], 0.2, 1),
    "a header now and then": ([GOOD[:17], *[b"x: y\r\n"] * 1000], 0.2, 1),
    "interim answers without end": ([b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"], 0.2, 1000),
    "100 without end": ([b"HTTP/1.1 100 Continue\r\n\r\n"], 0.2, 1000),
    "nothing": ([b""], 0.2, 1000),
}


@pytest.mark.parametrize("name", DRIPS)
def test_a_head_that_drips_is_given_up(name: str) -> None:
    parts, pause, repeat = DRIPS[name]
    with saying(*parts, pause=pause, repeat=repeat) as host:
        begin = time.monotonic()
        with pytest.raises(TryAgainError, match="did not answer in time"):
            ask(f"http://{host}/")
        assert time.monotonic() - begin < SOON


def test_interim_answers_that_come_quickly_end_too() -> None:
    with saying(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100, pause=0, repeat=1_000_000) as host:
        begin = time.monotonic()
        with pytest.raises(D8Error):
            ask(f"http://{host}/")
        assert time.monotonic() - begin < SOON


def test_a_head_in_good_time_is_no_drip() -> None:
    """The limit is for one head: a request on the same connection, and a body, begin anew."""
    with saying(GOOD[:20], GOOD[20:], pause=0.25) as host:
        assert ask(f"http://{host}/") == b"ok"


@pytest.mark.parametrize("parts", [[b"\x16"], [b"\x16\x03\x03\x00\x7a", *[b"\x02"] * 60]], ids=["silent", "dripping"])
def test_a_tls_handshake_that_stalls_is_given_up(parts: list[bytes]) -> None:
    with saying(*parts, pause=0.2) as host:
        begin = time.monotonic()
        with pytest.raises(D8Error):
            ask(f"https://{host}/")
        assert time.monotonic() - begin < SOON


def test_a_resolver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hung = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        hung.wait(600)
        return []

    # The resolver is the system's: no server of ours can make it hang.
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    begin = time.monotonic()
    with pytest.raises(UnreachableError, match="not resolved"):
        ask("https://registry.invalid/")
    hung.set()
    assert time.monotonic() - begin < SOON

"""A handshake tells whose certificate an address has and whether it verifies, in bounded time, and sends no request."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trustme

from d8_installer.errors import UnreachableError
from d8_installer.registry.client import ClientOptions
from d8_installer.registry.handshake import handshake
from tests.registry.clients import closed_port
from tests.registry.servers import Answer, serving, stop_listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CA = trustme.CA()
ROOTS = ClientOptions(roots=CA.cert_pem.bytes())


def context(*names: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert(*names).configure_cert(made)
    return made


@contextmanager
def behaving(answers: bytes | None) -> Iterator[int]:
    """Listen, and send *answers* to whoever connects; None: nothing, ever."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    if over.is_set():
                        return
                    if answers is None:
                        over.wait(20)
                    else:
                        connection.recv(4096)
                        connection.sendall(answers)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        over.set()
        stop_listening(listener)
        thread.join()


def test_a_certificate_that_verifies_is_described_and_no_request_is_sent() -> None:
    with serving(lambda _: Answer(), context("127.0.0.1", "proxy.example")) as server:
        peer = handshake(server.url, ROOTS, 5)
        assert server.received == []
    assert peer.is_verified
    assert set(peer.names) == {"127.0.0.1", "proxy.example"}
    assert peer.issuer.startswith("trustme")
    assert peer.until is not None
    assert peer.until > time.time()


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        (("other.example",), ROOTS, "is not trusted"),
        (("127.0.0.1",), ClientOptions(), "is not trusted"),
        (("127.0.0.1",), ClientOptions(roots=trustme.CA().cert_pem.bytes()), "is not trusted"),
    ],
    ids=["name", "system's roots", "another CA"],
)
def test_a_certificate_that_does_not_verify_is_an_error(
    names: tuple[str, ...], options: ClientOptions, said: str
) -> None:
    with serving(lambda _: Answer(), context(*names)) as server, pytest.raises(UnreachableError, match=said):
        handshake(server.url, options, 5)


def test_insecure_nothing_is_verified_and_nothing_is_told() -> None:
    with serving(lambda _: Answer(), context("other.example")) as server:
        peer = handshake(server.url, ClientOptions(insecure=True), 5)
    assert (peer.is_verified, peer.names) == (False, ())


def test_nothing_and_no_tls_are_errors() -> None:
    with pytest.raises(UnreachableError, match="cannot connect"):
        handshake(f"https://127.0.0.1:{closed_port()}", ROOTS, 5)
    with behaving(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port, pytest.raises(UnreachableError, match="no TLS"):
        handshake(f"https://127.0.0.1:{port}", ROOTS, 5)


def test_an_address_that_is_silent_takes_only_so_long() -> None:
    begun = time.monotonic()
    with behaving(None) as port, pytest.raises(UnreachableError, match="cannot connect"):
        handshake(f"https://127.0.0.1:{port}", ROOTS, 0.3)
    assert time.monotonic() - begun < 3


def test_offline_no_connection_is_made() -> None:
    with pytest.raises(UnreachableError, match="offline"):
        handshake("https://127.0.0.1:1", ClientOptions(offline=True), 5)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "status 407"),
        (b"HTTP/1.1 20 x\r\n\r\n", "it speaks no HTTP/1.1"),
        (b"SSH-2.0-x\r\n\r\n", "it speaks no HTTP/1.1"),
        (b"", "it sends no answer"),
        (b"x" * 40_000, "it sends no answer"),
    ],
)
def test_a_forward_proxy_that_refuses_is_named(answer: bytes, said: str) -> None:
    with behaving(answer) as port:
        options = ClientOptions(env={"HTTPS_PROXY": f"http://user:secret@127.0.0.1:{port}"})
        with pytest.raises(UnreachableError) as refused:
            handshake("https://proxy.example", options, 5)
    assert said in refused.value.message
    assert "secret" not in refused.value.message


@contextmanager
def tls_proxy(target: str) -> Iterator[int]:
    """A forward proxy that itself speaks TLS, and leads every tunnel to *target*."""
    inside = context("127.0.0.1")
    place = (target.split(":")[0], int(target.split(":")[1]))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            near, _ = listener.accept()
            with inside.wrap_socket(near, server_side=True) as tunnel, socket.create_connection(place) as far:
                assert tunnel.recv(4096).startswith(b"CONNECT proxy.example:443 HTTP/1.1\r\n")
                tunnel.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                threading.Thread(target=_copied, args=(far, tunnel), daemon=True).start()
                _copied(tunnel, far)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def _copied(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_a_forward_proxy_may_speak_tls_itself(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(CA.cert_pem.bytes())
    with serving(lambda _: Answer(), context("proxy.example")) as server, tls_proxy(server.host) as port:
        options = ClientOptions(ca_file=str(tmp_path / "ca.pem"), env={"HTTPS_PROXY": f"https://127.0.0.1:{port}"})
        assert handshake("https://proxy.example", options, 5).names == ("proxy.example",)


def test_a_forward_proxy_that_is_silent_takes_only_so_long() -> None:
    begun = time.monotonic()
    with behaving(None) as port, pytest.raises(UnreachableError):
        handshake("https://proxy.example", ClientOptions(forward_proxy=f"http://127.0.0.1:{port}"), 0.3)
    assert time.monotonic() - begun < 3

"""An HTTP forward proxy that knows host names which only the tests have: ``HTTPS_PROXY`` of a person in a cluster.

An Ingress's host has no port, so its address is ``https://HOST:443``; this proxy connects it to a port of loopback.
"""

from __future__ import annotations

import select
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass
class ConnectProxy:
    """A proxy that runs: its URL, where host names lead, and the targets that it was asked for."""

    url: str
    routes: dict[str, int]
    asked: list[str] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment of a person who goes through it; loopback itself is reached directly."""
        return {"HTTPS_PROXY": self.url, "NO_PROXY": "127.0.0.1,localhost"}


@contextmanager
def connect_proxy(routes: Mapping[str, int]) -> Iterator[ConnectProxy]:
    """Run a proxy that leads ``host:443`` to ``127.0.0.1:<port>``; it answers 502 for any other target."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = ConnectProxy(f"http://127.0.0.1:{listener.getsockname()[1]}", dict(routes))
        thread = threading.Thread(target=_accept, args=(listener, running), daemon=True)
        thread.start()
        yield running
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(listener: socket.socket, running: ConnectProxy) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, running), daemon=True).start()


def _serve(connection: socket.socket, running: ConnectProxy) -> None:
    with connection, suppress(OSError):
        words = _head(connection).split(b" ")
        target = words[1].decode("latin-1") if len(words) > 1 else ""
        running.asked.append(target)
        port = running.routes.get(target.removesuffix(":443"))
        if words[0] != b"CONNECT" or port is None:
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", port)) as far:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            join(connection, far)


def _head(connection: socket.socket) -> bytes:
    """Return the request's head; nothing follows it before the answer."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(4096)
        if not piece:
            return b""
        head += piece
    return head


def join(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes both ways until either end closes."""
    ends = {one: other, other: one}
    while True:
        ready, _, _ = select.select(list(ends), [], [])
        for end in ready:
            data = end.recv(1 << 16)
            if not data:
                return
            ends[end].sendall(data)

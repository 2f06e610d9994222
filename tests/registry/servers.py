"""Small HTTP servers on loopback that answer exactly what a test says, and remember what they were asked."""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Mapping


@dataclass(frozen=True)
class Received:
    """A request that arrived; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What goes back. ``raw`` replaces it all: these bytes and then the end of the connection.

    ``pieces`` are sent one after another behind ``body``, each as soon as it is there; ``Content-Length`` is then among
    the headers. ``then`` runs after the answer was sent and before the connection is free (to stall it).
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    pieces: Iterable[bytes] = ()
    then: Callable[[], object] | None = None

    @classmethod
    def json(cls, document: object, **headers: str) -> Answer:
        return cls(200, json.dumps(document).encode(), headers)


@dataclass
class Running:
    """A server that runs: where, and what came in."""

    url: str
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    @property
    def paths(self) -> list[str]:
        return [received.path for received in self.received]


@contextmanager
def serving(answer: Callable[[Received], Answer], tls: ssl.SSLContext | None = None) -> Iterator[Running]:
    """Serve on a free port until the context is left; one thread a connection, kept alive."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            with lock:
                running.connections += 1
                running.open_now += 1
                running.most_open = max(running.most_open, running.open_now)

        def finish(self) -> None:
            with lock:
                running.open_now -= 1
            super().finish()

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            received = Received(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            with lock:
                running.received.append(received)
            reply = answer(received)
            if reply.raw is not None:
                self.wfile.write(reply.raw)
                self.close_connection = True
            else:
                self.send_response_only(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else reply.body)
                for piece in reply.pieces:
                    self.wfile.write(piece)
            self.wfile.flush()
            if reply.then is not None:
                reply.then()

        do_GET = do_HEAD = do_POST = do_PUT = do_CONNECT = respond  # noqa: N815 - http.server names them

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the overridden method
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    running = Running(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """A client that goes away is part of the test."""


def stop_listening(listener: socket.socket) -> None:
    """Let the thread go on that waits in ``accept``; where that call cannot be ended, somebody connects."""
    if os.name == "nt":
        socket.create_connection(listener.getsockname(), 20).close()
    else:
        listener.shutdown(socket.SHUT_RDWR)


def cut(promised: int, sent: bytes, status: int = 200) -> Answer:
    """An answer that promises more than it sends."""
    return Answer(raw=f"HTTP/1.1 {status} OK\r\nContent-Length: {promised}\r\n\r\n".encode() + sent)


DROPPED = Answer(raw=b"")

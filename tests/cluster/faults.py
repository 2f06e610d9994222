"""Stand-ins for what a real API server, or a real proxy, does not do on request: hang, drip, lie, drop connections.

`Relay` stands before any port and breaks connections: TLS passes through it. `lying` stands before the API server with
a certificate of the cluster's authority, answers what a test wants, and passes the rest on.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.cluster.control_plane import NAMES
from tests.registry.servers import Answer, Received, Running, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import trustme

    from tests.cluster.cluster import Cluster
    from tests.cluster.front import Front

SECONDS_BETWEEN_DRIPS = 0.1
_OF_THE_CONNECTION = ("connection", "content-length", "transfer-encoding")


@dataclass
class Relay:
    """Passes connections on to a port of loopback, or breaks them; a test may change how while it runs.

    ``behaviour`` counts for each new connection: "pass"; "hang" (accepted, and never answered); "drip" (the answer
    comes one byte at a time, also in the handshake); "drop" (closed at once). ``cut_after`` ends a connection after
    that many bytes of answer.
    """

    port: int
    target: int
    behaviour: str = "pass"
    cut_after: int | None = None
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    _open: list[socket.socket] = field(default_factory=list)

    def end_connections(self) -> None:
        """End the connections that are open: a client keeps them alive, whatever happens to new ones."""
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def serve(self, connection: socket.socket) -> None:
        """Serve one connection, in its thread."""
        self.connections += 1
        self._open.append(connection)
        behaviour, cut = self.behaviour, self.cut_after
        with connection, suppress(OSError):
            if behaviour == "drop":
                return
            if behaviour == "hang":
                self.over.wait()
                return
            with socket.create_connection(("127.0.0.1", self.target)) as far:
                threading.Thread(target=_upward, args=(connection, far), daemon=True).start()
                self._downward(far, connection, drips=behaviour == "drip", cut=cut)

    def _downward(self, far: socket.socket, near: socket.socket, *, drips: bool, cut: int | None) -> None:
        sent = 0
        while data := far.recv(1 if drips else 1 << 16):
            if cut is not None and sent + len(data) > cut:
                near.sendall(data[: cut - sent])
                return
            near.sendall(data)
            sent += len(data)
            if drips and self.over.wait(SECONDS_BETWEEN_DRIPS):
                return


def _upward(near: socket.socket, far: socket.socket) -> None:
    with suppress(OSError):
        while data := near.recv(1 << 16):
            far.sendall(data)
        far.shutdown(socket.SHUT_WR)


@contextmanager
def relay(target: int, behaviour: str = "pass", *, host: str = "127.0.0.1") -> Iterator[Relay]:
    """Stand before the port *target*; *host* may be ``::1``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        running = Relay(listener.getsockname()[1], target, behaviour)
        thread = threading.Thread(target=_accept, args=(listener, running), daemon=True)
        thread.start()
        yield running
        running.over.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(listener: socket.socket, running: Relay) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=running.serve, args=(connection,), daemon=True).start()


def serving_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """Return TLS for a server that a test writes, with a certificate of *authority* for *names*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or NAMES)).configure_cert(context)
    return context


@contextmanager
def lying(cluster: Cluster, answer: Callable[[Received], Answer | None], *, prefix: str = "") -> Iterator[Running]:
    """Stand before the API server: *answer* says what goes back; what it returns None for, the API server answers.

    The address has the path *prefix* if there is one, as an API behind a gateway does; other paths are 404.
    """
    with _before(cluster.port, cluster.ca_pem, cluster.authority, answer, prefix) as running:
        running.url += prefix
        yield running


@contextmanager
def lying_front(front: Front, answer: Callable[[Received], Answer | None]) -> Iterator[Running]:
    """Stand before the front in the same way, with a certificate of its authority."""
    with _before(front.port, front.ca_pem, front.authority, answer) as running:
        yield running


def _before(
    port: int, ca: str, authority: trustme.CA, answer: Callable[[Received], Answer | None], prefix: str = ""
) -> AbstractContextManager[Running]:
    trust = ssl.create_default_context(cadata=ca)

    def respond(received: Received) -> Answer:
        said = answer(received)
        if said is not None:
            return said
        if not received.path.startswith(f"{prefix}/"):
            return Answer(404, b"404 page not found\n")
        return _passed_on(port, received, received.path.removeprefix(prefix), trust)

    return serving(respond, serving_context(authority))


def _passed_on(port: int, received: Received, path: str, trust: ssl.SSLContext) -> Answer:
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=trust, timeout=30)
    headers = {name: value for name, value in received.headers.items() if name not in ("host", "connection")}
    try:
        connection.request(received.method, path, received.body, headers)
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        return Answer(answer.status, answer.read(), kept)
    finally:
        connection.close()


def unchanged(_received: Received) -> None:
    """Let the API server answer everything."""


def only(path: str, said: Callable[[], Answer]) -> Callable[[Received], Answer | None]:
    """Return what answers one path of the API, without the query; the API server answers the rest."""
    return lambda received: said() if received.path.partition("?")[0] == path else None


def dripping(body: bytes, over: threading.Event, status: int = 200) -> Answer:
    """Return an answer whose body comes one byte at a time, until *over* is set."""

    def pieces() -> Iterator[bytes]:
        for byte in body:
            yield bytes([byte])
            if over.wait(SECONDS_BETWEEN_DRIPS):
                return

    return Answer(status, headers={"Content-Length": str(len(body))}, pieces=pieces())


def hanging(over: threading.Event) -> Callable[[Received], Answer]:
    """Return an answer that never comes before *over* is set."""

    def answer(_received: Received) -> Answer:
        over.wait()
        return Answer(503)

    return answer

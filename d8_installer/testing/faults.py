"""A proxy or registry on loopback with programmable faults, which records every request.

It serves any Source as a registry-packages-proxy (rpp.md §2), or as a registry with ``wire=OciWire()``. A fault is a
function from the right Reply to a wrong one; faults are set for a resource and a number of answers::

    images = MemorySource()
    images.add_index("deckhouse-cli/plugins/vault", "v1.0.0", {Platform.parse("linux-amd64"): layer})
    with fault_server(images) as proxy:
        proxy.on("layer", cut(0.5), times=1)          # the first download ends half way, the second is complete
        done = subprocess.run(["d8-installer", "--endpoint", proxy.url, "install", "vault"])
        assert done.returncode == 0
        assert len(proxy.seen("layer")) == 2

The server and the faults are here. Right answers are in ``rpp_answers`` and ``oci_answers``, images in ``memory``.
"""

from __future__ import annotations

import gzip
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, cast

from d8_installer.model.value import Struct, field, replace
from d8_installer.testing.replies import Fault, Reply, Resource, Seen
from d8_installer.testing.rpp_answers import RppWire

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Iterator, Mapping

    from d8_installer.model.source import Source
    from d8_installer.testing.replies import Wire

__all__ = [
    "Fault",
    "FaultServer",
    "Reply",
    "Resource",
    "Seen",
    "captive_portal",
    "compressed",
    "cut",
    "dropped",
    "fault_server",
    "flipped",
    "header",
    "longer",
    "overrunning",
    "redirected",
    "replaced",
    "short",
    "stalled",
    "status",
    "tags",
    "unmeasured",
    "without_route",
]

# --- faults: what can be wrong with an answer -----------------------------------------------------------------


def status(code: int, body: str = "", *, retry_after: str | None = None) -> Fault:
    """Answer with status *code* and the text *body*, by default the proxy's own (rpp.md §2.3).

    *retry_after* is the text of that header: seconds, or an HTTP date.
    """

    def refuse(reply: Reply) -> Reply:
        headers = {"content-type": "text/plain; charset=utf-8"}
        if retry_after is not None:
            headers["retry-after"] = retry_after
        raw = (body or _usual_body(code, reply.resource)).encode()
        return Reply.whole(reply.resource, code, headers, raw)

    return refuse


def _usual_body(code: int, resource: Resource) -> str:
    subject, failed = _WORDS.get(resource, ("404 page", "failed"))
    usual = {
        401: "Unauthorized",
        403: "Forbidden (user=somebody, verb=get, resource=deployments, subresource=cli-binary)",
        404: f"{subject} not found",
        500: "internal error",
        502: failed,
    }
    return usual.get(code, f"status {code}") + "\n"


_WORDS: Mapping[Resource, tuple[str, str]] = {
    "tags": ("image", "failed to list tags"),
    "index": ("manifest", "failed to read manifest"),
    "child": ("manifest", "failed to read manifest"),
    "layer": ("version", "failed to fetch package"),
}


def without_route() -> Fault:
    """Answer as a proxy without this route: Go's stock 404 (rpp.md §2.7, G0 to G2)."""
    return status(404, "404 page not found\n")


def cut(share: float) -> Fault:
    """Announce the whole body, send only *share* (0 to 1) of it, and close the connection."""
    return lambda reply: replace(reply, body=reply.body[: int(len(reply.body) * share)], length=len(reply.body))


def short(share: float) -> Fault:
    """Announce and send only *share* (0 to 1) of the body: a consistent answer with bytes missing."""
    return lambda reply: replaced(reply.body[: int(len(reply.body) * share)])(reply)


def stalled(share: float = 0.5) -> Fault:
    """Announce the whole body, send *share* of it, then send nothing more (``FaultServer.stalling`` is set)."""
    return lambda reply: replace(cut(share)(reply), stalls=True)


def dropped() -> Fault:
    """Close the connection without a byte of an answer."""
    return lambda reply: replace(reply, drops=True)


def longer(extra: int) -> Fault:
    """Announce and send *extra* zero bytes after the right body."""
    return lambda reply: replaced(reply.body + bytes(extra))(reply)


def overrunning(extra: int) -> Fault:
    """Announce the right length, and send *extra* zero bytes after it on the same connection."""
    return lambda reply: replace(reply, body=reply.body + bytes(extra), length=len(reply.body))


def unmeasured() -> Fault:
    """Omit Content-Length: the body ends with the connection. Pass it before ``longer`` or ``short``."""
    return lambda reply: replace(reply, length=None)


def flipped(at: int = -1, bit: int = 0) -> Fault:
    """Flip one *bit* (0 to 7) of the byte at index *at*, which may be negative."""

    def flip(reply: Reply) -> Reply:
        body = bytearray(reply.body)
        body[at] ^= 1 << bit
        return replace(reply, body=bytes(body))

    return flip


def replaced(body: bytes) -> Fault:
    """Send *body* instead, and announce its length if one was announced; status and headers stay."""
    return lambda reply: replace(reply, body=body, length=None if reply.length is None else len(body))


def tags(names: object) -> Fault:
    """Answer with a tag list whose member ``tags`` is *names*, any JSON value."""
    return replaced(json.dumps({"name": "image", "tags": names}).encode())


def header(name: str, value: str | None) -> Fault:
    """Set a header, or remove it if *value* is None: ``header("etag", 'W/"x"')``."""

    def change(reply: Reply) -> Reply:
        kept = {key: text for key, text in reply.headers.items() if key != name.lower()}
        return replace(reply, headers=kept if value is None else {**kept, name.lower(): value})

    return change


def redirected(location: str, code: int = 302) -> Fault:
    """Redirect the client to *location* with status *code*."""
    return lambda reply: Reply.whole(reply.resource, code, {"location": location}, b"")


def captive_portal() -> Fault:
    """Answer 200 with a login page, as networks with a captive portal do."""
    page = b"<!DOCTYPE html><html><title>Log in</title><body>Accept our terms to go on.</body></html>\n"
    return lambda reply: Reply(
        resource=reply.resource,
        status=200,
        headers={"content-type": "text/html; charset=utf-8"},
        body=page,
        length=len(page),
    )


def compressed() -> Fault:
    """Compress the body once more, as an ingress that ignores Accept-Encoding does."""
    return lambda reply: header("content-encoding", "gzip")(replaced(gzip.compress(reply.body, mtime=0))(reply))


# --- the server -----------------------------------------------------------------------------------------------


class _Rule(Struct, kw_only=True):
    resource: Resource | None
    faults: tuple[Fault, ...]
    left: int | None
    skipped: int


class FaultServer(Struct, kw_only=True):
    """A running server: its ``url``, its faults, and the requests that it received. Safe for threads.

    With ``ignores_platform`` it serves linux/amd64 for every platform, under the index's digest, as a proxy that is
    older than the query does (rpp.md §2.7, G1). ``stalling`` is set as soon as an answer has stalled.
    """

    url: str
    source: Source
    wire: Wire = field(default_factory=RppWire)
    ignores_platform: bool = False
    stalling: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seen: list[Seen] = field(default_factory=list)
    _rules: list[_Rule] = field(default_factory=list)

    def on(self, resource: Resource | None, *faults: Fault, times: int | None = None, after: int = 0) -> None:
        """Apply *faults*, in this order, to the answers to *resource* (None: all), *times* times or always.

        The first *after* answers stay right. Several calls add up, in their order.
        """
        with self._lock:
            self._rules.append(_Rule(resource=resource, faults=faults, left=times, skipped=after))

    def reset(self) -> None:
        """Remove every fault, and forget every request."""
        with self._lock:
            self._rules.clear()
            self._seen.clear()
        self.ignores_platform = False
        self.stalling.clear()

    def seen(self, resource: Resource | None = None) -> tuple[Seen, ...]:
        """Return the requests that arrived, in order: those for *resource*, or all."""
        with self._lock:
            return tuple(request for request in self._seen if resource in (None, request.resource))

    def reply(self, request: Seen) -> Reply:
        """Record *request* and return its answer with the faults applied."""
        with self._lock:
            self._seen.append(request)
            faults = [fault for rule in self._rules if self._strikes(rule, request) for fault in rule.faults]
        reply = self.wire.reply(self.source, request, ignores_platform=self.ignores_platform)
        for fault in faults:
            reply = fault(reply)
        return reply

    def end(self) -> None:
        """Release every stalled answer."""
        self._ended.set()

    def hold(self) -> None:
        """Wait, as a stalled answer does, until the server ends."""
        self.stalling.set()
        self._ended.wait()

    @staticmethod
    def _strikes(rule: _Rule, request: Seen) -> bool:
        if rule.resource not in (None, request.resource) or rule.left == 0:
            return False
        if rule.skipped:
            rule.skipped -= 1
            return False
        if rule.left is not None:
            rule.left -= 1
        return True


@contextmanager
def fault_server(source: Source, tls: ssl.SSLContext | None = None, wire: Wire | None = None) -> Iterator[FaultServer]:
    """Serve *source* on a free port of 127.0.0.1 while the context lasts: over https with *tls*, as RPP without *wire*.

    *source* may change in the meantime (a tag that moves), and is not closed.
    """
    server = _HttpServer(("127.0.0.1", 0), _Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
    running = FaultServer(url=url, source=source, wire=wire or RppWire())
    server.faults = running
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.end()
        server.shutdown()
        server.server_close()
        thread.join()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    faults: FaultServer

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Ignore a client that disconnects: the faults provoke it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        faults = cast("_HttpServer", self.server).faults
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = faults.reply(
            Seen(resource=faults.wire.resource(self.path), method=self.command, target=self.path, headers=headers)
        )
        # After a wrong length the connection cannot be reused.
        self.close_connection = reply.drops or reply.stalls or reply.length != len(reply.body)
        if reply.drops:
            return
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.length is not None:
            self.send_header("content-length", str(reply.length))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else reply.body)
        self.wfile.flush()
        if reply.stalls:
            faults.hold()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_CONNECT = answer  # noqa: N815 - http.server names them

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the overridden method's name
        """Log nothing: ``FaultServer.seen`` has the requests."""

"""One TLS handshake and no request: whether the certificate of an address verifies, and whose it is.

Nothing that identifies the person is sent, so an address that a cluster names can be tried before it is trusted.
"""

from __future__ import annotations

import re
import time
from base64 import b64encode
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from d8_installer.errors import D8Error, UnreachableError
from d8_installer.model.address import shown
from d8_installer.model.value import Struct
from d8_installer.registry.origin import Origin, proxy_for
from d8_installer.registry.stream import HeadLimit
from d8_installer.registry.tls import trust
from d8_installer.registry.transport_errors import connection_fault, not_asked

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    import httpcore2

    from d8_installer.registry.client import ClientOptions

_LONGEST_HEAD = 16 << 10


class PeerCertificate(Struct, frozen=True, kw_only=True):
    """What a verified certificate says: the issuer's name, the names that it is for, and the second it ends.

    Of a certificate that was not verified nothing is known.
    """

    is_verified: bool = False
    issuer: str = ""
    names: tuple[str, ...] = ()
    until: float | None = None


def handshake(url: str, options: ClientOptions, seconds: float) -> PeerCertificate:
    """Open a connection to *url*, verify the certificate as *options* say, close it, and return what was presented.

    All of it, resolving the name included, takes at most *seconds*. A failure is the D8Error of the client.
    """
    origin = Origin.parse(url)
    if options.offline:
        raise not_asked(origin)
    proxy = options.forward_proxy or proxy_for(origin, options.env)
    context = trust(ca_file=options.ca_file, roots=options.roots, insecure=options.insecure, env=options.env)
    left = _countdown(seconds)
    import httpcore2

    try:
        stream = _connected(origin, proxy, options, left)
        try:
            stream = stream.start_tls(context, origin.host, left())
            return _peer(cast("ssl.SSLObject", stream.get_extra_info("ssl_object")))
        finally:
            stream.close()
    except (httpcore2.NetworkError, httpcore2.TimeoutException, OSError) as error:
        raise connection_fault(error, origin, proxy) from error


def _countdown(seconds: float) -> Callable[[], float]:
    until = time.monotonic() + seconds
    return lambda: max(0.001, until - time.monotonic())


def _connected(
    origin: Origin, proxy: str | None, options: ClientOptions, left: Callable[[], float]
) -> httpcore2.NetworkStream:
    """Return a connection to *origin*, through the forward proxy if there is one."""
    from d8_installer.registry.network import Network

    network = Network(HeadLimit(), outside=False)
    if proxy is None:
        return network.connect_tcp(origin.host, origin.port, left())
    parts = urlsplit(proxy)
    at_proxy = Origin(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    stream = network.connect_tcp(at_proxy.host, at_proxy.port, left())
    try:
        if at_proxy.scheme == "https":
            roots = trust(ca_file=options.ca_file, insecure=options.insecure, env=options.env)
            stream = stream.start_tls(roots, at_proxy.host, left())
        _ask_for_tunnel(stream, origin, proxy, left)
    except BaseException:
        stream.close()
        raise
    return stream


def _ask_for_tunnel(stream: httpcore2.NetworkStream, origin: Origin, proxy: str, left: Callable[[], float]) -> None:
    """Send CONNECT (RFC 9110 §9.3.6) and read the head of the answer; any answer but a 2xx is an UnreachableError."""
    lines = [f"CONNECT {origin} HTTP/1.1", f"Host: {origin}"]
    parts = urlsplit(proxy)
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {b64encode(login.encode()).decode()}")
    stream.write("\r\n".join([*lines, "", ""]).encode(), left())
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = stream.read(4096, left())
        if not chunk or len(head) > _LONGEST_HEAD:
            raise _no_tunnel(origin, proxy, "it sends no answer")
        head += chunk
    status = re.match(rb"HTTP/1\.[01] ([0-9]{3})[ \r]", head)
    if status is None:
        raise _no_tunnel(origin, proxy, "it speaks no HTTP/1.1")
    if not status[1].startswith(b"2"):
        raise _no_tunnel(origin, proxy, f"status {status[1].decode()}")


def _no_tunnel(origin: Origin, proxy: str, why: str) -> D8Error:
    return UnreachableError(
        f"the proxy {shown(proxy)} does not connect to {origin}: {why}",
        hint="check HTTPS_PROXY, and name the host in NO_PROXY if it needs no proxy",
        code="forward-proxy",
    )


def _peer(connection: ssl.SSLObject) -> PeerCertificate:
    certificate = cast("Mapping[str, object]", connection.getpeercert() or {})
    if not certificate:
        return PeerCertificate()
    from ssl import cert_time_to_seconds

    names = cast("tuple[tuple[str, str], ...]", certificate.get("subjectAltName", ()))
    return PeerCertificate(
        is_verified=True,
        issuer=_name(certificate.get("issuer")),
        names=tuple(_plain(value) for _, value in names[:50]),
        until=float(cert_time_to_seconds(str(certificate["notAfter"]))),
    )


def _name(parts: object) -> str:
    """Return the common name of an issuer, else its organization, else nothing."""
    pairs = [pair for part in cast("tuple[tuple[tuple[str, str], ...], ...]", parts or ()) for pair in part]
    known = dict(reversed(pairs))
    return _plain(known.get("commonName") or known.get("organizationName") or "")


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text[:200])

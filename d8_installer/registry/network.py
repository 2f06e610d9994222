"""Connections below httpx2, with the limits that it lacks: on resolving a name, on an answer's head, on the target.

The second half decides which addresses are inside: this machine, its link, or a cloud's metadata service. Importing
this module imports httpcore2, so it is imported late.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

import httpcore2

from d8_installer.errors import NotAllowedError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from d8_installer.registry.stream import HeadLimit


class Network(httpcore2.NetworkBackend):
    """Opens the connections of one pool.

    A read ends with ReadTimeout once *limit* has passed. If *outside* is set, a host with any address inside
    (``inside``) is a NotAllowedError before anything is sent. The connection goes to the address that was checked, so a
    second answer of the resolver changes nothing.
    """

    def __init__(self, limit: HeadLimit, *, outside: bool) -> None:
        self._inner = httpcore2.SyncBackend()
        self._limit = limit
        self._outside = outside

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address of *host* that accepts the connection."""
        failure: Exception | None = None
        for address in self._addresses(host, port, self._left(timeout)):
            try:
                stream = self._inner.connect_tcp(address, port, self._left(timeout), local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Limited(stream, self._limit)
        raise failure or httpcore2.ConnectError("no address")

    def _left(self, timeout: float | None) -> float | None:
        left = self._limit.left(timeout)
        if left is not None and left <= 0:
            raise httpcore2.ConnectTimeout("the request takes too long")
        return left

    def _addresses(self, host: str, port: int, timeout: float | None) -> list[str]:
        try:
            found = addresses(host, port, timeout)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error.strerror)) from error
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        if self._outside:
            refuse_any(host, port, found)
        return found


_BODY_CHUNK = 256 << 10
"""The most bytes that one read of a body returns. httpcore2 reads 64 KiB, which takes half as long again."""


class _Limited(httpcore2.NetworkStream):
    """A connection whose reads obey the limit on the head of an answer."""

    def __init__(self, inner: httpcore2.NetworkStream, limit: HeadLimit) -> None:
        self._inner = inner
        self._limit = limit

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._limit.left(timeout)
        if left is not None and left <= 0:
            raise httpcore2.ReadTimeout("the head of the answer takes too long")
        return self._inner.read(max_bytes if self._limit.is_running else _BODY_CHUNK, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)
        self._limit.restart()

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = self._limit.left(timeout)
        if left is not None and left <= 0:
            raise httpcore2.ConnectTimeout("the request takes too long")
        try:
            return _Limited(self._inner.start_tls(ssl_context, server_hostname, left), self._limit)
        except ValueError as error:  # a UnicodeError is one
            raise httpcore2.ConnectError("not a host name") from error

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


# -- addresses ---------------------------------------------------------------------------------------------

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
# Where clouds hand out a machine's credentials, besides 169.254.169.254, which is link-local: Alibaba, Azure, Oracle,
# and AWS and Google over IPv6.
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"),
    )
)


def addresses(host: str, port: int, timeout: float | None) -> list[str]:
    """Return the addresses of *host* in the system's order; a literal address is returned as it is.

    Raise OSError (socket.gaierror) if it has none, TimeoutError after *timeout* seconds. A thread waits for the
    resolver, which has no limit that a caller could set.
    """
    if _is_literal(host):
        return [host]
    found: list[str] = []
    failed: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(answer[4][0]) for answer in answers))
        except (OSError, UnicodeError) as error:
            failed.append(error)

    # A daemon: the command may end while the resolver still waits.
    thread = threading.Thread(target=ask, name="d8-resolve", daemon=True)
    thread.start()
    thread.join(timeout)
    if failed:
        raise failed[0] if isinstance(failed[0], OSError) else OSError(0, "not a host name")
    if not found:
        raise TimeoutError(0, f"the name is not resolved after {timeout or 0:.0f} s")
    return found


def inside(address: str) -> str | None:
    """Return in words what kind of address inside *address* is, or None if it is elsewhere.

    Inside are loopback, link-local, unspecified and multicast addresses, those of this machine's interfaces, and the
    metadata services of clouds, also when an IPv6 address wraps one (RFC 4291, 6052, 3056). Private networks (RFC 1918,
    4193) are elsewhere: companies keep registries there.
    """
    wrapped = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    if wrapped.is_loopback or wrapped.is_unspecified or (wrapped.version == 4 and wrapped in _THIS_NETWORK):
        return "this machine"
    if wrapped.is_link_local:
        return "a link-local address"
    if wrapped.is_multicast:
        return "a multicast address"
    if wrapped in _METADATA:
        return "a cloud's metadata service"
    return "this machine" if _is_own(wrapped) else None


def is_inside(host: str, port: int, timeout: float) -> bool:
    """Whether every address of *host* is inside; False for a name without an address."""
    try:
        return all(map(inside, addresses(host, port, timeout)))
    except OSError:
        return False


def refuse_any(host: str, port: int, found: Iterable[str]) -> None:
    """Raise NotAllowedError if any of the addresses of *host* is inside."""
    for address in found:
        if (what := inside(address)) is not None:
            raise NotAllowedError(
                f"{host}:{port} was not asked: {address} is {what}, and the registry that names it is elsewhere",
                hint="check the registry's address, and what it names as its token service or redirects to",
                code="unsafe-redirect",
            )


def refuse_inside(host: str, port: int, timeout: float) -> None:
    """As ``refuse_any``, for a host that a forward proxy connects to; a name that only the proxy resolves passes."""
    try:
        found = addresses(host, port, timeout)
    except OSError:
        return
    refuse_any(host, port, found)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _unwrapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_own(address: Address) -> bool:
    """Whether an interface of this machine has *address*: the system would then send from it. Sends nothing."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return ipaddress.ip_address(str(probe.getsockname()[0]).partition("%")[0]) == address
    except OSError:
        return False

"""Connections below httpx2, with the limits that it lacks: on resolving a name, on an answer's head, on where to.

Imports httpcore2, so it is imported late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpcore2

from d8_installer.registry.reach import addresses, refuse_any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from d8_installer.registry.head import HeadLimit


class Network(httpcore2.NetworkBackend):
    """Opens the connections of one pool.

    A read ends with ReadTimeout when *limit* has passed. *outside*: a host of which any address is inside
    (``reach.inside``) is a NotAllowedError before anything is sent; the address that was judged is the one that is
    connected to, so that a second answer of the resolver changes nothing.
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
        """Connect to the first address of *host* that takes the connection."""
        failure: Exception | None = None
        for address in self._addresses(host, port, timeout):
            try:
                stream = self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Limited(stream, self._limit)
        raise failure or httpcore2.ConnectError("no address")

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


class _Limited(httpcore2.NetworkStream):
    """A connection of which every read is held to the limit of the head that is waited for."""

    def __init__(self, inner: httpcore2.NetworkStream, limit: HeadLimit) -> None:
        self._inner = inner
        self._limit = limit

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._limit.left(timeout)
        if left is not None and left <= 0:
            raise httpcore2.ReadTimeout("the head of the answer takes too long")
        return self._inner.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)
        self._limit.restart()

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Limited(self._inner.start_tls(ssl_context, server_hostname, timeout), self._limit)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

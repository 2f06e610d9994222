"""Clients that remember how long they would have waited, and never wait."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from d8_installer.model.value import replace
from d8_installer.registry.client import Client, ClientOptions, OriginIdentity

if TYPE_CHECKING:
    from collections.abc import Iterator


class Waits(list[float]):
    """Remembers how long the client would have waited."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@contextmanager
def connected(options: ClientOptions, token: OriginIdentity | None = None) -> Iterator[Client]:
    client = Client(options if options.wait is not None else replace(options, wait=Waits()), token)
    try:
        yield client
    finally:
        client.close()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port

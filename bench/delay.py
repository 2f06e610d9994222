"""A server that delays the answers of another one by 50 ms: ``delay.py UPSTREAM`` prints its address.

Answers wait independently of each other, and connections stay open. Answers are kept in memory, so that the bench
measures the delay and not the server behind it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.error import HTTPError
from urllib.request import urlopen

DELAY = 0.05
COUNT = "/-/count"
"""The path that returns the number of requests since its last use, and the most that were concurrent."""


class Delayed:
    """The answers of *upstream*, and the counts of requests."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._kept: dict[str, bytes] = {}
        self._requests = 0
        self._under_way = 0
        self._at_once = 0

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve GET requests until the client closes the connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head.split(b" ", 2)[1].decode("latin-1")))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, target: str) -> bytes:
        if target == COUNT:
            return self._count()
        self._requests += 1
        self._under_way += 1
        self._at_once = max(self._at_once, self._under_way)
        try:
            if target not in self._kept:
                self._kept[target] = await asyncio.to_thread(fetch, f"{self._upstream}{target}")
            await asyncio.sleep(DELAY)
            return self._kept[target]
        finally:
            self._under_way -= 1

    def _count(self) -> bytes:
        body = json.dumps([self._requests, self._at_once]).encode()
        self._requests = self._at_once = 0
        return whole(200, "application/json", body)


def fetch(url: str) -> bytes:
    """Return the whole answer of the upstream, with its status line."""
    try:
        with urlopen(url) as answer:  # noqa: S310 - the proxy on loopback
            return whole(answer.status, answer.headers["Content-Type"], answer.read())
    except HTTPError as error:
        return whole(error.code, error.headers["Content-Type"], error.read())


def whole(status: int, media_type: str, body: bytes) -> bytes:
    """Return an HTTP/1.1 answer that keeps the connection open."""
    head = f"HTTP/1.1 {status} -\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body


async def main(upstream: str) -> None:
    """Serve on a free port of loopback until killed."""
    server = await asyncio.start_server(Delayed(upstream).connection, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

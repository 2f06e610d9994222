"""A server that gives another one's answers, each 50 ms late: ``delay.py UPSTREAM`` prints its address.

Answers wait independently of each other and connections stay open. An answer is kept in memory once it was
given, so that what is measured later is the delay, and not the server behind.
"""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.error import HTTPError
from urllib.request import urlopen

DELAY = 0.05
COUNT = "/-/count"
"""Asks for the number of requests since the last asking, and for the most that were under way at once."""


class Delayed:
    """The answers of *upstream*, and the count of who asked."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._kept: dict[str, bytes] = {}
        self._requests = 0
        self._under_way = 0
        self._at_once = 0

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve GETs until the client closes."""
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
    """Return the upstream's answer, status line and all."""
    try:
        with urlopen(url) as answer:  # noqa: S310 - the proxy on loopback that we were given
            return whole(answer.status, answer.headers["Content-Type"], answer.read())
    except HTTPError as error:
        return whole(error.code, error.headers["Content-Type"], error.read())


def whole(status: int, media_type: str, body: bytes) -> bytes:
    """Return an HTTP/1.1 answer that keeps the connection."""
    head = f"HTTP/1.1 {status} -\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body


async def main(upstream: str) -> None:
    """Serve on a free port of loopback until killed."""
    server = await asyncio.start_server(Delayed(upstream).connection, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

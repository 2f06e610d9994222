"""Connections that want nothing but places: ``python -m tests.proxy.attacker PORT COUNT SECONDS``.

Each sends nothing, half a request, a byte of one now and then, HTTP/2's preface, or one request and then nothing. One
that is closed is opened again. It says ``ready`` when all have been open once, and ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HEAD = b"GET /v1/images/deckhouse-cli/plugins/foo/images/v1.0.0?platform=linux-amd64 HTTP/1.1\r\nHost: x\r\nX-Pad: "
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _silent(_peer: Peer) -> None:
    return


async def _half(peer: Peer) -> None:
    peer[1].write(HEAD)


async def _long(peer: Peer) -> None:
    peer[1].write(HEAD + b"x" * 30_000)


async def _dripping(peer: Peer) -> None:
    with contextlib.suppress(OSError):
        for byte in cycle(HEAD):
            peer[1].write(bytes([byte]))
            await peer[1].drain()
            await asyncio.sleep(0.5)


async def _preface(peer: Peer) -> None:
    peer[1].write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))


async def _idle(peer: Peer) -> None:
    peer[1].write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")


KINDS: tuple[Callable[[Peer], Awaitable[None]], ...] = (_silent, _half, _dripping, _preface, _long, _idle)


async def _hold(port: int, kind: Callable[[Peer], Awaitable[None]], opened: Callable[[], None]) -> None:
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            opened()
            with contextlib.closing(writer):
                sending = asyncio.ensure_future(kind((reader, writer)))
                while await reader.read(4096):
                    pass
                sending.cancel()
        await asyncio.sleep(0.2)


async def main(port: int, count: int, seconds: float) -> None:
    missing, ready = count, asyncio.Event()

    def opened() -> None:
        nonlocal missing
        missing -= 1
        if missing == 0:
            ready.set()

    tasks = []
    for number in range(count):
        tasks.append(asyncio.create_task(_hold(port, KINDS[number % len(KINDS)], opened)))
        if number % 100 == 99:
            await asyncio.sleep(0)
    await ready.wait()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = int(sys.argv[2]) + 100
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    with contextlib.suppress(TimeoutError):
        asyncio.run(asyncio.wait_for(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])), 120))

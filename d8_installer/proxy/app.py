"""The proxy as an ASGI application: a scope becomes a request, an answer becomes events and a log line.

It is bare ASGI: starlette's Route would add HEAD, and its FileResponse Range, both against rpp.md §2. ``handler``
decides the answer.

Files are sent as ordinary chunks of the body. Measured with granian 2.8, ``http.response.pathsend`` takes half as long
again: it hands each 128 KiB to another thread and copies them once more.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, cast

from d8_installer.errors import D8Error, DiskError
from d8_installer.model.value import Struct
from d8_installer.proxy.cache import CHUNK, open_cached
from d8_installer.proxy.handler import Handler, LayerAnswer, ProxyRequest

if TYPE_CHECKING:
    from d8_installer.proxy.answers import Answer, Headers

AsgiScope = Mapping[str, object]
Send = Callable[[dict[str, object]], Awaitable[None]]
Receive = Callable[[], Awaitable[object]]

_CONTROL = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), " ")
_AT_ONCE: int | None = getattr(os, "RWF_NOWAIT", None)
"""The flag of preadv that reads only what is in memory; Linux has it."""


class _Sent(Struct, frozen=True):
    """The log's view of an answer; ``problem`` is empty if there was none."""

    status: int
    bytes: int
    problem: str


class ProxyApp:
    """The ASGI 3 callable, only for http. *log* gets one line for each request; None logs nothing."""

    def __init__(self, handler: Handler, log: Callable[[str], None] | None = None) -> None:
        self._handler = handler
        self._log = log
        self._answering: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Serve one request. Its body is never read."""
        if scope["type"] != "http":
            raise NotImplementedError(f"the proxy speaks no {scope['type']}")
        started = time.perf_counter()
        request = _request(scope)
        sent = await self._cancellable(self._serve(request, send))
        if self._log is not None:
            took = (time.perf_counter() - started) * 1000
            problem = f": {sent.problem}" if sent.problem else ""
            line = f"{request.method} {request.raw_path} {sent.status} {sent.bytes} {took:.1f}ms{problem}"
            self._log(line.translate(_CONTROL))

    def cut(self) -> None:
        """End every answer that is still being sent."""
        for task in self._answering:
            task.cancel()

    async def _cancellable(self, serving: Coroutine[None, None, _Sent]) -> _Sent:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._answering.add(task)
        try:
            return await serving
        except asyncio.CancelledError:
            # Only ``cut`` and the end of the loop cancel a request, and the server would print a traceback for it.
            return _Sent(0, 0, "cut: the proxy stops")
        finally:
            self._answering.discard(task)

    async def _serve(self, request: ProxyRequest, send: Send) -> _Sent:
        answer = await self._handler.answer(request)
        if isinstance(answer, LayerAnswer):
            return await self._send_layer(answer, request, send)
        return await _send_small(answer, request, send)

    async def _send_layer(self, answer: LayerAnswer, request: ProxyRequest, send: Send) -> _Sent:
        if request.method == "HEAD":
            await send(_start(200, answer.headers))
            await send(_body(b""))
            return _Sent(200, 0, "")
        body = answer.body
        chunks = self._file_chunks(body, answer.size) if isinstance(body, str) else body.chunks()
        return await _send_chunks(chunks, answer.headers, send)

    async def _file_chunks(self, path: str, size: int) -> AsyncGenerator[bytes, None]:
        """Yield the first *size* bytes of a file. A thread reads what is not in memory: disks can be slow."""
        try:
            with open_cached(path) as file:
                at = 0
                while at < size:
                    count = min(CHUNK, size - at)
                    if _is_in_memory(file.fileno(), at + count - 1):
                        chunk = file.read(count)
                    else:
                        chunk = await self._handler.workers.run(partial(file.read, count))
                    if not chunk:
                        raise DiskError(f"{path} was cut while it was sent")
                    at += len(chunk)
                    yield chunk
        except OSError as error:
            raise DiskError(f"cannot read {path}: {error.strerror}") from error


def _is_in_memory(descriptor: int, at: int) -> bool:
    """Whether a file's byte *at*, and so most likely those before it, can be read without waiting for a disk."""
    if sys.platform == "win32" or _AT_ONCE is None:
        return False
    try:
        return os.preadv(descriptor, [bytearray(1)], at, _AT_ONCE) == 1
    except OSError:  # it is not in memory, or the file system does not have this flag
        return False


async def _send_small(answer: Answer, request: ProxyRequest, send: Send) -> _Sent:
    await send(_start(answer.status, answer.headers))
    # HEAD gets the body too, as in Go's handlers: the server drops it.
    await send(_body(answer.body))
    return _Sent(answer.status, 0 if request.method == "HEAD" else len(answer.body), answer.problem)


async def _send_chunks(chunks: AsyncGenerator[bytes, None], headers: Headers, send: Send) -> _Sent:
    """Send *chunks* as they come. If they end early the response stays incomplete: the server cuts the connection."""
    sent = 0
    await send(_start(200, headers))
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                await send(_body(chunk, more=True))
                sent += len(chunk)
    except D8Error as error:
        return _Sent(200, sent, f"cut: {error.message}")
    await send(_body(b""))
    return _Sent(200, sent, "")


def _start(status: int, headers: Headers) -> dict[str, object]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def _body(data: bytes, *, more: bool = False) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def _request(scope: AsgiScope) -> ProxyRequest:
    path = str(scope["path"])
    raw_path, query = scope.get("raw_path"), scope.get("query_string")
    headers = cast("Iterable[tuple[bytes, bytes]]", scope["headers"])
    return ProxyRequest(
        method=str(scope["method"]),
        path=path,
        raw_path=raw_path.decode("latin-1") if isinstance(raw_path, bytes) else path,
        query=query.decode("latin-1") if isinstance(query, bytes) else "",
        authorization=next((value for name, value in headers if name == b"authorization"), b""),
    )

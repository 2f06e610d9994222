"""The proxy as an ASGI application: a scope becomes a request, an answer becomes events and a log line.

Bare ASGI: starlette's Route would add HEAD and its FileResponse Range, both against rpp.md §2, and the
rest of it is not needed. What is answered is decided in ``handler``.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from d8_installer.errors import D8Error
from d8_installer.model.value import Struct
from d8_installer.proxy.cache import CHUNK
from d8_installer.proxy.handler import Handler, LayerAnswer, ProxyRequest

if TYPE_CHECKING:
    from d8_installer.proxy.answers import Answer, Headers

Scope = Mapping[str, object]
Send = Callable[[dict[str, object]], Awaitable[None]]
Receive = Callable[[], Awaitable[object]]

PATHSEND = "http.response.pathsend"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class _Sent(Struct, frozen=True):
    """What the log says of an answer; ``problem`` is empty where all went well."""

    status: int
    bytes: int
    problem: str


class ProxyApp:
    """The ASGI 3 callable, http only. *log* gets one line a request; None is silence."""

    def __init__(self, handler: Handler, log: Callable[[str], None] | None = None) -> None:
        self._handler = handler
        self._log = log
        self._answering: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Serve one request; its body is never read."""
        if scope["type"] != "http":
            raise NotImplementedError(f"the proxy speaks no {scope['type']}")
        started = time.perf_counter()
        request = _request(scope)
        sent = await self._cancellable(self._serve(request, scope, send))
        if self._log is not None:
            took = (time.perf_counter() - started) * 1000
            problem = f": {sent.problem}" if sent.problem else ""
            line = f"{request.method} {request.raw_path} {sent.status} {sent.bytes} {took:.1f}ms{problem}"
            self._log(_CONTROL.sub(" ", line))

    def cut(self) -> None:
        """End every answer that is still on its way, finished or not."""
        for task in self._answering:
            task.cancel()

    async def _cancellable(self, serving: Coroutine[None, None, _Sent]) -> _Sent:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._answering.add(task)
        try:
            return await serving
        except asyncio.CancelledError:
            # only ``cut`` and the end of the loop cancel us, and a server would print a traceback for it
            return _Sent(0, 0, "cut: the proxy stops")
        finally:
            self._answering.discard(task)

    async def _serve(self, request: ProxyRequest, scope: Scope, send: Send) -> _Sent:
        answer = await self._handler.answer(request)
        if isinstance(answer, LayerAnswer):
            return await self._send_layer(answer, request, scope, send)
        return await _send_small(answer, request, send)

    async def _send_layer(self, answer: LayerAnswer, request: ProxyRequest, scope: Scope, send: Send) -> _Sent:
        if request.method == "HEAD":
            await send(_start(200, answer.headers))
            await send(_body(b""))
            return _Sent(200, 0, "")
        if isinstance(answer.body, str) and PATHSEND in cast("Mapping[str, object]", scope.get("extensions") or {}):
            await send(_start(200, answer.headers))
            await send({"type": PATHSEND, "path": answer.body})
            return _Sent(200, answer.size, "")
        chunks = self._file_chunks(answer.body) if isinstance(answer.body, str) else answer.body.chunks()
        return await _send_chunks(chunks, answer.headers, send)

    async def _file_chunks(self, path: str) -> AsyncGenerator[bytes, None]:
        with open(path, "rb") as file:
            while chunk := await self._handler.workers.run(lambda: file.read(CHUNK)):
                yield chunk


async def _send_small(answer: Answer, request: ProxyRequest, send: Send) -> _Sent:
    await send(_start(answer.status, answer.headers))
    # to HEAD too, as Go's handlers do: the server keeps the body back
    await send(_body(answer.body))
    return _Sent(answer.status, 0 if request.method == "HEAD" else len(answer.body), answer.problem)


async def _send_chunks(chunks: AsyncGenerator[bytes, None], headers: Headers, send: Send) -> _Sent:
    """Send *chunks* as they come. If they end early the response stays unfinished: the server cuts the connection."""
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


def _request(scope: Scope) -> ProxyRequest:
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

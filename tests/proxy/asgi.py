"""Drives an ASGI callable in process, one request after the other; keeps what it sent, cut or whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import unquote

App = Callable[
    [Mapping[str, object], Callable[[], Awaitable[object]], Callable[[dict[str, object]], Awaitable[None]]],
    Awaitable[None],
]


@dataclass
class Reply:
    """What the application sent. ``whole`` is False if it stopped before the last event of the body."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False


async def ask(
    app: App,
    target: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    after_event: Callable[[], None] = lambda: None,
) -> Reply:
    """Send one request for a path and query, percent-encoded; the reply's header names are in lower case.

    *after_event* is called after each event that the application sends.
    """
    raw_path, _, query = target.partition("?")
    scope: dict[str, object] = {
        "type": "http",
        "method": method,
        "path": unquote(raw_path),
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    reply = Reply()

    async def receive() -> object:
        raise AssertionError("the proxy reads no request body")

    async def send(event: dict[str, object]) -> None:
        _note(event, reply)
        after_event()

    await app(scope, receive, send)
    return reply


def ask_once(app: App, target: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Reply:
    """``ask`` in an event loop of its own."""
    return asyncio.run(_ask(app, target, method, headers))


async def _ask(app: App, target: str, method: str, headers: Mapping[str, str] | None) -> Reply:
    return await ask(app, target, method=method, headers=headers)


def _note(event: dict[str, object], reply: Reply) -> None:
    if event["type"] == "http.response.start":
        assert reply.status == 0, "started twice"
        reply.status = cast("int", event["status"])
        for name, value in cast("tuple[tuple[bytes, bytes], ...]", event["headers"]):
            assert name == name.lower(), "ASGI wants header names in lower case"
            reply.headers[name.decode()] = value.decode()
    else:
        assert not reply.whole, "sent after the end"
        reply.body += cast("bytes", event["body"])
        reply.whole = not event["more_body"]

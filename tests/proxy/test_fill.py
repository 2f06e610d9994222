"""Layers on their way: fetched once for everybody, never whole when wrong, never lost to one client's leaving."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import TryAgainError
from d8_installer.model.digest import Digest
from d8_installer.proxy import app
from d8_installer.proxy.app import ProxyApp
from d8_installer.proxy.cache import CHUNK as FILE_CHUNK
from d8_installer.proxy.cache import LayerCache
from d8_installer.proxy.handler import Handler
from d8_installer.proxy.upstream import Upstream
from d8_installer.testing.memory import CHUNK, MemorySource, image_manifest
from tests.proxy.asgi import Reply, ask, ask_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FOO = "deckhouse-cli/plugins/foo"
V1 = f"/v1/images/{FOO}/images/v1"
LAYER = os.urandom(5 * CHUNK + 17)


@pytest.fixture
def source() -> MemorySource:
    made = MemorySource()
    made.add_image(FOO, "v1", LAYER)
    return made


@pytest.fixture
def handler(source: MemorySource, tmp_path: Path) -> Iterator[Handler]:
    made = Handler(Upstream(lambda: "memory:", lambda _: source), LayerCache(str(tmp_path), 1 << 30))
    yield made
    made.close()


def files_in(directory: Path) -> list[str]:
    return [name for _, _, names in os.walk(directory) for name in names]


def test_clients_at_the_same_time_share_one_transfer(source: MemorySource, handler: Handler) -> None:
    released = threading.Event()
    source.before_chunk = lambda at: None if at == 0 else assert_waited(released)

    async def many() -> list[Reply]:
        asking = [asyncio.create_task(ask(ProxyApp(handler), V1)) for _ in range(8)]
        while source.count("manifest") < 8:
            await asyncio.sleep(0)
        released.set()
        return await asyncio.gather(*asking)

    replies = asyncio.run(many())
    assert [reply.body == LAYER and reply.whole for reply in replies] == [True] * 8
    assert source.count("layer") == 1


def assert_waited(event: threading.Event) -> None:
    assert event.wait(60)


def test_bytes_flow_before_the_last_has_come(source: MemorySource, handler: Handler) -> None:
    arrived = threading.Event()
    source.before_chunk = lambda at: None if at == 0 else assert_waited(arrived)

    async def first_chunk() -> int:
        sizes: list[int] = []

        async def send(event: dict[str, object]) -> None:
            body = event.get("body")
            if isinstance(body, bytes):
                sizes.append(len(body))
                arrived.set()

        async def receive() -> object:
            raise AssertionError

        scope = {"type": "http", "method": "GET", "path": V1, "headers": []}
        await ProxyApp(handler)(scope, receive, send)
        return sizes[0]

    assert asyncio.run(first_chunk()) == CHUNK


def raise_at(offset: int) -> Callable[[int], None]:
    def before_chunk(at: int) -> None:
        if at >= offset:
            raise TryAgainError("the line broke")

    return before_chunk


def test_a_broken_transfer_is_cut_and_leaves_nothing(source: MemorySource, handler: Handler, tmp_path: Path) -> None:
    lines: list[str] = []
    source.before_chunk = raise_at(2 * CHUNK)
    reply = ask_once(ProxyApp(handler, lines.append), V1)
    # the fault may be known before the first byte is sent
    assert reply.status == 502 or not reply.whole
    assert lines[0].endswith(": the line broke")
    assert files_in(tmp_path) == []
    source.before_chunk = None
    assert ask_once(ProxyApp(handler), V1).body == LAYER


@pytest.mark.parametrize("wrong", [LAYER[:-1] + bytes([LAYER[-1] ^ 1]), LAYER[:-1], LAYER + b"x"])
def test_no_client_gets_a_whole_wrong_layer(
    handler: Handler, source: MemorySource, wrong: bytes, tmp_path: Path
) -> None:
    source.add_blob(FOO, wrong, digest=Digest.of(LAYER))
    reply = ask_once(ProxyApp(handler), V1)
    assert reply.status == 502 or not reply.whole
    assert len(reply.body) < len(LAYER)
    assert files_in(tmp_path) == []


def test_a_client_that_leaves_stops_nobody(source: MemorySource, handler: Handler) -> None:
    released = threading.Event()
    source.before_chunk = lambda at: None if at == 0 else assert_waited(released)

    async def leave_and_stay() -> Reply:
        leaving = asyncio.create_task(ask(ProxyApp(handler), V1))
        while source.count("layer") == 0:
            await asyncio.sleep(0)
        staying = asyncio.create_task(ask(ProxyApp(handler), V1))
        leaving.cancel()
        released.set()
        return await staying

    reply = asyncio.run(leave_and_stay())
    assert reply.whole
    assert reply.body == LAYER
    assert source.count("layer") == 1


def test_a_spoiled_cache_is_fetched_again(source: MemorySource, handler: Handler, tmp_path: Path) -> None:
    assert ask_once(ProxyApp(handler), V1).whole
    path = tmp_path / "sha256" / Digest.of(LAYER).hex
    path.write_bytes(b"\0" + LAYER[1:])
    os.utime(path, (0, 0))
    assert ask_once(ProxyApp(handler), V1).body == LAYER
    assert source.count("layer") == 2


def test_a_cached_layer_is_sent_from_its_file(source: MemorySource, handler: Handler) -> None:
    for _ in range(2):
        assert ask_once(ProxyApp(handler), V1).body == LAYER
    assert source.count("layer") == 1


@pytest.mark.parametrize("size", [0, 1, FILE_CHUNK - 1, FILE_CHUNK, FILE_CHUNK + 1, 3 * FILE_CHUNK])
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_file_is_sent_whole_from_memory_and_from_a_disk(
    source: MemorySource, handler: Handler, size: int, in_memory: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_memory:  # as on a system whose preadv cannot tell
        monkeypatch.setattr(app, "_AT_ONCE", None)
    data = bytes(range(251)) * (size // 251) + bytes(size % 251)
    source.add_image(FOO, "v1", data)
    for _ in range(2):
        reply = ask_once(ProxyApp(handler), V1)
        assert (reply.whole, reply.body) == (True, data)


def test_a_file_that_is_cut_while_it_is_sent_cuts_the_answer(
    source: MemorySource, handler: Handler, tmp_path: Path
) -> None:
    data, lines = bytes(3 * FILE_CHUNK), list[str]()
    source.add_image(FOO, "v1", data)
    assert ask_once(ProxyApp(handler), V1).whole
    path = tmp_path / "sha256" / Digest.of(data).hex
    reply = asyncio.run(ask(ProxyApp(handler, lines.append), V1, after_event=lambda: os.truncate(path, FILE_CHUNK)))
    assert (reply.whole, len(reply.body)) == (False, FILE_CHUNK)
    assert lines[-1].endswith(f": cut: {path} was cut while it was sent")


def test_a_local_source_is_sent_from_where_it_lies(source: MemorySource, handler: Handler, tmp_path: Path) -> None:
    place = tmp_path / "blob"
    place.write_bytes(LAYER)
    source.add_blob(FOO, LAYER, path=str(place))
    assert ask_once(ProxyApp(handler), V1).body == LAYER
    assert files_in(tmp_path) == ["blob"], "nothing is copied"


@pytest.mark.parametrize("content", [b"\0" + LAYER[1:], LAYER[:-1], None])
def test_a_local_file_with_other_bytes_is_refused(
    source: MemorySource, handler: Handler, tmp_path: Path, content: bytes | None
) -> None:
    place = tmp_path / "blob"
    if content is not None:
        place.write_bytes(content)
    source.add_blob(FOO, LAYER, path=str(place))
    reply = ask_once(ProxyApp(handler), V1)
    assert (reply.status, reply.body) == (502, b"failed to fetch package\n")


def test_a_cache_that_cannot_be_written_is_a_failure(source: MemorySource, handler: Handler, tmp_path: Path) -> None:
    (tmp_path / "incoming").rmdir()
    reply = ask_once(ProxyApp(handler), V1)
    assert (reply.status, reply.body) == (502, b"failed to fetch package\n")


def test_a_size_that_the_source_contradicts_is_a_failure(source: MemorySource, handler: Handler) -> None:
    manifest = image_manifest([LAYER + b"longer"])
    source.add_blob(FOO, LAYER, digest=Digest.of(LAYER + b"longer"))
    source.add_tag(FOO, "v1", manifest)
    assert ask_once(ProxyApp(handler), V1).status == 502

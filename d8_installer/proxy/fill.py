"""Layers on their way from a source into the cache, and the readers that follow them while they arrive.

Each layer is fetched once, however many clients ask for it at the same time. A reader gets the last byte only after
the digest is verified, so that no client ever has a complete layer with wrong bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, MismatchError, TryAgainError
from d8_installer.proxy.cache import CHUNK, GONE, open_cached

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from io import FileIO

    from d8_installer.model.digest import Digest
    from d8_installer.model.source import Body, LayerRequest, Source
    from d8_installer.proxy.cache import LayerCache, TemporaryLayer
    from d8_installer.proxy.workers import Workers


class Fill:
    """One layer that arrives: ``run`` writes it in a thread, and any number of ``chunks`` read it.

    The state changes only in the event loop.
    """

    def __init__(self, cache: LayerCache, request: LayerRequest, stopping: threading.Event) -> None:
        self._cache = cache
        self._request = request
        self._stopping = stopping
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._temp: str | None = None
        self._available = 0
        self._ended = False
        self._error: BaseException | None = None
        self.local: str | None = None
        """The path of the layer's verified file, if the source is local."""

    # --- in the event loop ---

    async def opened(self) -> None:
        """Wait until the source has opened the layer, or has given its file; raise the error that ended the fill."""
        while self._temp is None and not self._ended:
            await self._changed.wait()
        if self._error is not None:
            raise self._error

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the layer from its beginning while it arrives; raise the error that ended it early."""
        at = 0
        with await self._open() as file:
            while self._error is None:
                if at < self._available:
                    data = file.read(min(CHUNK, self._available - at))
                    at += len(data)
                    yield data
                elif self._ended:
                    return
                else:
                    await self._changed.wait()
        raise self._error

    def end(self, error: BaseException | None) -> None:
        """Tell the readers that nothing follows."""
        self._ended, self._error = True, error
        self._notify()

    def _advance(self, available: int) -> None:
        self._available = available
        self._notify()

    def _begin(self, temp: str) -> None:
        self._temp = temp
        self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _open(self) -> FileIO:
        """Open the file that arrives. The thread may be ahead of the loop: it has committed or removed the file."""
        for path in (self._temp or "", self._cache.path_of(self._request.layer)):
            with suppress(*GONE):
                return open_cached(path)
        while not self._ended:
            await self._changed.wait()
        raise self._error or DiskError(f"{self._request.layer} vanished from the cache")

    # --- in a thread ---

    def run(self, source: Source) -> None:
        """Fetch the layer; a D8Error if it does not arrive, or has other bytes than its manifest says."""
        with _disk_errors(), source.layer(self._request) as body:
            if body.path is not None:
                self._verify(body.path)
                return
            if body.size is not None and body.size != self._request.size:
                raise MismatchError(f"{self._request.layer} has {body.size} bytes, not {self._request.size}")
            incoming = self._cache.begin()
            try:
                self._tell(self._begin, incoming.path)
                self._cache.commit(incoming, self._request.layer, self._receive(body, incoming))
            except BaseException:
                self._cache.abandon(incoming)
                raise
            self._tell(self._advance, self._request.size)

    def _verify(self, path: str) -> None:
        if not self._cache.verify_elsewhere(path, self._request.layer, self._request.size):
            raise MismatchError(f"{path} does not have the bytes of {self._request.layer}")
        self.local = path

    def _receive(self, body: Body, incoming: TemporaryLayer) -> str:
        """Write the body to the temporary file; return its sha256 in hex."""
        size, written, digest = self._request.size, 0, hashlib.sha256()
        for chunk in body:
            if self._stopping.is_set():
                raise TryAgainError("the proxy is being stopped")
            written += len(chunk)
            if written > size:
                raise MismatchError(f"{self._request.layer} has more than {size} bytes")
            incoming.file.write(chunk)
            incoming.file.flush()
            digest.update(chunk)
            self._tell(self._advance, min(written, size - 1))
        if written != size:
            raise TryAgainError(f"{self._request.layer} ended after {written} of {size} bytes")
        return digest.hexdigest()

    def _tell(self, call: Callable[..., None], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)


class Fills:
    """The running fills, by layer digest. Only for the event loop."""

    def __init__(self, cache: LayerCache, workers: Workers) -> None:
        self._cache = cache
        self._workers = workers
        self._stopping = threading.Event()
        self._running: dict[Digest, Fill] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def follow(self, request: LayerRequest, source: Source) -> Fill:
        """Return the opened fill of a layer, running or new; raise the error if it cannot be opened."""
        fill = self._running.get(request.layer)
        if fill is None:
            fill = self._running[request.layer] = Fill(self._cache, request, self._stopping)
            task = asyncio.create_task(self._supervise(fill, request, source))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await fill.opened()
        return fill

    def stop(self) -> None:
        """End the fills at their next chunk."""
        self._stopping.set()

    async def _supervise(self, fill: Fill, request: LayerRequest, source: Source) -> None:
        error: BaseException | None = None
        try:
            await self._workers.run(lambda: fill.run(source))
        except BaseException as problem:  # noqa: BLE001 - every reader raises it
            error = problem
        del self._running[request.layer]
        fill.end(error)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(f"cannot keep or read a layer: {error.strerror or error}") from error

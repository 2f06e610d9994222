"""The threads in which Sources block, so that the event loop never does.

ThreadPoolExecutor is not used: its threads are joined when the interpreter ends, and a thread that waits for a silent
registry would delay the end after SIGTERM. These threads are daemons.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Workers:
    """At most *limit* daemon threads, started when needed; further calls wait for a free one."""

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = 0
        self._busy = 0

    async def run(self, function: Callable[[], T]) -> T:
        """Run *function* in a thread, and return or raise what it does. Only for the event loop.

        Cancelling the caller does not stop the function.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 - the caller gets it
                _tell(loop, self._settle, future, None, error)
            else:
                _tell(loop, self._settle, future, result, None)

        self._busy += 1
        if self._busy > self._threads and self._threads < self._limit:
            self._threads += 1
            threading.Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()
        self._jobs.put(job)
        return await future

    def stop(self) -> None:
        """End the idle threads; a busy one ends after its call."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _settle(self, future: asyncio.Future[T], result: T | None, error: BaseException | None) -> None:
        self._busy -= 1
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # None only where T allows it


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: object) -> None:
    """Call in the loop, unless it has closed: then nothing waits for the call."""
    try:
        loop.call_soon_threadsafe(call, *arguments)
    except RuntimeError:
        if not loop.is_closed():
            raise

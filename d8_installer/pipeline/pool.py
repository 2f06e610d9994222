"""A pool of threads that wait for sources: requests while locking, transfers while fetching.

Not ``concurrent.futures``, which imports ``logging``: 13 ms of an install from local files. The main thread never waits
without a timeout here: the system may hand a signal to any thread, and does not wake the main one for it.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from queue import SimpleQueue

HEARTBEAT = 0.3
"""Seconds after which a waiting main thread looks whether a signal has arrived."""
Item = TypeVar("Item")
Result = TypeVar("Result")


class Job(Generic[Result]):
    """A call that a thread makes."""

    __slots__ = ("_call", "_finished", "_result", "_running", "error")

    def __init__(self, call: Callable[[], Result], finished: SimpleQueue[object]) -> None:
        self._call = call
        self._finished = finished
        self._result: Result | None = None
        self._running = threading.Lock()
        self._running.acquire()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Make the call, and keep what it returns or raises."""
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            self.error = error
        self._finished.put(self)
        self._running.release()

    def result(self) -> Result:
        """Wait for the call to end; return what it returned, or raise what it raised."""
        while not self._running.acquire(timeout=HEARTBEAT):
            pass
        self._running.release()
        if self.error is not None:
            raise self.error
        return cast("Result", self._result)


class Pool:
    """At most *size* threads, started when jobs need them. They do not keep the process alive."""

    def __init__(self, size: int, name: str) -> None:
        from queue import SimpleQueue

        self._size = max(1, size)
        self._name = name
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._finished: SimpleQueue[object] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._is_closed = False

    def submit(self, call: Callable[[], Result]) -> Job[Result]:
        """Let a thread make the call as soon as one is free."""
        job = Job(call, self._finished)
        self._waiting.put(job.run)
        if len(self._threads) < self._size:
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return job

    def finish(self, jobs: Sequence[Job[Result]]) -> list[Result]:
        """Wait for all *jobs* and return their results. The first failure is raised at once."""
        from queue import Empty

        pending: set[object] = set(jobs)
        while pending:
            try:
                job = self._finished.get(timeout=HEARTBEAT)
            except Empty:
                continue
            if job in pending and isinstance(job, Job) and job.error is not None:
                raise job.error
            pending.discard(job)
        return [job.result() for job in jobs]

    def map(self, call: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Return the results of *call* for each item, in their order. The first failure is raised at once."""

        def bound(item: Item) -> Callable[[], Result]:
            return lambda: call(item)

        return self.finish([self.submit(bound(item)) for item in items])

    def close(self, *, wait: bool) -> None:
        """Drop the jobs that have not begun, and end the threads; *wait* for those that run."""
        self._is_closed = True
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _work(self) -> None:
        while (run := self._waiting.get()) is not None and not self._is_closed:
            run()


@contextmanager
def workers(count: int) -> Iterator[Pool]:
    """Give a pool of *count* threads that ask a source. After an error or Ctrl-C, none of them is waited for.

    A thread may wait half a minute for a stalled answer. ``cli.main`` ends it with the process.
    """
    pool = Pool(count, "d8-ask")
    try:
        yield pool
    except BaseException:
        pool.close(wait=False)
        raise
    pool.close(wait=True)

"""Drives the resolving generators: answers each round of needs from a Source, a bounded number at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from d8_installer.errors import D8Error, NotFoundError
from d8_installer.model.reference import is_tag
from d8_installer.model.resolution import Answers, ManifestOf, TagsOf

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Future

    from d8_installer.model.source import ManifestBytes, Source

HEARTBEAT = 0.3
"""Seconds after which a waiting main thread looks whether a signal has arrived."""
Q = TypeVar("Q")
A = TypeVar("A")
R = TypeVar("R")


def drive(
    asking: Generator[tuple[TagsOf | ManifestOf, ...], Answers, R], source: Callable[[], Source], width: int
) -> R:
    """Run *asking* to its end and return its result, with at most *width* requests at once.

    *source* is called when the first need comes up, so that a resolution without needs opens nothing.
    The first failure ends the round; what was not yet asked is not asked any more.
    """
    try:
        needs = next(asking)
        while True:
            needs = asking.send(_answer(needs, source(), width))
    except StopIteration as end:
        result: R = end.value
        return result


def _answer(needs: Iterable[TagsOf | ManifestOf], source: Source, width: int) -> Answers:
    wanted = list(dict.fromkeys(needs))
    tags = [need for need in wanted if isinstance(need, TagsOf)]
    manifests = [need for need in wanted if isinstance(need, ManifestOf)]
    with workers(min(width, len(wanted))) as pool:
        listed = _all(pool, lambda need: _tags_or_absence(source, need.image), tags)
        read = _all(pool, lambda need: _manifest(source, need), manifests)
        return Answers(
            {need: answer for need, answer in listed.items() if not isinstance(answer, NotFoundError)},
            {need: answer for need, answer in read.items() if answer is not None},
            {need: answer for need, answer in listed.items() if isinstance(answer, NotFoundError)},
        )


def _tags_or_absence(source: Source, image: str) -> tuple[str, ...] | NotFoundError:
    """An image that the source lacks is an answer: whether the rest can go on without it, resolving decides."""
    try:
        return usable_tags(source, image)
    except NotFoundError as error:
        return error


def _manifest(source: Source, need: ManifestOf) -> ManifestBytes | None:
    try:
        return source.manifest(need.image, need.ref)
    except D8Error:
        if need.spare:
            return None
        raise


def usable_tags(source: Source, image: str) -> tuple[str, ...]:
    """Return the tags of *image* that can be asked for; a source may list anything."""
    return tuple(tag for tag in source.tags(image) if is_tag(tag))


@contextmanager
def workers(count: int) -> Iterator[ThreadPoolExecutor]:
    """Give a pool of *count* threads that ask; after an error, Ctrl-C too, none of them is waited for.

    One that waits for a stalled answer would hold the person for half a minute (``cli.main`` leaves without it).
    """
    pool = ThreadPoolExecutor(max(1, count), thread_name_prefix="d8-ask")
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _all(pool: ThreadPoolExecutor, ask: Callable[[Q], A], needs: list[Q]) -> dict[Q, A]:
    futures = [pool.submit(ask, need) for need in needs]
    return {need: result_of(future) for need, future in zip(needs, futures, strict=True)}


def result_of(future: Future[A]) -> A:
    """Return the future's result, and hear Ctrl-C meanwhile.

    The system may hand a signal to any thread of ours, and does not wake the main one for it: so that wakes by itself.
    """
    while not future.done():
        wait([future], timeout=HEARTBEAT)
    return future.result()

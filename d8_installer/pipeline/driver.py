"""Drives the resolving generators: answers each round of needs from a Source, a bounded number at once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from d8_installer.errors import D8Error, MismatchError, NotAllowedError, NotFoundError
from d8_installer.model.reference import PLUGIN_ROOT, is_tag
from d8_installer.model.resolution import Answers, ManifestOf, TagsOf
from d8_installer.model.source import ManifestBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor

    from d8_installer.model.source import Source

_ABSENT = "check the image's name; `d8-installer config get endpoint` shows where images come from"
HEARTBEAT = 0.3
"""Seconds after which a waiting main thread looks whether a signal has arrived."""
ABOUT_ONE_IMAGE = (NotFoundError, MismatchError, NotAllowedError)
"""Errors of a source that say nothing of its other images, as no answer (or an answer of 5xx) does."""
Known = dict["TagsOf | ManifestOf", "tuple[str, ...] | ManifestBytes | D8Error | None"]
"""What a source has answered so far."""
Q = TypeVar("Q")
A = TypeVar("A")
R = TypeVar("R")


def drive(
    asking: Generator[tuple[TagsOf | ManifestOf, ...], Answers, R],
    source: Callable[[], Source],
    width: int,
    known: Known | None = None,
) -> R:
    """Run *asking* to its end and return its result, with at most *width* requests at once.

    *source* is called when the first need comes up, so that a resolution without needs opens nothing.
    The first failure of the source itself ends the round; what was not yet asked is not asked any more. What is in
    *known* is not asked for, and what is answered is added to it.
    """
    known = {} if known is None else known
    try:
        needs = next(asking)
        while True:
            unknown = [need for need in dict.fromkeys(needs) if need not in known]
            known |= _answer(unknown, source(), width) if unknown else {}
            needs = asking.send(_answers(needs, known))
    except StopIteration as end:
        result: R = end.value
        return result


def _answer(wanted: Sequence[TagsOf | ManifestOf], source: Source, width: int) -> Known:
    tags = [need for need in wanted if isinstance(need, TagsOf)]
    manifests = [need for need in wanted if isinstance(need, ManifestOf)]
    with workers(min(width, len(wanted))) as pool:
        listed = _all(pool, lambda need: _tags_or_fault(source, need.image), tags)
        read = _all(pool, lambda need: _manifest(source, need), manifests)
    found: Known = dict(listed.items())
    return found | dict(read.items())


def _answers(needs: Iterable[TagsOf | ManifestOf], known: Known) -> Answers:
    """Return what is *known* of the needs: a fault is an answer, for whether the rest goes on, resolving decides."""
    found = {need: known[need] for need in needs}
    tags = {need: answer for need, answer in found.items() if isinstance(need, TagsOf)}
    manifests = {need: answer for need, answer in found.items() if isinstance(need, ManifestOf)}
    return Answers(
        tags={need: answer for need, answer in tags.items() if isinstance(answer, tuple)},
        manifests={need: answer for need, answer in manifests.items() if isinstance(answer, ManifestBytes)},
        absent={need: answer for need, answer in tags.items() if isinstance(answer, D8Error)},
        failed={need: answer for need, answer in manifests.items() if isinstance(answer, D8Error)},
    )


def _tags_or_fault(source: Source, image: str) -> tuple[str, ...] | D8Error:
    try:
        return usable_tags(source, image)
    except ABOUT_ONE_IMAGE as error:
        return error


def _manifest(source: Source, need: ManifestOf) -> ManifestBytes | D8Error | None:
    try:
        return source.manifest(need.image, need.ref)
    except ABOUT_ONE_IMAGE as error:
        return None if need.spare else error
    except D8Error:
        if need.spare:
            return None
        raise


def usable_tags(source: Source, image: str) -> tuple[str, ...]:
    """Return the tags of *image* that can be asked for; a source may list anything.

    A source that has no such image is a NotFoundError with ``image``.
    """
    try:
        return tuple(tag for tag in source.tags(image) if is_tag(tag))
    except NotFoundError as error:
        short = image.removeprefix(PLUGIN_ROOT)
        absent = NotFoundError(f"no image {short!r} at {source.name}", hint=_ABSENT)
        absent.image = short
        raise absent from error


@contextmanager
def workers(count: int) -> Iterator[ThreadPoolExecutor]:
    """Give a pool of *count* threads that ask; after an error, Ctrl-C too, none of them is waited for.

    One that waits for a stalled answer would hold the person for half a minute. ``cli.main`` ends the process with it.
    """
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(max(1, count), thread_name_prefix="d8-ask")
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _all(pool: ThreadPoolExecutor, ask: Callable[[Q], A], needs: list[Q]) -> dict[Q, A]:
    """Return the answer to each need. Waiting for all at once leaves the processor to the threads that ask."""
    from concurrent.futures import FIRST_EXCEPTION, wait

    futures = [pool.submit(ask, need) for need in needs]
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=HEARTBEAT, return_when=FIRST_EXCEPTION)
        for future in filter(done.__contains__, futures):
            future.result()
    return {need: future.result() for need, future in zip(needs, futures, strict=True)}


def result_of(future: Future[A]) -> A:
    """Return the future's result, and hear Ctrl-C meanwhile.

    The system may hand a signal to any thread of ours, and does not wake the main one for it: so that wakes by itself.
    """
    from concurrent.futures import wait

    while not future.done():
        wait([future], timeout=HEARTBEAT)
    return future.result()

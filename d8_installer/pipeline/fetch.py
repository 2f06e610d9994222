"""Carries out the Fetch steps of a plan: download, prove, and take the wanted members into the store."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, MismatchError, NotFoundError, TryAgainError, UnreachableError
from d8_installer.model.executable import check_executable
from d8_installer.model.plurals import sized
from d8_installer.model.value import replace
from d8_installer.pipeline.driver import HEARTBEAT
from d8_installer.pipeline.provenance import prove
from d8_installer.pipeline.tag_digests import Tops
from d8_installer.pipeline.timeouts import OTHERS_PATIENCE
from d8_installer.pipeline.transfer import Transfer
from d8_installer.store.generations import file_name
from d8_installer.store.store import NewFile, Stored
from d8_installer.store.unpack import Layer, WrongBytesError, is_worth_spreading, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from typing import BinaryIO

    from d8_installer.model.digest import Digest
    from d8_installer.model.plan import Fetch, Plan
    from d8_installer.model.reference import ImageName
    from d8_installer.model.source import LayerRequest, Source
    from d8_installer.pipeline.reporter import Task
    from d8_installer.pipeline.session import Session
    from d8_installer.pipeline.spares import Spares
    from d8_installer.store.store import Incoming
    from d8_installer.store.unpack import Extracted

_AT_ONCE = 4
"""Layers fetched at the same time."""
_TRIES = 3
"""How often a layer is asked for when its transfer is cut and brings nothing to go on with, as from a proxy, which has
no ranges (rpp.md §2.5): then each try is a whole one."""
_TRIES_BY_RANGE = 10
"""How often it is asked for where each try goes on from what the one before has brought."""
_PROGRESS = 64 << 10
"""Bytes that a try must bring to count as progress."""
_LOOK_AGAIN = 0.1
"""Seconds between two looks whether that process is done."""


def fetch_all(
    session: Session, plan: Plan, awaited: ImageName | None = None, spares: Spares | None = None
) -> Mapping[tuple[str, str], Digest]:
    """Do every Fetch of *plan*, and prove what is unproven; the first failure ends all and leaves nothing behind.

    But what fails among the *spares* is noted there, and the rest goes on. *awaited*: the image that a person waits
    for; the others begin once it is there.
    Returns which locked tags, by repository path and tag, mean at the source what the lock says.
    """
    fetches = _by_layer(plan)
    tasks = len(fetches) + len(plan.unproven)
    if not tasks:
        return {}
    source = session.source
    names = {(p.layer.hex, p.member): file_name(p.binary, plan.platform.executable_suffix) for p in plan.target}
    stop = threading.Event()
    with session.store.incoming() as incoming:
        job = _Job(session, source, incoming, names, stop, spares)
        pool = ThreadPoolExecutor(min(_AT_ONCE, session.scope.options.connections, tasks), "d8-fetch")
        patient = True
        try:
            first = [steps for steps in fetches if _has(steps, awaited)]
            job.batch_size = _size_of(first)
            _finish([pool.submit(job.fetch_each, steps) for steps in first])
            images = {p.name.path: p.name for p in plan.target}
            rest = [steps for steps in fetches if not _has(steps, awaited)]
            job.batch_size = _size_of(rest)
            futures = [pool.submit(job.prove_one, images[request.image], request) for request in plan.unproven]
            _finish(futures + [pool.submit(job.fetch_each, steps) for steps in rest])
        except KeyboardInterrupt:
            patient = False  # a stalled transfer would hold the person for half a minute
            raise
        finally:
            stop.set()
            pool.shutdown(wait=patient, cancel_futures=True)
    return job.tops.confirmed


def _finish(futures: list[Future[None]]) -> None:
    """Wait for all, or for the first failure, which is raised."""
    pending = set(futures)
    while pending:  # waking now and then: a signal may have arrived at another thread (``result_of``)
        done, pending = wait(pending, HEARTBEAT, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()


def _has(steps: Iterable[Fetch], awaited: ImageName | None) -> bool:
    return any(step.name == awaited for step in steps)


def _size_of(groups: Iterable[Sequence[Fetch]]) -> int:
    """Return the bytes of the layers, of which each group of steps has one."""
    return sum(steps[0].request.size for steps in groups)


def _by_layer(plan: Plan) -> list[list[Fetch]]:
    """Return the steps, those of one layer together: the second of two images with one layer finds it in the store."""
    groups: dict[Digest, list[Fetch]] = {}
    for step in plan.fetches:
        groups.setdefault(step.request.layer, []).append(step)
    return list(groups.values())


class _StoppedError(D8Error):
    """Another fetch failed; this one ends too. Never shown: the other's error is."""


class _CutError(TryAgainError):
    """The transfer ended early, for the reason that ``error`` tells; a source of several hears of it on the way."""

    def __init__(self, error: TryAgainError) -> None:
        super().__init__(error.message, hint=error.hint)
        self.error = error


class _ByTagError(MismatchError):
    """Other bytes than the locked ones came, and a tag alone led to them; ``error`` is what to say in the end."""

    def __init__(self, error: MismatchError) -> None:
        super().__init__(error.message, hint=error.hint)
        self.error = error


class _Job:
    """What all fetches of one plan share."""

    def __init__(
        self,
        session: Session,
        source: Source,
        incoming: Incoming,
        names: Mapping[tuple[str, str], str],
        stop: threading.Event,
        spares: Spares | None,
    ) -> None:
        self._spares = spares
        self._session = session
        self._source = source
        self._incoming = incoming
        self._names = names
        self._stop = stop
        self.tops = Tops(session, source)
        self.batch_size = 0
        """The bytes of all layers that are being fetched."""

    def fetch_each(self, steps: Iterable[Fetch]) -> None:
        """Do steps that have one layer, one after the other."""
        for step in steps:
            try:
                self.fetch(step)
            except D8Error as error:
                if self._spares is None or not self._spares.has_any(step.name, step.members):
                    raise
                self._fetch_apart(self._spares, step, error)

    def _fetch_apart(self, spares: Spares, step: Fetch, error: D8Error) -> None:
        """Take out of a layer what can be had, and leave out what cannot: one file may be missing, or no program."""
        if len(step.members) == 1 or not isinstance(error, (MismatchError, NotFoundError)):
            for member in step.members:
                spares.leave_out(error, step.name, member)
            return
        for member in step.members:
            try:
                self.fetch(replace(step, members=(member,)))
            except D8Error as fault:
                spares.leave_out(fault, step.name, member)

    def prove_one(self, name: ImageName, request: LayerRequest) -> None:
        """Prove what the store has, as ``prove``; of a spare image a failure is noted."""
        try:
            self.prove(request)
        except D8Error as error:
            if self._spares is None:
                raise
            self._spares.leave_out(error, name)

    def fetch(self, step: Fetch) -> None:
        """Fetch one layer, unless another process does: then wait for it, and find the layer in the store."""
        store, layer = self._session.store, step.request.layer
        with store.partial_layers.only_fetcher(layer, self._waiting(step)):
            if not step.anew and store.members(layer).keys() >= set(step.members):
                self._session.reporter.detail(f"{step.name}: the store has it by now")
                self.prove(step.request)
                return
            try:
                self._transfer(step)
            except _ByTagError as error:
                self._transfer_by_digest(step, error)

    def prove(self, request: LayerRequest) -> None:
        """Prove that a stored layer is what the lock calls it; an image of the same bytes may have brought it here."""
        store = self._session.store
        if request.provenance in store.held(request.layer).provenance:
            return
        try:
            prove(self.tops.of(request), request)
        except UnreachableError as error:
            raise UnreachableError(
                f"the store has bytes for {request.image}:{request.tag}, but nothing shows that they are its: {error}",
                hint=error.hint,
            ) from error
        store.add_provenance(request.layer, request.provenance)

    def _transfer(self, step: Fetch) -> None:
        transfer = Transfer(self._source, step.request, self._session.store.partial_layers)
        self._persist(step, transfer)
        transfer.drop()

    def _transfer_by_digest(self, step: Fetch, error: _ByTagError) -> None:
        """Fetch the layer of a tag that led to other bytes by its child's digest; where that fails too, say the first.

        A source that sends no ETag shows only by its bytes that the tag was moved.
        """
        try:
            self._transfer(replace(step, request=replace(step.request, by_digest=True)))
        except (MismatchError, NotFoundError):
            raise error.error from error
        self.tops.tell_of_other_bytes(step.request)

    def _persist(self, step: Fetch, transfer: Transfer) -> None:
        """Try again after a cut, some times, and once where kept bytes were to blame for wrong ones.

        A refused request the source has repeated itself.
        """
        tries = fruitless = before = 0
        while True:
            try:
                self._once(step, transfer)
                return
            except _CutError as cut:
                tries += 1
                fruitless = 0 if transfer.kept - before >= _PROGRESS else fruitless + 1
                before = transfer.kept
                if fruitless >= _TRIES or tries >= _TRIES_BY_RANGE or self._stop.is_set():
                    raise cut.error from cut.error.__cause__
                self._session.reporter.detail(f"{step.name}: {cut.error}; fetching {_what(transfer)}")
            except (MismatchError, NotFoundError):
                transfer.drop()
                if not transfer.went_on:
                    raise
                self._session.reporter.detail(f"{step.name}: what was kept does not fit; fetching all of it")

    def _waiting(self, step: Fetch) -> Callable[[], None]:
        """Return what is done while another process fetches the layer: wait a moment, or give up in the end."""
        patience = OTHERS_PATIENCE * self._session.scope.timeout
        begun: list[float] = []

        def wait_a_moment() -> None:
            if not begun:
                begun.append(time.monotonic())
                self._session.reporter.note(f"waiting for another d8-installer that fetches {step.name}")
            elif time.monotonic() - begun[0] > patience:
                raise TryAgainError(
                    f"another d8-installer has been fetching {step.name} {step.request.tag} for {patience:.0f} s",
                    hint="type the same command again when it is done; D8_PATIENCE=SECONDS waits longer",
                )
            if self._stop.wait(_LOOK_AGAIN):
                raise _StoppedError("another transfer failed")

        return wait_a_moment

    def _once(self, step: Fetch, transfer: Transfer) -> None:
        request = step.request
        build = prove(self.tops.of(request), request)
        temporary: dict[str, str] = {}

        def create(member: str) -> BinaryIO:
            file = self._incoming.create(member)
            temporary[member] = str(file.name)
            return file

        task = self._session.reporter.task(f"{step.name} {request.tag}", request.size)
        is_whole = False
        try:
            with transfer.body() as body:
                if transfer.went_on:
                    self._session.reporter.detail(f"{step.name}: going on after {sized(transfer.went_on)}")
                is_by_tag = self.tops.is_by_tag(request, body)
                watched = self._watched(body, task)
                spread = is_worth_spreading(request.size, self.batch_size)
                try:
                    extracted = _unpacked(step, watched, create, is_by_tag=is_by_tag, spread=spread)
                except NotFoundError as error:
                    raise _of_layers(error, build.depth) from error
            is_whole = True
        finally:
            task.finish(is_whole=is_whole)
        files = {}
        for file in extracted:
            if request.platform is not None:
                check_executable(file.head, request.platform, f"{file.member!r} of {step.name} {request.tag}")
            name = self._names[request.layer.hex, file.member]
            files[file.member] = NewFile(temporary[file.member], Stored(file.digest, file.size), name)
        self._session.store.admit(request.layer, files, request.provenance)

    def _watched(self, body: Iterable[bytes], task: Task) -> Iterator[bytes]:
        try:
            for chunk in body:
                if self._stop.is_set():
                    raise _StoppedError("another transfer failed")
                task.advance(len(chunk))
                yield chunk
        except TryAgainError as error:
            raise _CutError(error) from error


def _what(transfer: Transfer) -> str:
    return f"the rest after {sized(transfer.kept)}" if transfer.kept else "it again"


def _unpacked(
    step: Fetch, body: Iterable[bytes], create: Callable[[str], BinaryIO], *, is_by_tag: bool, spread: bool
) -> tuple[Extracted, ...]:
    """Unpack the step's layer; what is wrong with its bytes is said with the image's name and what to do.

    A _ByTagError where the bytes are not the locked ones and only the tag led to them.
    """
    request = step.request
    try:
        return unpack(body, Layer(request.layer, request.size), frozenset(step.members), create, spread=spread)
    except (MismatchError, NotFoundError) as error:
        kind = NotFoundError if isinstance(error, NotFoundError) else MismatchError
        hint = error.hint or f"tell the image's author, or take another version: `d8-installer versions {step.name}`"
        if is_by_tag and isinstance(error, WrongBytesError):
            raise _ByTagError(MismatchError(f"{step.name} {request.tag}: {error}", hint=hint)) from error
        raise kind(f"{step.name} {request.tag}: {error}", hint=hint) from error


def _of_layers(error: NotFoundError, layers: int) -> NotFoundError:
    """Say of an image with several layers that a file in a lower one cannot be had (rpp.md §2.5)."""
    if layers < 2:
        return error
    return NotFoundError(
        f"{error.message}; only the last of the image's {layers} layers is served",
        hint=f"{error.hint}; or let its author put the file into the last layer, as `d8-installer publish` does",
    )

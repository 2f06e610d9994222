"""Carries out the Fetch steps of a plan: download a layer, prove it, and take its members into the store."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, MismatchError, NotFoundError, TryAgainError, UnreachableError
from d8_installer.model.executable import check_executable
from d8_installer.model.plurals import sized
from d8_installer.model.value import Struct, replace
from d8_installer.pipeline.pool import Pool
from d8_installer.pipeline.provenance import prove
from d8_installer.pipeline.tag_digests import LockedTags
from d8_installer.pipeline.timeouts import LOCK_TIMEOUT
from d8_installer.pipeline.transfer import Transfer
from d8_installer.store.generations import file_name
from d8_installer.store.store import NewFile, Stored
from d8_installer.store.unpack import Layer, WrongBytesError, is_worth_spreading, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from d8_installer.model.digest import Digest
    from d8_installer.model.plan import Fetch, Plan
    from d8_installer.model.reference import ImageName
    from d8_installer.model.source import LayerRequest, ManifestBytes, Source
    from d8_installer.pipeline.dispensable import Dispensable
    from d8_installer.pipeline.pool import Job
    from d8_installer.pipeline.reporter import Task
    from d8_installer.pipeline.session import Session
    from d8_installer.store.store import Incoming
    from d8_installer.store.unpack import Extracted

_AT_ONCE = 4
"""The number of layers fetched at the same time."""
_TRIES = 3
"""The number of tries for a layer if each starts at the first byte, because RPP has no ranges (rpp.md §2.5)."""
_TRIES_BY_RANGE = 10
"""The number of tries for a layer if each continues where the one before was cut."""
_PROGRESS = 64 << 10
"""The bytes that a try must bring to count as progress."""
_LOOK_AGAIN = 0.1
"""Seconds between two checks whether another process has finished."""


def fetch_all(
    session: Session,
    plan: Plan,
    *,
    awaited: ImageName | None = None,
    dispensable: Dispensable | None = None,
    asked: Mapping[tuple[str, str], ManifestBytes] | None = None,
    admits: Callable[[Digest], bool] | None = None,
) -> Mapping[tuple[str, str], Digest]:
    """Do every Fetch of *plan* and prove what is unproven. The first failure ends it and leaves nothing behind.

    A failure of something *dispensable* is noted there instead, and the rest goes on. *awaited* is the image that a
    person waits for; other images begin once it is stored. *asked* are the manifests that tags led to when this command
    locked them. *admits* says of a file that was proven whether it is to be stored; if it is not, raise
    NotAdmittedError.

    Return the locked tags that the source confirmed, by repository path and tag.
    """
    groups = _by_layer(plan)
    count = len(groups) + len(plan.unproven)
    if not count:
        return {}
    with session.store.incoming() as incoming:
        job = _Job(
            session=session,
            source=session.source,
            incoming=incoming,
            names={(p.layer, p.member): file_name(p.binary, plan.platform.executable_suffix) for p in plan.target},
            stop=threading.Event(),
            tags=LockedTags(session, session.source, asked or {}),
            dispensable=dispensable,
            admits=admits,
        )
        pool = Pool(min(_AT_ONCE, session.scope.options.connections, count), "d8-fetch")
        _run(pool, job, plan, [g for g in groups if _has(g, awaited)], [g for g in groups if not _has(g, awaited)])
    return job.tags.confirmed


def _run(pool: Pool, job: _Job, plan: Plan, first: Sequence[Sequence[Fetch]], rest: Sequence[Sequence[Fetch]]) -> None:
    """Fetch the groups of *first*, then those of the *rest* while stored layers are proven."""
    is_patient = True
    images = {placement.name.path: placement.name for placement in plan.target}
    try:
        pool.finish(_submit(pool, job, first))
        proofs = [pool.submit(partial(job.prove_one, images[one.image], one)) for one in plan.unproven]
        pool.finish([*proofs, *_submit(pool, job, rest)])
    except KeyboardInterrupt:
        is_patient = False  # a stalled transfer would hold the person for half a minute
        raise
    finally:
        job.stop.set()
        pool.close(wait=is_patient)


def _submit(pool: Pool, job: _Job, groups: Sequence[Sequence[Fetch]]) -> list[Job[None]]:
    batch = replace(job, batch_size=sum(group[0].request.size for group in groups))
    return [pool.submit(partial(batch.fetch_each, group)) for group in groups]


def _has(steps: Iterable[Fetch], awaited: ImageName | None) -> bool:
    return any(step.name == awaited for step in steps)


def _by_layer(plan: Plan) -> list[list[Fetch]]:
    """Return the steps grouped by layer: the second of two images with one layer finds it in the store."""
    groups: dict[Digest, list[Fetch]] = {}
    for step in plan.fetches:
        groups.setdefault(step.request.layer, []).append(step)
    return list(groups.values())


class _StoppedError(D8Error):
    """Another fetch failed, so this one ends too. It is never shown: the other's error is."""


class NotAdmittedError(MismatchError):
    """A file was proven, and the caller does not want it."""


class _CutError(TryAgainError):
    """The transfer ended early because of ``error``. A fallback source hears of it on the way."""

    def __init__(self, error: TryAgainError) -> None:
        super().__init__(error.message, hint=error.hint, code=error.code)
        self.error = error


class _ByTagError(MismatchError):
    """A tag alone led to other bytes than the locked ones; ``error`` is raised if nothing else helps."""

    def __init__(self, error: MismatchError) -> None:
        super().__init__(error.message, hint=error.hint, code=error.code)
        self.error = error


class _Job(Struct, frozen=True, kw_only=True):
    """What the fetches of one batch share. ``batch_size`` is the bytes of all its layers."""

    session: Session
    source: Source
    incoming: Incoming
    names: Mapping[tuple[Digest, str], str]
    stop: threading.Event
    tags: LockedTags
    dispensable: Dispensable | None
    admits: Callable[[Digest], bool] | None = None
    batch_size: int = 0

    def fetch_each(self, steps: Iterable[Fetch]) -> None:
        """Do steps for one layer, one after the other."""
        for step in steps:
            try:
                self._fetch(step)
            except D8Error as error:
                if self.dispensable is None or not self.dispensable.has_any(step.name, step.members):
                    raise
                self._fetch_apart(self.dispensable, step, error)

    def _fetch_apart(self, dispensable: Dispensable, step: Fetch, error: D8Error) -> None:
        """Fetch the members one by one, and leave out those that fail: one may be missing, or not be executable."""
        if len(step.members) == 1 or not isinstance(error, (MismatchError, NotFoundError)):
            for member in step.members:
                dispensable.leave_out(error, step.name, member)
            return
        for member in step.members:
            try:
                self._fetch(replace(step, members=(member,)))
            except D8Error as fault:
                dispensable.leave_out(fault, step.name, member)

    def prove_one(self, name: ImageName, request: LayerRequest) -> None:
        """Prove a stored layer. A failure of a dispensable image is noted."""
        try:
            self._prove_stored(request)
        except D8Error as error:
            if self.dispensable is None:
                raise
            self.dispensable.leave_out(error, name)

    def _prove_stored(self, request: LayerRequest) -> None:
        """Prove that a stored layer is what the lock calls it: another image may have brought the same bytes."""
        store = self.session.store
        if request.provenance in store.held(request.layer).provenance:
            return
        try:
            prove(self.tags.manifests_for(request), request)
        except UnreachableError as error:
            raise error.within(
                f"the store has bytes for {request.image}:{request.tag}, but no proof that they belong to it"
            ) from error
        store.add_provenance(request.layer, request.provenance)

    def _fetch(self, step: Fetch) -> None:
        """Fetch one layer, unless another process does: then wait for it, and find the layer in the store."""
        store, layer = self.session.store, step.request.layer
        with store.partial_layers.only_fetcher(layer, self._waiting(step)):
            if not step.again and store.members(layer).keys() >= set(step.members):
                self.session.reporter.detail(f"{step.name}: the store has it by now")
                self._prove_stored(step.request)
                return
            try:
                self._transfer(step)
            except _ByTagError as error:
                self._transfer_by_digest(step, error)

    def _waiting(self, step: Fetch) -> Callable[[], None]:
        """Return a function to call while another process fetches the layer: it waits a moment or gives up."""
        timeout = LOCK_TIMEOUT * self.session.scope.timeout
        begun: list[float] = []

        def wait_a_moment() -> None:
            if not begun:
                begun.append(time.monotonic())
                self.session.reporter.note(f"waiting for another d8-installer that fetches {step.name}")
            elif time.monotonic() - begun[0] > timeout:
                raise TryAgainError(
                    f"another d8-installer has been fetching {step.name} {step.request.tag} for {timeout:.0f} s",
                    hint="type the same command again when it is done; D8_PATIENCE=SECONDS waits longer",
                    code="home-busy",
                )
            if self.stop.wait(_LOOK_AGAIN):
                raise _StoppedError("another transfer failed")

        return wait_a_moment

    def _transfer(self, step: Fetch) -> None:
        transfer = Transfer(self.source, step.request, self.session.store.partial_layers)
        self._try_until_whole(step, transfer)
        transfer.drop()

    def _transfer_by_digest(self, step: Fetch, error: _ByTagError) -> None:
        """Fetch the layer by its child's digest, because the tag led to other bytes.

        If the source sends no ETag, only the bytes show that the tag was moved. If this fails too, raise the first
        error.
        """
        try:
            self._transfer(replace(step, request=replace(step.request, by_digest=True)))
        except (MismatchError, NotFoundError):
            raise error.error from error
        self.tags.tell_of_other_bytes(step.request)

    def _try_until_whole(self, step: Fetch, transfer: Transfer) -> None:
        """Try again after a cut, and once more if the bytes kept from an earlier transfer may be wrong.

        Requests that were refused are not repeated here, since the source has repeated them already.
        """
        tries = fruitless = before = 0
        while True:
            try:
                self._try_once(step, transfer)
                return
            except _CutError as cut:
                tries += 1
                fruitless = 0 if transfer.kept - before >= _PROGRESS else fruitless + 1
                before = transfer.kept
                if fruitless >= _TRIES or tries >= _TRIES_BY_RANGE or self.stop.is_set():
                    raise cut.error from cut.error.__cause__
                again = f"the rest after {sized(transfer.kept)}" if transfer.kept else "it again"
                self.session.reporter.detail(f"{step.name}: {cut.error}; fetching {again}")
            except (MismatchError, NotFoundError):
                transfer.drop()
                if not transfer.resumed_at:
                    raise
                self.session.reporter.detail(f"{step.name}: the bytes that were kept do not fit; fetching all of it")

    def _try_once(self, step: Fetch, transfer: Transfer) -> None:
        request = step.request
        build = prove(self.tags.manifests_for(request), request)
        temporary: dict[str, str] = {}

        def create(member: str) -> BinaryIO:
            file = self.incoming.create(member)
            temporary[member] = str(file.name)
            return file

        task = self.session.reporter.task(f"{step.name} {request.tag}", request.size)
        is_whole = False
        try:
            extracted = self._unpack(step, transfer, task, create, layers=build.depth)
            is_whole = True
        finally:
            task.finish(is_whole=is_whole)
        self._admit(step, extracted, temporary)

    def _unpack(
        self, step: Fetch, transfer: Transfer, task: Task, create: Callable[[str], BinaryIO], *, layers: int
    ) -> tuple[Extracted, ...]:
        """Unpack the layer while it arrives. The errors name the image, and what to do."""
        request = step.request
        layer = Layer(request.layer, request.size)
        spread = is_worth_spreading(request.size, self.batch_size)
        with transfer.body() as body:
            if transfer.resumed_at:
                self.session.reporter.detail(f"{step.name}: going on after {sized(transfer.resumed_at)}")
            is_by_tag = self.tags.is_by_tag(request, body)
            try:
                return unpack(self._counted(body, task), layer, frozenset(step.members), create, spread=spread)
            except (MismatchError, NotFoundError) as error:
                raise _named(step, error, layers=layers, is_by_tag=is_by_tag) from error

    def _counted(self, body: Iterable[bytes], task: Task) -> Iterator[bytes]:
        try:
            for chunk in body:
                if self.stop.is_set():
                    raise _StoppedError("another transfer failed")
                task.advance(len(chunk))
                yield chunk
        except TryAgainError as error:
            raise _CutError(error) from error

    def _admit(self, step: Fetch, extracted: Iterable[Extracted], temporary: Mapping[str, str]) -> None:
        """Take the members into the store once their headers show that they are for the platform."""
        request, files = step.request, {}
        for file in extracted:
            if request.platform is not None:
                check_executable(file.head, request.platform, f"{file.member!r} of {step.name} {request.tag}")
            if self.admits is not None and not self.admits(file.digest):
                raise NotAdmittedError(f"{file.member!r} of {step.name} {request.tag} is not wanted")
            name = self.names[request.layer, file.member]
            files[file.member] = NewFile(temporary[file.member], Stored(file.digest, file.size), name)
        self.session.store.admit(request.layer, files, request.provenance)


def _named(step: Fetch, error: MismatchError | NotFoundError, *, layers: int, is_by_tag: bool) -> D8Error:
    """Return *error* with the image's name; a _ByTagError if only a tag led to bytes that are not the locked ones."""
    what = f"{step.name} {step.request.tag}"
    hint = error.hint or f"tell the image's author, or take another version: `d8-installer versions {step.name}`"
    if isinstance(error, WrongBytesError) and is_by_tag:
        return _ByTagError(MismatchError(f"{what}: {error}", hint=hint, code=error.code))
    if isinstance(error, MismatchError):
        return MismatchError(f"{what}: {error}", hint=hint, code=error.code)
    if layers < 2:
        return error.within(what, hint=hint)
    return error.within(  # a lower layer cannot be had (rpp.md §2.5)
        what,
        more=f"only the last of the image's {layers} layers is served",
        hint=f"{hint}; or let its author put the file into the last layer, as `d8-installer publish` does",
    )

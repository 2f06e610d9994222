"""The verified streaming unpack: a layer's bytes in, its executables written and hashed, in one pass.

Unpacking is a chain of iterators: the body is hashed, inflated (``inflate``), walked as a tar archive (``tar``), and
the wanted members are hashed and written. Every link spends nearly all of its time in C without the GIL. The chain
runs in one of two ways:

- in the caller's thread alone: for small layers, and where other layers keep the processors busy;
- in three threads with bounded queues between them (*spread*): the caller's thread reads and hashes the body, one
  inflates, one walks the archive. A large layer takes as long as its inflating.

The caller decides where files are created, which names and modes they get, and removes them after a failure.
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import ExitStack
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, Generic, TypeVar

from d8_installer.errors import DiskError, MismatchError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.executable import HEAD_BYTES
from d8_installer.model.value import Struct
from d8_installer.store import fs, tar
from d8_installer.store.inflate import STEP_IN, CutShortError, TooLongError, UnknownFormatError, inflate
from d8_installer.store.members import Search, base_name, not_found, quoted
from d8_installer.store.os_errors import hint_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence, Set
    from queue import SimpleQueue

    from d8_installer.model.version import Compat

Batch = tuple[bytes, ...]
T = TypeVar("T")

MAX_FILE_BYTES = 512 << 20
MAX_WALK_BYTES = (1 << 30) + 1
"""The Go client's limits: for one extracted file, and for everything that is decompressed (rpp.md §4.2, Caps)."""
MODE = {"d8": 0o555, "go": 0o755}

_SPREAD_FROM = 512 << 10
_DEPTH = 4
_WRITE_BEHIND = 4 << 20
"""After each of these many bytes the system starts to write them to the disk, so that the final fsync is short."""


class Layer(Struct, frozen=True):
    """What the manifest promises of the body: the digest and number of its bytes as stored (compressed)."""

    digest: Digest
    size: int


class Rules(Struct, frozen=True):
    """How to read a layer; the limits are in bytes.

    ``compat="go"`` does what the Go client does, for comparing with it: only gzip, the first match ends the reading,
    and nothing is verified (rpp.md §4.6).
    """

    compat: Compat = "d8"
    max_file: int = MAX_FILE_BYTES
    max_walk: int = MAX_WALK_BYTES


OURS = Rules()


class Extracted(Struct, frozen=True, kw_only=True):
    """A member that was written: its name as wanted, the digest and size of its bytes, and the first HEAD_BYTES.

    ``mode`` is the mode that the file gets; the mode in the archive is ignored.
    """

    member: str
    digest: Digest
    size: int
    head: bytes
    mode: int


def is_worth_spreading(size: int, total: int) -> bool:
    """Whether three threads unpack a layer of *size* bytes sooner, among layers of *total* bytes being fetched.

    They do where the layer is more than one processor's share. Otherwise each processor has a layer of its own, and
    handing the bytes from thread to thread only costs time.
    """
    return size >= _SPREAD_FROM and size * (os.cpu_count() or 1) > total


def unpack(
    body: Iterable[bytes],
    layer: Layer,
    wanted: Set[str],
    create: Callable[[str], BinaryIO],
    rules: Rules = OURS,
    *,
    spread: bool = False,
) -> tuple[Extracted, ...]:
    """Write the *wanted* members (``model.reference.parse_member``) of the layer *body*, and verify every byte.

    *create* opens a file for a member's name, with *spread* in another thread; the file is closed here in any case.
    Returns the members sorted by name, after the whole body was read and had the promised size and digest. Raises the
    exceptions of *body*; MismatchError if the bytes differ from the promised ones or are not a valid archive;
    NotFoundError if a wanted member is missing; DiskError. After an error the files have arbitrary content. All
    threads end before the return.
    """
    if rules.compat == "go":
        return (_first_match(body, wanted, create, rules),)
    checked = _CheckedBody(body, layer)
    if spread:
        return _unpack_spread(checked, wanted, create, rules)
    return _unpack_here(checked, wanted, create, rules)


class WrongBytesError(MismatchError):
    """The body's bytes are not the promised ones."""

    code = "wrong-bytes"


class _CheckedBody:
    """The body's chunks, hashed and counted as they pass. A body that is too long is a WrongBytesError."""

    def __init__(self, body: Iterable[bytes], layer: Layer) -> None:
        self._layer = layer
        self._hasher = hashlib.sha256()
        self._size = 0
        self.has_failed = False
        """Whether reading the body raised an exception."""
        self.chunks = self._pass(body)

    def _pass(self, body: Iterable[bytes]) -> Iterator[bytes]:
        promised = self._layer.size
        try:
            for chunk in body:
                self._size += len(chunk)
                if self._size > promised:
                    raise WrongBytesError(
                        f"the layer is longer than the promised {promised} bytes",
                        hint="the source serves another file than the lock names; compare with another source",
                    )
                self._hasher.update(chunk)
                yield chunk
        except BaseException:
            self.has_failed = True
            raise

    def drain(self) -> None:
        """Read the rest of the body."""
        for _ in self.chunks:
            pass

    def verify(self) -> None:
        """Raise a WrongBytesError unless the bytes that passed are the promised ones."""
        layer = self._layer
        if self._size < layer.size:
            raise WrongBytesError(
                f"the layer ended after {self._size} of {layer.size} bytes",
                hint="try again; if it stays so, the source serves another file than the lock names",
            )
        digest = Digest(self._hasher.hexdigest())
        if digest != layer.digest:
            raise WrongBytesError(
                f"the layer's bytes have the digest {digest}, not {layer.digest}",
                hint="the tag may have been moved or the source is damaged; compare with another source",
            )


# -- in the caller's thread ----------------------------------------------------------------------------------


def _unpack_here(
    body: _CheckedBody, wanted: Set[str], create: Callable[[str], BinaryIO], rules: Rules
) -> tuple[Extracted, ...]:
    try:
        found = _extract(inflate(body.chunks, rules.max_walk), wanted, create, rules)
    except (MismatchError, NotFoundError):
        # Only the digest of the whole body tells a damaged transfer from a damaged image.
        if not body.has_failed:
            body.drain()
            body.verify()
        raise
    body.verify()
    return found


# -- in three threads ----------------------------------------------------------------------------------------


def _unpack_spread(
    body: _CheckedBody, wanted: Set[str], create: Callable[[str], BinaryIO], rules: Rules
) -> tuple[Extracted, ...]:
    packed, unpacked = Channel[Batch](_DEPTH), Channel[bytes](_DEPTH)
    walker = _Worker("d8-walk", lambda: _walk(unpacked, wanted, create, rules))
    inflater = _Worker("d8-inflate", lambda: _inflate(packed, unpacked, rules.max_walk))
    try:
        walker.start()
        inflater.start()
        _read(body, packed, walker)
    except BaseException:
        unpacked.end()  # the inflater does this too, unless it could not be started
        raise
    finally:
        packed.end()
        inflater.wait()
        walker.wait()
    body.verify()  # first: bytes that are not the promised ones explain every other failure
    inflater.result()
    return walker.result()


class _Worker(Generic[T]):
    """A function that runs in a thread of its own."""

    def __init__(self, name: str, work: Callable[[], T]) -> None:
        self._work = work
        self._results: list[T] = []
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:  # noqa: BLE001 - ``result`` raises it in the caller's thread
            self.error = error

    def wait(self) -> None:
        """Wait for the thread's end; a thread that was not started has ended."""
        if self._thread.ident is not None:
            self._thread.join()

    def result(self) -> T:
        """Wait, then return or raise what the function did."""
        self.wait()
        if self.error is not None:
            raise self.error
        return self._results[0]


class Channel(Generic[T]):
    """A bounded queue from one thread to one other; ``end()`` by the writer tells the reader that nothing follows.

    Ctrl-C may come between any two steps of Python, and would leave a lock of queue.Queue held. The steps of a
    SimpleQueue are C functions, and so is ``end`` as a partial: it happens whole, or not at all.
    """

    def __init__(self, depth: int) -> None:
        from queue import SimpleQueue  # only large layers need it

        self._items: SimpleQueue[T | None] = SimpleQueue()
        self._free: SimpleQueue[bool] = SimpleQueue()
        self.end: Callable[[], None] = partial(self._items.put, None)
        for _ in range(depth):
            self._free.put(True)

    def put(self, item: T) -> bool:
        """Wait for a free place and put *item* there; return False, without putting it, if the reader has left."""
        if not self._free.get():
            self._free.put(False)
            return False
        self._items.put(item)
        return True

    def leave(self) -> None:
        """Tell the writer that nothing more is read."""
        self._free.put(False)

    def __iter__(self) -> Iterator[T]:
        while (item := self._items.get()) is not None:
            yield item
            self._free.put(True)


def _read(body: _CheckedBody, packed: Channel[Batch], walker: _Worker[tuple[Extracted, ...]]) -> None:
    """Pass the body on to its end.

    When the archive turns out to be invalid the rest is still read, for its digest. After another failure, such as a
    full disk, nothing more is read.
    """
    passing = True
    for batch in _batches(body.chunks):
        if passing and not packed.put(batch):
            passing = False
            walker.wait()
            if walker.error is not None and not isinstance(walker.error, MismatchError | NotFoundError):
                raise walker.error


def _batches(chunks: Iterable[bytes]) -> Iterator[Batch]:
    """Yield the chunks in batches that are large enough to be worth a change of threads."""
    batch, size = list[bytes](), 0
    for chunk in chunks:
        batch.append(chunk)
        size += len(chunk)
        if size >= STEP_IN:
            yield tuple(batch)
            batch, size = [], 0
    yield tuple(batch)


def _inflate(packed: Channel[Batch], unpacked: Channel[bytes], limit: int) -> None:
    try:
        for piece in inflate(chain.from_iterable(packed), limit):
            if not unpacked.put(piece):
                return
    finally:
        unpacked.end()
        packed.leave()


def _walk(
    unpacked: Channel[bytes], wanted: Set[str], create: Callable[[str], BinaryIO], rules: Rules
) -> tuple[Extracted, ...]:
    try:
        return _extract(unpacked, wanted, create, rules)
    finally:
        unpacked.leave()


# -- the archive ---------------------------------------------------------------------------------------------


def _extract(
    pieces: Iterable[bytes], wanted: Set[str], create: Callable[[str], BinaryIO], rules: Rules
) -> tuple[Extracted, ...]:
    search = Search(wanted)
    found: list[Extracted] = []
    for member in tar.members(pieces):
        names = search.claims(member)
        if names:
            found += _write(member, names, create, rules)
    search.check()
    return tuple(sorted(found, key=lambda one: one.member))


def _write(
    member: tar.TarMember, names: Sequence[str], create: Callable[[str], BinaryIO], rules: Rules
) -> list[Extracted]:
    """Write the member to a file for each of *names*, which are spellings of it."""
    where = quoted(names[0])
    if member.kind == "sparse":
        raise MismatchError(
            f"{where} is archived as a sparse file", hint="tell the image's author", code="damaged-image"
        )
    if member.size > rules.max_file:
        raise MismatchError(f"{where} exceeds the {rules.max_file}-byte limit", code="damaged-image")
    hasher, head, written, begun = hashlib.sha256(), b"", 0, 0
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(create(name)) for name in names]
            path = getattr(files[0], "name", None)
            where = f"{where} to {path}" if isinstance(path, str) else where
            for view in member.data:
                hasher.update(view)
                head += view[: HEAD_BYTES - len(head)]
                for file in files:
                    _write_all(file, view)
                written += len(view)
                if written - begun >= _WRITE_BEHIND:
                    for file in files:
                        fs.start_writing_out(file, begun, written - begun)
                    begun = written
    except OSError as error:
        raise DiskError(
            f"cannot write {where}: {(error.strerror or str(error)).lower()}",
            hint=hint_for(error),
        ) from error
    digest = Digest(hasher.hexdigest())
    return [
        Extracted(member=name, digest=digest, size=member.size, head=head, mode=MODE[rules.compat]) for name in names
    ]


def _write_all(file: BinaryIO, view: memoryview) -> None:
    # An unbuffered file may take less than it is given.
    while view:
        view = view[file.write(view) :]


# -- the Go client's way (rpp.md §4.6): it reads no further than the member -----------------------------------


def _first_match(body: Iterable[bytes], wanted: Set[str], create: Callable[[str], BinaryIO], rules: Rules) -> Extracted:
    found = tar.members(inflate(body, rules.max_walk, frozenset({"gzip"})))
    member = _next_match(found, wanted)
    if member is None:
        raise not_found(sorted(wanted), [])
    try:
        return _write(member, [base_name(member.name)], create, rules)[0]
    except (CutShortError, TooLongError) as error:
        raise MismatchError("unexpected end of stream", code="damaged-image") from error


def _next_match(found: Iterator[tar.TarMember], wanted: Set[str]) -> tar.TarMember | None:
    try:
        return next((one for one in found if one.kind == "file" and base_name(one.name) in wanted), None)
    except UnknownFormatError as error:
        raise MismatchError("open gzip stream", code="damaged-image") from error
    except (CutShortError, TooLongError) as error:
        raise MismatchError("read tar: unexpected EOF", code="damaged-image") from error
    except tar.InvalidArchiveError as error:
        raise MismatchError("read tar: archive/tar: invalid tar header", code="damaged-image") from error

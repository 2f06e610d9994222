"""The verified streaming unpack: a layer's bytes in, its executables written and hashed, in one pass.

Three threads, each in C without the GIL nearly all the time: the caller's reads the body and hashes it, one
inflates, one walks the archive, hashes the members and writes them. Between them are bounded queues.

Lives here: those threads, and the judgement on what they found. Where files lie, their names and their mode are
the caller's part, and so is taking away what a failed call has begun to write.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import chain
from queue import SimpleQueue
from typing import TYPE_CHECKING, BinaryIO, Generic, TypeVar

from d8_installer.errors import DiskError, MismatchError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.executable import HEAD_BYTES
from d8_installer.model.value import Struct
from d8_installer.store import tar
from d8_installer.store.inflate import STEP_IN, CutShortError, TooLongError, UnknownFormatError, inflate
from d8_installer.store.members import Search, base_name, not_found, quoted
from d8_installer.store.os_errors import hint_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence, Set
    from concurrent.futures import Future

    from d8_installer.model.version import Compat

Batch = tuple[bytes, ...]
Item = TypeVar("Item")

MAX_FILE_BYTES = 512 << 20
MAX_WALK_BYTES = (1 << 30) + 1
"""The Go client's caps: of one extracted file, and of all that is decompressed (rpp.md §4.2, Caps)."""
MODE = {"d8": 0o555, "go": 0o755}

_DEPTH = 4


class Layer(Struct, frozen=True):
    """What was promised of the body: the digest and number of its bytes as stored (compressed)."""

    digest: Digest
    size: int


class Rules(Struct, frozen=True):
    """How to read a layer; the caps in bytes.

    ``compat="go"`` is what the Go client does, for comparing with it: gzip only, the first match ends the
    reading, and nothing is verified (rpp.md §4.6).
    """

    compat: Compat = "d8"
    max_file: int = MAX_FILE_BYTES
    max_walk: int = MAX_WALK_BYTES


OURS = Rules()


class Extracted(Struct, frozen=True, kw_only=True):
    """A member that was written: its name as wanted, the digest and size of its bytes, the first HEAD_BYTES of them.

    ``mode`` is what the file is to get; the archive's own is never looked at.
    """

    member: str
    digest: Digest
    size: int
    head: bytes
    mode: int


def unpack(
    body: Iterable[bytes],
    layer: Layer,
    wanted: Set[str],
    create: Callable[[str], BinaryIO],
    rules: Rules = OURS,
) -> tuple[Extracted, ...]:
    """Write the *wanted* members (``model.reference.parse_member``) of the layer that *body* is, and prove every byte.

    *create* opens a file to write for a member's name, from another thread; it is closed here, whatever happens.
    Returns the members sorted by name, once the whole body was read and had the promised size and digest. Raises
    what *body* raises; MismatchError if the bytes are not the promised ones or are no sound archive; NotFoundError
    if a wanted member is missing; DiskError. After an error the files hold anything. Threads end before the return.
    """
    if rules.compat == "go":
        return (_first_match(body, wanted, create, rules),)
    packed, unpacked = Channel[Batch](_DEPTH), Channel[bytes](_DEPTH)
    with ThreadPoolExecutor(2, "d8-unpack") as threads:
        try:
            walking = threads.submit(_walk, unpacked, wanted, create, rules)
            inflating = threads.submit(_inflate, packed, unpacked, rules.max_walk)
            size, digest = _read(body, layer.size, packed, walking)
        except BaseException:
            unpacked.end()  # also when the second thread, whose part this is, could not be started
            raise
        finally:
            packed.end()
    _check_bytes(layer, size, digest)  # first: bytes that are not the promised ones explain whatever else went wrong
    inflating.result()
    return walking.result()


class WrongBytesError(MismatchError):
    """What came are other bytes than the promised ones."""


def _check_bytes(layer: Layer, size: int, digest: Digest) -> None:
    if size < layer.size:
        raise WrongBytesError(
            f"the layer ended after {size} of {layer.size} bytes",
            hint="try again; if it stays so, the source serves another file than the lock names",
        )
    if digest != layer.digest:
        raise WrongBytesError(
            f"the layer's bytes have the digest {digest}, not {layer.digest}",
            hint="the tag may have been moved or the source is damaged; compare with another source",
        )


class Channel(Generic[Item]):
    """A bounded queue from one thread to one other; ``end()`` by its writer tells the reader that no more comes.

    Ctrl-C may come between any two steps of Python, and would leave a lock of queue.Queue held. A SimpleQueue's
    steps are C, and so is ``end`` as a partial: it happens, or is never begun.
    """

    def __init__(self, depth: int) -> None:
        self._items: SimpleQueue[Item | None] = SimpleQueue()
        self._free: SimpleQueue[bool] = SimpleQueue()
        self.end: Callable[[], None] = partial(self._items.put, None)
        for _ in range(depth):
            self._free.put(True)

    def put(self, item: Item) -> bool:
        """Wait for a free place; False if the reader has left, and then the item is dropped."""
        if not self._free.get():
            self._free.put(False)
            return False
        self._items.put(item)
        return True

    def leave(self) -> None:
        """Tell the writer that nothing more is read."""
        self._free.put(False)

    def __iter__(self) -> Iterator[Item]:
        while (item := self._items.get()) is not None:
            yield item
            self._free.put(True)


# -- the caller's thread -----------------------------------------------------------------------------------


def _read(
    body: Iterable[bytes], promised: int, packed: Channel[Batch], walking: Future[tuple[Extracted, ...]]
) -> tuple[int, Digest]:
    """Pass the body on; return its size and digest.

    When the archive turns out bad the rest is still read: only the digest tells a damaged transfer from a
    damaged image. After anything else, such as a full disk, reading on is for nothing.
    """
    hasher, size, passing = hashlib.sha256(), 0, True
    for batch in _batches(body, promised):
        if passing and not packed.put(batch):
            passing = False
            _raise_unless_archive_is_bad(walking)
        for chunk in batch:
            hasher.update(chunk)
            size += len(chunk)
    return size, Digest(hasher.hexdigest())


def _batches(body: Iterable[bytes], promised: int) -> Iterator[Batch]:
    """Yield the body's chunks in batches that are worth a change of threads; MismatchError if it is too long."""
    size, batch, waiting = 0, list[bytes](), 0
    for chunk in body:
        size += len(chunk)
        if size > promised:
            raise WrongBytesError(
                f"the layer is longer than the promised {promised} bytes",
                hint="the source serves another file than the lock names; compare with another source",
            )
        batch.append(chunk)
        waiting += len(chunk)
        if waiting >= STEP_IN:
            yield tuple(batch)
            batch, waiting = [], 0
    yield tuple(batch)


def _raise_unless_archive_is_bad(walking: Future[tuple[Extracted, ...]]) -> None:
    failure = walking.exception()
    if failure is not None and not isinstance(failure, MismatchError | NotFoundError):
        raise failure


# -- the second thread -------------------------------------------------------------------------------------


def _inflate(packed: Channel[Batch], unpacked: Channel[bytes], limit: int) -> None:
    try:
        for piece in inflate(chain.from_iterable(packed), limit):
            if not unpacked.put(piece):
                return
    finally:
        unpacked.end()
        packed.leave()


# -- the third thread --------------------------------------------------------------------------------------


def _walk(
    unpacked: Channel[bytes], wanted: Set[str], create: Callable[[str], BinaryIO], rules: Rules
) -> tuple[Extracted, ...]:
    try:
        return _extract(tar.members(unpacked), wanted, create, rules)
    finally:
        unpacked.leave()


def _extract(
    entries: Iterator[tar.TarMember], wanted: Set[str], create: Callable[[str], BinaryIO], rules: Rules
) -> tuple[Extracted, ...]:
    search = Search(wanted)
    found: list[Extracted] = []
    for entry in entries:
        members = search.claims(entry)
        if members:
            found += _write(entry, members, create, rules)
    search.check()
    return tuple(sorted(found, key=lambda one: one.member))


def _write(
    entry: tar.TarMember, members: Sequence[str], create: Callable[[str], BinaryIO], rules: Rules
) -> list[Extracted]:
    """Write the entry to a file for each of *members*, which are spellings of it."""
    where = quoted(members[0])
    if entry.kind == "sparse":
        raise MismatchError(f"{where} is archived as a sparse file", hint="tell the image's author")
    if entry.size > rules.max_file:
        raise MismatchError(f"{where} exceeds the {rules.max_file}-byte limit")
    hasher, head = hashlib.sha256(), b""
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(create(member)) for member in members]
            path = getattr(files[0], "name", None)
            where = f"{where} to {path}" if isinstance(path, str) else where
            for view in entry.data:
                hasher.update(view)
                head += view[: HEAD_BYTES - len(head)]
                for file in files:
                    _write_all(file, view)
    except OSError as error:
        raise DiskError(
            f"cannot write {where}: {(error.strerror or str(error)).lower()}",
            hint=hint_for(error),
        ) from error
    digest = Digest(hasher.hexdigest())
    return [
        Extracted(member=member, digest=digest, size=entry.size, head=head, mode=MODE[rules.compat])
        for member in members
    ]


def _write_all(file: BinaryIO, view: memoryview) -> None:
    # An unbuffered file may take less than it is given.
    while view:
        view = view[file.write(view) :]


# -- the Go client's way (rpp.md §4.6), without threads: it reads no further than the entry ------------------


def _first_match(body: Iterable[bytes], wanted: Set[str], create: Callable[[str], BinaryIO], rules: Rules) -> Extracted:
    found = tar.members(inflate(body, rules.max_walk, frozenset({"gzip"})))
    entry = _next_match(found, wanted)
    if entry is None:
        raise not_found(sorted(wanted), [])
    try:
        return _write(entry, [base_name(entry.name)], create, rules)[0]
    except (CutShortError, TooLongError) as error:
        raise MismatchError("unexpected end of stream") from error


def _next_match(found: Iterator[tar.TarMember], wanted: Set[str]) -> tar.TarMember | None:
    try:
        return next((e for e in found if e.kind == "file" and base_name(e.name) in wanted), None)
    except UnknownFormatError as error:
        raise MismatchError("open gzip stream") from error
    except (CutShortError, TooLongError) as error:
        raise MismatchError("read tar: unexpected EOF") from error
    except tar.InvalidArchiveError as error:
        raise MismatchError("read tar: archive/tar: invalid tar header") from error

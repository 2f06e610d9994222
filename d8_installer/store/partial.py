"""Layers on their way into one home: who fetches which, and what is kept of a transfer that was cut.

What is kept has a digest's name and is not proven: whoever goes on with it hashes it again from its first byte.
"""

from __future__ import annotations

import contextlib
import os

from d8_installer.errors import DiskError, TryAgainError
from d8_installer.store import fs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO, Protocol

    from d8_installer.model.digest import Digest
    from d8_installer.store.paths import Home

    class Guard(Protocol):
        """The home's lock, held for moments only; who is *hurried* is on the way out, and waits for just a moment."""

        def __call__(self, *, hurried: bool = False) -> AbstractContextManager[None]: ...


KEPT_LAYERS = 16
"""So many beginnings are kept at most; the oldest go first."""
KEPT_SECONDS = 7 * 24 * 3600
"""After this time a beginning goes."""
_ETAG_LIMIT = 1 << 10
_PIECE = 256 << 10
_AGAIN = "type the same command again"
_ETAG, _MUTEX = ".etag", ".mutex"


class Arriving:
    """The directory ``arriving`` of one home."""

    def __init__(self, home: Home, guard: Guard) -> None:
        self._home = home
        self._guard = guard

    @contextlib.contextmanager
    def alone(self, layer: Digest, wait: Callable[[], object]) -> Iterator[None]:
        """Be the only one of all processes and threads that fetches *layer* while the context lasts.

        As long as another one does, *wait* is called again and again: it pauses, or raises to give up. Who is killed
        keeps nobody waiting.
        """
        mutex = self._home.arriving_mutex(layer.hex)
        with contextlib.ExitStack() as held:
            while not self._take(held, mutex):
                wait()
            try:
                yield
            finally:
                # What is not removed here is by the next sweep.
                with contextlib.suppress(DiskError, TryAgainError), self._guard(hurried=True):
                    held.close()
                    fs.remove(mutex)

    def _take(self, held: contextlib.ExitStack, mutex: str) -> bool:
        """Lock files are opened and removed under the guard only: nobody may hold one that has no name any more."""
        with self._guard(), contextlib.ExitStack() as attempt:
            fs.make_directories(self._home.arriving)
            if not attempt.enter_context(fs.try_exclusive(mutex)):
                return False
            held.push(attempt.pop_all())
            return True

    def kept(self, layer: Digest) -> tuple[int, str | None]:
        """Return how many bytes of *layer* are kept, and the ETag that they came with."""
        size = fs.file_size(self._home.kept(layer.hex)) or 0
        etag = fs.read(self._home.kept_etag(layer.hex), limit=_ETAG_LIMIT) if size else None
        return size, etag.decode("ascii", "replace") or None if etag is not None else None

    def beginning(self, layer: Digest, size: int) -> Iterator[bytes]:
        """Yield the first *size* bytes that are kept."""
        path = self._home.kept(layer.hex)
        try:
            with open(path, "rb", buffering=0) as file:
                while size and (piece := file.read(min(size, _PIECE))):
                    size -= len(piece)
                    yield piece
        except OSError as error:
            raise DiskError(f"cannot read {path}: {error.strerror}", hint=_AGAIN) from error
        if size:
            raise DiskError(f"{path} was cut while it was read", hint=_AGAIN)

    def keeping(self, layer: Digest, start: int, etag: str | None, rest: Iterable[bytes]) -> Iterator[bytes]:
        """Yield *rest*, and keep it behind the first *start* bytes that are kept; a disk that refuses keeps nothing."""
        with contextlib.ExitStack() as opened:
            file: BinaryIO | None = None
            try:
                fs.replace_file(self._home.kept_etag(layer.hex), (etag or "").encode(), durable=False)
                file = opened.enter_context(fs.reopen(self._home.kept(layer.hex), start))
            except DiskError:
                self.drop(layer)
            for chunk in rest:
                if file is not None:
                    try:
                        fs.write(file, chunk)
                    except DiskError:
                        file = None
                        opened.close()
                        self.drop(layer)
                yield chunk

    def drop(self, layer: Digest) -> None:
        """Keep nothing of *layer* any more."""
        with contextlib.suppress(DiskError):
            fs.remove(self._home.kept(layer.hex))
            fs.remove(self._home.kept_etag(layer.hex))

    def sweep(self, *, keep: int = KEPT_LAYERS) -> None:
        """Remove the lock files of killed processes, and all but the newest *keep* beginnings that nobody goes on with.

        The caller holds the guard.
        """
        names = [name for name in fs.list_directory(self._home.arriving) if _is_ours(name)]
        living = {name for name in names if name.endswith(_MUTEX) and not self._died(name)}
        idle = {name for name in names if f"{name.partition('.')[0]}{_MUTEX}" not in living}
        beginnings = sorted((name for name in idle if "." not in name), key=self._age)
        stay = {name for name in beginnings[:keep] if self._age(name) < KEPT_SECONDS}
        for name in idle:
            if name.removesuffix(_ETAG) not in stay:
                fs.remove(self._home.kept(name))

    def _died(self, mutex: str) -> bool:
        with fs.try_exclusive(self._home.kept(mutex)) as free:
            return free

    def _age(self, name: str) -> float:
        """Return a file's age in seconds; taking the guard has just written its file, by the same clock."""
        try:
            return os.stat(self._home.mutex).st_mtime - os.stat(self._home.kept(name)).st_mtime
        except OSError:
            return 0.0


def _is_ours(name: str) -> bool:
    """Whether it is a name that we give there: a digest, or with an ending; ``.etag`` is replaced whole."""
    digest, _, ending = name.partition(".")
    parts = ending.split(".")
    return is_digest(digest) and (
        ending in {"", "mutex", "etag"} or (parts[0] == "etag" and parts[2:] == ["tmp"] and parts[1].isdecimal())
    )


def is_digest(name: str) -> bool:
    """Whether it is a digest's 64 hex digits."""
    return len(name) == 64 and not name.strip("0123456789abcdef")

"""Partial layers in one home: which process fetches a layer, and the bytes kept of a transfer that was cut.

A partial layer is named by the digest of the whole, but it is not verified: a transfer that continues it hashes it
again from its first byte.
"""

from __future__ import annotations

import contextlib
import os

from d8_installer.errors import DiskError, TryAgainError
from d8_installer.model.value import Struct
from d8_installer.store import fs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO, Protocol

    from d8_installer.model.digest import Digest
    from d8_installer.store.paths import Home

    class Guard(Protocol):
        """The home's mutex, held for moments only. *hurried* waits for a moment at most: the command is ending."""

        def __call__(self, *, hurried: bool = False) -> AbstractContextManager[None]: ...


KEPT_LAYERS = 16
"""The number of partial layers that are kept; the oldest are removed first."""
KEPT_SECONDS = 7 * 24 * 3600
"""The age after which a partial layer is removed."""
_ETAG_LIMIT = 1 << 10
_PIECE = 256 << 10
_AGAIN = "type the same command again"
_ETAG, _MUTEX = ".etag", ".mutex"


class KeptBytes(Struct, frozen=True):
    """The kept part of a layer: how many bytes, and the ETag that the source sent with them."""

    size: int
    etag: str | None = None


class PartialLayers:
    """The directory ``arriving`` of one home."""

    def __init__(self, home: Home, guard: Guard) -> None:
        self._home = home
        self._guard = guard

    @contextlib.contextmanager
    def only_fetcher(self, layer: Digest, wait: Callable[[], object]) -> Iterator[None]:
        """Be the only process and thread that fetches *layer* while the context lasts.

        While another one fetches it, *wait* is called repeatedly: it pauses, or raises an exception to give up.
        The lock of a killed process is free.
        """
        mutex = self._home.partial_layer_mutex(layer.hex)
        with contextlib.ExitStack() as held:
            while not self._take(held, mutex):
                wait()
            try:
                yield
            finally:
                # A file that cannot be removed now is removed by the next sweep.
                with contextlib.suppress(DiskError, TryAgainError), self._guard(hurried=True):
                    held.close()
                    fs.remove(mutex)

    def _take(self, held: contextlib.ExitStack, mutex: str) -> bool:
        """Try to lock *mutex*. The guard keeps its file from being removed between opening and locking."""
        with self._guard(), contextlib.ExitStack() as attempt:
            fs.make_directories(self._home.arriving)
            if not attempt.enter_context(fs.try_exclusive(mutex)):
                return False
            held.push(attempt.pop_all())
            return True

    def kept(self, layer: Digest) -> KeptBytes:
        """Return what is kept of *layer*."""
        size = fs.file_size(self._home.partial_layer(layer.hex)) or 0
        etag = fs.read(self._home.partial_layer_etag(layer.hex), limit=_ETAG_LIMIT) if size else None
        return KeptBytes(size, etag.decode("ascii", "replace") or None if etag is not None else None)

    def read(self, layer: Digest, size: int) -> Iterator[bytes]:
        """Yield the first *size* bytes of the kept part."""
        path = self._home.partial_layer(layer.hex)
        try:
            with open(path, "rb", buffering=0) as file:
                while size and (piece := file.read(min(size, _PIECE))):
                    size -= len(piece)
                    yield piece
        except OSError as error:
            raise DiskError(f"cannot read {path}: {error.strerror}", hint=_AGAIN) from error
        if size:
            raise DiskError(f"{path} was cut while it was read", hint=_AGAIN)

    def keep(self, layer: Digest, start: int, etag: str | None, rest: Iterable[bytes]) -> Iterator[bytes]:
        """Yield *rest*, and append it to the first *start* bytes of the kept part; a failing disk keeps nothing."""
        with contextlib.ExitStack() as opened:
            file: BinaryIO | None = None
            try:
                fs.replace_file(self._home.partial_layer_etag(layer.hex), (etag or "").encode(), durable=False)
                file = opened.enter_context(fs.reopen(self._home.partial_layer(layer.hex), start))
            except DiskError:
                self.discard(layer)
            for chunk in rest:
                if file is not None:
                    try:
                        fs.write(file, chunk)
                    except DiskError:
                        file = None
                        opened.close()
                        self.discard(layer)
                yield chunk

    def discard(self, layer: Digest) -> None:
        """Remove the kept part of *layer*."""
        with contextlib.suppress(DiskError):
            fs.remove(self._home.partial_layer(layer.hex))
            fs.remove(self._home.partial_layer_etag(layer.hex))

    def sweep(self, *, keep: int = KEPT_LAYERS) -> None:
        """Remove the lock files of killed processes, and all but the newest *keep* partial layers not being fetched.

        The caller holds the guard.
        """
        names = [name for name in fs.list_directory(self._home.arriving) if _is_ours(name)]
        living = {name for name in names if name.endswith(_MUTEX) and not self._is_free(name)}
        idle = {name for name in names if f"{name.partition('.')[0]}{_MUTEX}" not in living}
        parts = sorted((name for name in idle if "." not in name), key=self._age)
        stay = {name for name in parts[:keep] if self._age(name) < KEPT_SECONDS}
        for name in idle:
            if name.removesuffix(_ETAG) not in stay:
                fs.remove_unless_used(self._home.partial_layer(name))

    def _is_free(self, mutex: str) -> bool:
        with fs.try_exclusive(self._home.partial_layer(mutex)) as free:
            return free

    def _age(self, name: str) -> float:
        """Return a file's age in seconds, relative to the mutex: the file system's clock wrote both times."""
        try:
            return os.stat(self._home.mutex).st_mtime - os.stat(self._home.partial_layer(name)).st_mtime
        except OSError:
            return 0.0


def _is_ours(name: str) -> bool:
    """Whether the name has one of our forms: a digest, alone or with a suffix; an ETag's temporary file counts too."""
    final = fs.final_name(name)
    digest, _, ending = final.partition(".")
    return is_hex_digest(digest) and (ending == "etag" or (final == name and ending in {"", "mutex"}))


def is_hex_digest(name: str) -> bool:
    """Whether the name consists of 64 lower-case hexadecimal digits."""
    return len(name) == 64 and not name.strip("0123456789abcdef")

"""The proxy's layers on disk, each a file named by its digest; may be lost at any moment.

Lives here: names, verification on read, the way from a temp file to a name, eviction. Everything blocks.
Does not live here: where bytes come from (``fill``), and the store, which the proxy works without.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from d8_installer.errors import DiskError, MismatchError
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from d8_installer.model.digest import Digest

CHUNK = 256 * 1024
_STALE_SECONDS = 3600.0


class _Entry(Struct, frozen=True):
    path: str
    size: int
    used_ns: int


class TemporaryLayer(Struct, frozen=True):
    """A layer being written: a temp file of the cache that has no digest's name yet."""

    file: BinaryIO
    path: str


class LayerCache:
    """Layers below *directory*, at most about *cap* bytes; safe to call from several threads and processes.

    Over *cap*, the layers not used for longest go, but none that was handed out less than *grace* seconds
    ago: its sender may not have opened it yet. DiskError where the operating system refuses.
    """

    def __init__(self, directory: str, cap: int, grace: float = 10.0) -> None:
        self._blobs = os.path.join(directory, "sha256")
        self._incoming = os.path.join(directory, "incoming")
        self._cap = cap
        self._grace = grace
        self._lock = threading.Lock()
        self._verified: dict[str, tuple[int, int]] = {}
        self._handed_out: dict[str, float] = {}
        try:
            for place in (self._blobs, self._incoming):
                os.makedirs(place, mode=0o700, exist_ok=True)
            self._sweep()
        except OSError as error:
            raise DiskError(f"cannot use {directory} as cache: {error.strerror}") from error

    def path_of(self, layer: Digest) -> str:
        """Where *layer* lies once it is cached."""
        return os.path.join(self._blobs, layer.hex)

    def find(self, layer: Digest, size: int) -> str | None:
        """Return the path of a cached layer whose bytes are proven, or None.

        Proven means hashed once in this process, and size and mtime unchanged since. A file that differs is removed.
        """
        path = self.path_of(layer)
        self._handed_out[path] = time.monotonic()
        try:
            proven = self.is_proven(path, layer, size)
        except FileNotFoundError:
            self._handed_out.pop(path, None)
            return None
        except OSError as error:
            raise DiskError(f"cannot read the cache: {error.strerror}") from error
        if not proven:
            remove_if_there(path)
            return None
        self._touch(path)
        return path

    def is_proven(self, path: str, layer: Digest, size: int) -> bool:
        """Whether the file at *path*, in the cache or elsewhere, has *layer*'s bytes; OSError if it is not there."""
        status = os.stat(path)
        mark = (status.st_size, status.st_mtime_ns)
        if status.st_size != size:
            return False
        if self._verified.get(path) == mark:
            return True
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != layer.hex:
                return False
        self._verified[path] = mark
        return True

    def begin(self) -> TemporaryLayer:
        """Open a temp file for a layer on its way."""
        try:
            handle, path = tempfile.mkstemp(dir=self._incoming)
        except OSError as error:
            raise DiskError(f"cannot write to the cache: {error.strerror}") from error
        return TemporaryLayer(os.fdopen(handle, "wb"), path)

    def commit(self, incoming: TemporaryLayer, layer: Digest, written: str) -> str:
        """Give a whole temp file its name if *written*, its sha256 in hex, is the layer's; else MismatchError."""
        if written != layer.hex:
            raise MismatchError(f"layer {layer} arrived with other bytes: sha256:{written}")
        path = self.path_of(layer)
        self._handed_out[path] = time.monotonic()
        try:
            incoming.file.close()
            status = os.stat(incoming.path)
            os.replace(incoming.path, path)
        except OSError as error:
            raise DiskError(f"cannot write to the cache: {error.strerror}") from error
        self._verified[path] = (status.st_size, status.st_mtime_ns)
        self.evict()
        return path

    def abandon(self, incoming: TemporaryLayer) -> None:
        """Remove a temp file that came to nothing."""
        incoming.file.close()
        remove_if_there(incoming.path)

    def evict(self) -> None:
        """Remove the layers not used for longest until the rest fits the cap."""
        with self._lock:
            entries = sorted(self._entries(), key=lambda entry: entry.used_ns)
            excess = sum(entry.size for entry in entries) - self._cap
            fresh = time.monotonic() - self._grace
            for entry in entries:
                if excess <= 0:
                    return
                if self._handed_out.get(entry.path, fresh) <= fresh:
                    remove_if_there(entry.path)
                    self._verified.pop(entry.path, None)
                    self._handed_out.pop(entry.path, None)
                    excess -= entry.size

    def _entries(self) -> list[_Entry]:
        found = []
        with os.scandir(self._blobs) as listing:
            for item in listing:
                with suppress(FileNotFoundError):  # another process of the same cache evicts too
                    status = item.stat(follow_symlinks=False)
                    found.append(_Entry(item.path, status.st_size, status.st_atime_ns))
        return found

    def _touch(self, path: str) -> None:
        """Note the use in the access time, on file systems mounted without it too; mtime stays, it is the proof."""
        with suppress(FileNotFoundError):
            os.utime(path, ns=(time.time_ns(), os.stat(path).st_mtime_ns))

    def _sweep(self) -> None:
        """Remove what killed processes left in ``incoming``, and what exceeds a smaller cap than last time."""
        with os.scandir(self._incoming) as listing:
            old = [item.path for item in listing if time.time() - item.stat().st_mtime > _STALE_SECONDS]
        for path in old:
            remove_if_there(path)
        self.evict()


def remove_if_there(path: str) -> None:
    """Unlink *path*; that it is gone already is not an error."""
    with suppress(FileNotFoundError):
        os.unlink(path)

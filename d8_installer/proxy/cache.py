"""The proxy's layers on disk, each in a file named by its digest. The files may be lost at any moment.

This module names files, verifies them on reading, moves a temporary file to its name, and evicts. All functions may
block, except ``unchanged``. ``fill`` brings the bytes; the store is not used, so that the proxy works without a home.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from d8_installer.errors import DiskError, MismatchError
from d8_installer.model.value import Struct
from d8_installer.store.sharing import patiently

if TYPE_CHECKING:
    from io import FileIO

    from d8_installer.model.digest import Digest

CHUNK = 256 * 1024


class _Entry(Struct, frozen=True):
    path: str
    size: int
    used_ns: int


class TemporaryLayer(Struct, frozen=True):
    """A layer that is being written: a temporary file in the cache, not named by a digest yet."""

    file: BinaryIO
    path: str


class LayerCache:
    """Layers below *directory*, at most about *cap* bytes; safe for several threads and processes.

    Over *cap*, the least recently used layers are removed, except those handed out less than *grace* seconds ago, which
    their sender may not have opened yet. DiskError if the operating system refuses.
    """

    def __init__(self, directory: str, cap: int, grace: float = 10.0) -> None:
        self._blobs = os.path.join(directory, "sha256")
        self._incoming = os.path.join(directory, "incoming")
        self._cap = cap
        self._grace = grace
        self._lock = threading.Lock()
        self._verified: dict[str, tuple[int, int]] = {}
        self._elsewhere: dict[Digest, str] = {}
        self._handed_out: dict[str, float] = {}
        try:
            for path in (self._blobs, self._incoming):
                os.makedirs(path, mode=0o700, exist_ok=True)
            self._sweep()
        except OSError as error:
            raise DiskError(f"cannot use {directory} as cache: {error.strerror}") from error

    def path_of(self, layer: Digest) -> str:
        """Return the path of *layer* once it is cached."""
        return os.path.join(self._blobs, layer.hex)

    def unchanged(self, layer: Digest, size: int) -> str | None:
        """Return the path of a verified file of *layer*, in the cache or elsewhere, or None.

        Only asks for the file's size and time, which takes no time worth a thread.
        """
        path = self.path_of(layer)
        self._handed_out[path] = time.monotonic()
        if self._is_unchanged(path, size):
            self._touch(path)
            return path
        self._handed_out.pop(path, None)
        other = self._elsewhere.get(layer)
        return other if other is not None and self._is_unchanged(other, size) else None

    def _is_unchanged(self, path: str, size: int) -> bool:
        known = self._verified.get(path)
        try:
            return known is not None and known[0] == size and known == _state(path)
        except OSError:
            return False

    def find(self, layer: Digest, size: int) -> str | None:
        """Return the path of a cached layer whose bytes are verified, or None; a file with other bytes is removed.

        Verified means hashed once by this process, with size and mtime unchanged since.
        """
        path = self.path_of(layer)
        self._handed_out[path] = time.monotonic()
        try:
            is_verified = self._verify(path, layer, size)
        except GONE:
            self._handed_out.pop(path, None)
            return None
        except OSError as error:
            raise DiskError(f"cannot read the cache: {error.strerror}") from error
        if not is_verified:
            _remove_if_there(path)
            return None
        self._touch(path)
        return path

    def verify_elsewhere(self, path: str, layer: Digest, size: int) -> bool:
        """Whether the file at *path*, outside the cache, has the bytes of *layer*; OSError if it cannot be read."""
        if not self._verify(path, layer, size):
            return False
        self._elsewhere[layer] = path
        return True

    def _verify(self, path: str, layer: Digest, size: int) -> bool:
        state = _state(path)
        if state[0] != size:
            return False
        if self._verified.get(path) == state:
            return True
        with open_cached(path) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != layer.hex:
                return False
        self._verified[path] = state
        return True

    def begin(self) -> TemporaryLayer:
        """Open a temporary file for a layer that arrives."""
        try:
            handle, path = tempfile.mkstemp(dir=self._incoming)
        except OSError as error:
            raise DiskError(f"cannot write to the cache: {error.strerror}") from error
        return TemporaryLayer(os.fdopen(handle, "wb"), path)

    def commit(self, incoming: TemporaryLayer, layer: Digest, written: str) -> str:
        """Name a complete temporary file if *written*, its sha256 in hex, is the layer's; else raise MismatchError."""
        if written != layer.hex:
            raise MismatchError(f"layer {layer} arrived with other bytes: sha256:{written}")
        path = self.path_of(layer)
        self._handed_out[path] = time.monotonic()
        try:
            incoming.file.close()
            state = _state(incoming.path)
            patiently(lambda: os.replace(incoming.path, path), path, source=incoming.path, replaces=True)
        except OSError as error:
            raise DiskError(f"cannot write to the cache: {error.strerror}") from error
        self._verified[path] = state
        self.evict()
        return path

    def abandon(self, incoming: TemporaryLayer) -> None:
        """Remove a temporary file whose layer did not arrive."""
        incoming.file.close()
        _remove_if_there(incoming.path)

    def evict(self) -> None:
        """Remove the least recently used layers until the rest fits the cap."""
        with self._lock:
            entries = sorted(self._entries(), key=lambda entry: entry.used_ns)
            excess = sum(entry.size for entry in entries) - self._cap
            fresh = time.monotonic() - self._grace
            for entry in entries:
                if excess <= 0:
                    return
                if self._handed_out.get(entry.path, fresh) <= fresh and _remove_if_there(entry.path):
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
        """Note the use in the access time, also where the mount option noatime is set; mtime stays as it is."""
        with suppress(*GONE):
            os.utime(path, ns=(time.time_ns(), os.stat(path).st_mtime_ns))

    def _sweep(self) -> None:
        """Remove what killed processes left in ``incoming``, and layers that exceed a cap smaller than last time."""
        with os.scandir(self._incoming) as listing:
            old = [item.path for item in listing if time.time() - item.stat().st_mtime > _STALE_SECONDS]
        for path in old:
            _remove_if_there(path)
        self.evict()


def _state(path: str) -> tuple[int, int]:
    """Return a file's size and mtime, which change when its bytes do."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


# -- files that others rename and remove -----------------------------------------------------------------------

if sys.platform == "win32":
    import _winapi
    import msvcrt

    _STALE_SECONDS = 60.0
    """A file that is being written cannot be removed: only the moment between closing and naming counts."""
    GONE: tuple[type[OSError], ...] = (FileNotFoundError, PermissionError)
    """The answers for a file that is gone; one that goes as soon as its last reader closes it is refused."""

    _SHARED = 0x1 | 0x2 | 0x4
    """FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_SHARE_DELETE."""

    def _open(path: str, flags: int) -> int:
        """Open a file for reading. Without FILE_SHARE_DELETE it could not be renamed or removed meanwhile.

        The source is "CreateFileW function" at Microsoft.
        """
        handle = _winapi.CreateFile(path, _winapi.GENERIC_READ, _SHARED, 0, _winapi.OPEN_EXISTING, 0, 0)
        return msvcrt.open_osfhandle(handle, flags)

    def _remove_if_there(path: str) -> bool:
        """Unlink *path* if it exists; return False if another program keeps it open."""
        with suppress(FileNotFoundError):
            try:
                os.unlink(path)
            except PermissionError:
                return False
        return True

else:
    _STALE_SECONDS = 3600.0
    GONE = (FileNotFoundError,)
    _open = os.open

    def _remove_if_there(path: str) -> bool:
        """Unlink *path* if it exists; return True."""
        with suppress(FileNotFoundError):
            os.unlink(path)
        return True


def open_cached(path: str) -> FileIO:
    """Open a file for reading, unbuffered, so that it may be renamed and removed meanwhile."""
    return open(path, "rb", buffering=0, opener=_open)

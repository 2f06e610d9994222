"""The files of an OCI layout: opened, written whole or not at all, and locked. ``oci_layout`` says what is in them.

Other processes read a layout while it is written. On Windows they are in each other's way: the system refuses to
replace a file that is being read, and to open one that is being replaced. Both pass in moments, so the call is made
again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from d8_installer.errors import DiskError, MismatchError, NotFoundError
from d8_installer.model.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    T = TypeVar("T")

CHUNK = 256 << 10
MARKER = b'{"imageLayoutVersion":"1.0.0"}'
"""The content of ``oci-layout``."""


# -- what differs on Windows ---------------------------------------------------------------------------------

if sys.platform == "win32":
    import msvcrt
    import time

    _PATIENCE_SECONDS = 2.0
    _PAUSE_SECONDS = 0.003
    _HELD = {errno.EACCES, 0}
    """The answers for a lock that another holds (Microsoft, "_locking"); Wine gives no number."""
    _FAR = 1 << 30  # locks are mandatory on Windows: keep off the bytes that readers want

    def _patiently(call: Callable[[], T]) -> T:
        """Return what *call* returns; make it again, for two seconds at most, while another process is in the way."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return call()
            except PermissionError:
                if time.monotonic() >= end:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def _take(descriptor: int) -> None:
        """Wait for the lock without an end, as ``flock`` does; msvcrt's own wait ends after ten seconds."""
        while True:
            os.lseek(descriptor, _FAR, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError as error:
                if error.errno not in _HELD:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                os.lseek(descriptor, 0, os.SEEK_SET)
                return

    def _give_back(descriptor: int) -> None:
        """Give the lock back; at closing, Windows gives it back at some later time ("LockFile function")."""
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    def _sync_directory(_path: str) -> None:
        """Do nothing: Windows cannot open a directory; its file system journals renames."""

else:
    import fcntl

    def _patiently(call: Callable[[], T]) -> T:
        """Return what *call* returns."""
        return call()

    def _take(descriptor: int) -> None:
        """Wait for the lock."""
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _give_back(_descriptor: int) -> None:
        """Do nothing: closing the file gives the lock back."""

    def _sync_directory(path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# -- reading -------------------------------------------------------------------------------------------------


class FileBody:
    """A layer in a file; ``size`` and ``path`` are the file's."""

    def __init__(self, file: BinaryIO, path: str, size: int) -> None:
        self._file = file
        self.path = path
        self.size = size

    def __iter__(self) -> Iterator[bytes]:
        """Yield the rest of the file; a read that fails is a DiskError."""
        while chunk := self._read():
            yield chunk

    def _read(self) -> bytes:
        with refusals(self.path):
            return self._file.read(CHUNK)


def status_of(path: str) -> os.stat_result:
    """Return a file's status."""
    return _patiently(lambda: os.stat(path))


def open_file(path: str) -> BinaryIO:
    """Open a file for reading."""
    return _patiently(lambda: open(path, "rb"))


@contextmanager
def opened_blob(path: str, what: str) -> Iterator[FileBody]:
    """Open a blob; *what* names it in errors. One that is missing, or no regular file, is a NotFoundError."""
    try:
        # A link could lead out of the layout, and a proxy would then publish the file behind it.
        if not stat.S_ISREG(_patiently(lambda: os.lstat(path)).st_mode):
            raise NotFoundError(f"{what} is not a regular file", hint=f"look at {path}", code="locked-bytes-gone")
        file = open_file(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(
            f"{what} is not in the layout", hint=f"there is no {path}", code="locked-bytes-gone"
        ) from error
    except OSError as error:
        raise refused(path, error) from error
    with file:
        yield FileBody(file, path, os.fstat(file.fileno()).st_size)


def has_bytes(path: str, raw: bytes) -> bool:
    """Whether the file exists and has exactly these bytes."""
    try:
        with open_file(path) as file:
            return file.read(len(raw) + 1) == raw
    except FileNotFoundError:
        return False


# -- writing -------------------------------------------------------------------------------------------------


def write_file(path: str, chunks: Iterable[bytes], digest: Digest, size: int) -> None:
    """Write a file completely or not at all: temporary file beside it, fsync, rename, fsync of the directory.

    Chunks that do not add up to *digest* and *size* are a MismatchError.
    """
    directory, base = os.path.split(path)
    temporary = os.path.join(directory, f".{base[:20]}.{os.urandom(8).hex()}")
    hasher, written = hashlib.sha256(), 0
    try:
        with open(temporary, "xb") as file:
            for chunk in chunks:
                hasher.update(chunk)
                written += file.write(chunk)
            if (Digest(hasher.hexdigest()), written) != (digest, size):
                raise MismatchError(
                    f"{written} bytes with sha256:{hasher.hexdigest()} were given for {digest} of {size} bytes"
                )
            file.flush()
            os.fsync(file.fileno())
        _patiently(lambda: os.replace(temporary, path))
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    _sync_directory(directory)


@contextmanager
def locked(marker: str) -> Iterator[None]:
    """Hold the layout's lock: the file ``oci-layout``, which is never replaced. Write the marker if it is empty."""
    descriptor = os.open(marker, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor)
        try:
            if os.fstat(descriptor).st_size == 0:
                os.write(descriptor, MARKER)
                os.fsync(descriptor)
            yield
        finally:
            _give_back(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def refusals(path: str) -> Iterator[None]:
    """Turn a refusal of the system into a DiskError that names its file, or *path*."""
    try:
        yield
    except OSError as error:
        raise refused(path, error) from error


def refused(path: str, error: OSError) -> DiskError:
    """Return the DiskError for a refusal of the system."""
    reason = (error.strerror or str(error)).lower()
    return DiskError(f"{error.filename or path}: {reason}", hint="check the directory and its owner")

"""Lock files as the operating system knows them: open one, take it, queue for it, give it back.

The part of ``fs`` that differs most between systems, and for ``fs`` alone; faults are injected here as well.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys

from d8_installer.errors import DiskError
from d8_installer.store.os_errors import refusals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO, Protocol

    class Queue(Protocol):
        """A place in the queue for a lock."""

        def wait(self, seconds: float) -> bool:
            """Wait until the lock is ours, up to *seconds*; return whether it is. Raises OSError; Ctrl-C ends it."""


_FOR_EVER = float("inf")
_MOMENT = 2.0
"""Seconds."""


class WaitPolicy:
    """How long to wait for another process that holds a lock, and what it is told when that begins.

    ``say`` is called once, with the holder's process number, after ``quiet`` seconds of waiting; after ``seconds`` in
    all the wait ends with a TryAgainError.
    """

    __slots__ = ("quiet", "say", "seconds")

    def __init__(self, say: Callable[[str], None], seconds: float = _FOR_EVER, quiet: float = 0.0) -> None:
        self.say = say
        self.seconds = seconds
        self.quiet = quiet

    def for_moments(self) -> WaitPolicy:
        """Return the same for a lock that is held for moments only: such a wait is not worth a word at first."""
        return WaitPolicy(self.say, self.seconds, _MOMENT)

    def hurried(self) -> WaitPolicy:
        """Return that of somebody on the way out: who waits for just a moment, without a word."""
        return WaitPolicy(self.say, _MOMENT, _MOMENT)


def say_nothing(_holder: str) -> None:
    """The ``say`` of a wait that is not reported."""


def open_lock(path: str) -> BinaryIO:
    """Open a lock file, which is made where it is not there; anything else at its place is a DiskError."""
    if os.path.islink(path):  # what is locked would be another file than the one that ``_is_still`` looks at
        raise DiskError(f"{path} is in the way: it is a link, and not a lock of d8-installer", hint="move it away")
    with contextlib.ExitStack() as opened, refusals("open the lock", path):
        file = opened.enter_context(open(path, "a+b", buffering=0, opener=_for_writers))
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise DiskError(f"{path} is in the way: it is not a regular file", hint="move it away")
        opened.pop_all()
        return file


def _for_writers(path: str, flags: int) -> int:
    """Open a lock that only its owner can open: opening it to read is enough to hold it for ever."""
    kinds = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | kinds, 0o600)
    if os.name == "posix":
        facts = os.fstat(descriptor)
        if stat.S_IMODE(facts.st_mode) != 0o600 and facts.st_uid == os.geteuid():
            with contextlib.suppress(OSError):  # a file system without modes has no other users either
                os.fchmod(descriptor, 0o600)
    return descriptor


if sys.platform == "win32":
    import msvcrt
    import time

    _FAR = 1 << 30  # locks are mandatory there: not on the bytes that a waiting process reads
    _LOOK_AGAIN = 0.1
    """Seconds between two tries: msvcrt cannot wait and be interrupted."""

    def take(file: BinaryIO) -> bool:
        """Take the lock if nobody has it."""
        file.seek(_FAR)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def give_back(file: BinaryIO) -> None:
        """Give the lock back."""
        file.seek(_FAR)
        with contextlib.suppress(OSError):  # closing the file gives it back as well
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

    class _Looking:
        def __init__(self, file: BinaryIO) -> None:
            self._file = file

        def wait(self, seconds: float) -> bool:
            end = time.monotonic() + seconds
            while not take(self._file):
                if time.monotonic() >= end:
                    return False
                time.sleep(_LOOK_AGAIN)
            return True

    def queue(file: BinaryIO) -> Queue:
        """Queue for the lock of *file*."""
        return _Looking(file)

else:
    import fcntl

    def take(file: BinaryIO) -> bool:
        """Take the lock if nobody has it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def give_back(file: BinaryIO) -> None:
        """Give the lock back."""
        with contextlib.suppress(OSError):  # closing the file gives it back as well
            fcntl.flock(file, fcntl.LOCK_UN)

    class _Queued:
        """Waits in the kernel's queue, on a thread of its own: the caller can give up, and hear of Ctrl-C.

        The thread has another descriptor of the same open file, whose lock is therefore the caller's. Once the caller
        has closed its own, closing this one gives back what nobody waits for any more.
        """

        def __init__(self, file: BinaryIO) -> None:
            import threading  # only here: most commands wait for nobody

            self._longest = threading.TIMEOUT_MAX
            self._done = threading.Event()
            self._error: OSError | None = None
            thread = threading.Thread(target=self._work, args=(os.dup(file.fileno()),), name="d8-lock", daemon=True)
            thread.start()

        def _work(self, descriptor: int) -> None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                self._error = error
            finally:
                os.close(descriptor)
                self._done.set()

        def wait(self, seconds: float) -> bool:
            held = self._done.wait(min(seconds, self._longest))
            if self._error is not None:
                raise self._error
            return held

    def queue(file: BinaryIO) -> Queue:
        """Queue for the lock of *file*."""
        return _Queued(file)

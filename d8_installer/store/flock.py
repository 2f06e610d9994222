"""Lock files by the operating system's calls: open one, take it, queue for it, give it back.

This is the part of ``fs`` that differs most between systems. Only ``fs`` uses it, and tests inject faults here too.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys

from d8_installer.errors import DiskError, TryAgainError
from d8_installer.store import sharing
from d8_installer.store.os_errors import NO_LOCKS, UNSUPPORTED, refusals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO, Protocol

    class Queue(Protocol):
        """A place in the queue for a lock."""

        def wait(self, seconds: float) -> bool:
            """Wait up to *seconds* for the lock; return whether it is held now. Raises OSError."""


_FOR_EVER = float("inf")
_MOMENT = 2.0
"""Seconds."""


class WaitPolicy:
    """How long to wait for another process that holds a lock, and how to report the wait.

    ``say`` is called once, with the holder's process number, after ``quiet`` seconds. After ``seconds`` in total the
    wait ends with a TryAgainError.
    """

    __slots__ = ("quiet", "say", "seconds")

    def __init__(self, say: Callable[[str], None], seconds: float = _FOR_EVER, quiet: float = 0.0) -> None:
        self.say = say
        self.seconds = seconds
        self.quiet = quiet

    def for_moments(self) -> WaitPolicy:
        """Return the policy for a lock that is held for moments only: its first seconds are not reported."""
        return WaitPolicy(self.say, self.seconds, _MOMENT)

    def hurried(self) -> WaitPolicy:
        """Return the policy of a command that is ending: it waits for a moment only, and reports nothing."""
        return WaitPolicy(self.say, _MOMENT, _MOMENT)


def say_nothing(_holder: str) -> None:
    """The ``say`` of a wait that is not reported."""


def open_lock(path: str) -> BinaryIO:
    """Open a lock file, or create it; any other kind of file there is a DiskError."""
    if os.path.islink(path):  # the locked file would differ from the one that ``_is_still`` compares
        raise DiskError(
            f"{path} is in the way: it is a link, and not a lock of d8-installer",
            hint="move it away",
            code="in-the-way",
        )
    with contextlib.ExitStack() as opened, refusals("open the lock", path):
        file = sharing.patiently(lambda: open(path, "a+b", buffering=0, opener=_for_writers), path)  # noqa: SIM115
        opened.enter_context(file)
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise DiskError(f"{path} is in the way: it is not a regular file", hint="move it away", code="in-the-way")
        opened.pop_all()
        return file


def _for_writers(path: str, flags: int) -> int:
    """Open a lock file that only its owner can open: whoever can read it could hold the lock for ever."""
    kinds = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | kinds, 0o600)
    if sys.platform != "win32":
        facts = os.fstat(descriptor)
        if stat.S_IMODE(facts.st_mode) != 0o600 and facts.st_uid == os.geteuid():
            with contextlib.suppress(OSError):  # a file system without modes has no other users
                os.fchmod(descriptor, 0o600)
    return descriptor


if sys.platform == "win32":
    import msvcrt
    import time

    REMOVED_WHILE_HELD = False
    _FAR = 1 << 30  # locks are mandatory on Windows: keep off the bytes that a waiting process reads
    _LOOK_AGAIN = 0.1
    """Seconds between two tries: a waiting msvcrt call cannot be interrupted."""

    def take(file: BinaryIO) -> bool:
        """Take the lock if it is free; return whether it is held now."""
        file.seek(_FAR)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in UNSUPPORTED:
                raise
            return False
        return True

    def give_back(file: BinaryIO) -> None:
        """Give the lock back."""
        file.seek(_FAR)
        with contextlib.suppress(OSError):  # closing the file gives the lock back too
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

    def way_to_end(holder: str) -> str:
        """Return what a person can do about the process *holder*; it may be unknown."""
        return f"or end it (`taskkill /f /pid {holder}`)" if holder.isdecimal() else "or end it"

else:
    import fcntl

    REMOVED_WHILE_HELD = True
    """Whether a lock file can be removed by the process that holds it."""

    def take(file: BinaryIO) -> bool:
        """Take the lock if it is free; return whether it is held now."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def give_back(file: BinaryIO) -> None:
        """Give the lock back."""
        with contextlib.suppress(OSError):  # closing the file gives the lock back too
            fcntl.flock(file, fcntl.LOCK_UN)

    class _Queued:
        """Waits in the kernel's queue, in a thread of its own, so that the caller can give up and Ctrl-C works.

        The thread has another descriptor of the same open file, so the lock that it takes is the caller's. If the
        caller has given up and closed its own descriptor, closing this one gives the lock back.
        """

        def __init__(self, file: BinaryIO) -> None:
            import threading  # most commands never wait

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

    def way_to_end(holder: str) -> str:
        """Return what a person can do about the process *holder*; it may be unknown."""
        one = f" {holder}" if holder.isdecimal() else ""
        return f"continue it (`kill -CONT{one}`) or end it (`kill{one}`)"


def wait_for(file: BinaryIO, path: str, patience: WaitPolicy) -> None:
    """Take the lock, however long *patience* waits for another process; after that, raise TryAgainError."""
    with refusals("lock", path, NO_LOCKS):
        if take(file):
            return
        waiting = queue(file)
        quiet = min(patience.quiet, patience.seconds)
        if quiet and waiting.wait(quiet):
            return
        file.seek(0)
        holder = file.read(20).decode("ascii", "replace").strip()
        holder = holder if holder.isdecimal() else "unknown"
        if quiet < patience.seconds or not patience.quiet:
            patience.say(holder)
        if waiting.wait(patience.seconds - quiet):
            return
    raise TryAgainError(
        f"another d8-installer (process {holder}) has held {path} for more than {patience.seconds:.0f} s",
        hint=f"see what that process does, {way_to_end(holder)}, then type the same command again; "
        "D8_PATIENCE=SECONDS waits longer",
        code="home-busy",
    )

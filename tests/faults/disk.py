"""Stands between ``store/fs.py`` and the operating system: counts its calls, and lets one of them go wrong.

Nothing of ours is replaced, only what ``fs`` and its part ``flock`` ask of the system: their ``os``, ``fcntl`` and
``open``, and what ``shutil`` does for them. Installed in a process of its own (`tests.forking`), and never taken out
again.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from d8_installer.store import flock, fs

if TYPE_CHECKING:
    from collections.abc import Callable

READS = frozenset({"listdir", "readlink", "lstat", "stat", "read"})
FREES = frozenset({"unlink", "rmdir", "chmod", "flock"})
GROWS = frozenset({"mkdir", "open", "write", "truncate", "fsync", "replace", "symlink", "link", "copy"})
"""The calls that are counted, by what they do to the disk."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class Fault:
    """What goes wrong: the *at*-th call fails with *errno*, or the process dies there if that is None.

    ``lasting``: later calls fail too; all that write, or on a full disk all that need space.
    """

    at: int
    errno: int | None
    lasting: bool = False


class Disk:
    """Counts calls; after the command ``log`` says which they were."""

    def __init__(self, fault: Fault | None) -> None:
        self._fault = fault
        self._lock = threading.Lock()
        self.log: list[str] = []

    def hit(self, call: str) -> OSError | None:
        """Count a call; return what it is to raise, if anything."""
        with self._lock:
            self.log.append(call)
            number = len(self.log)
        fault = self._fault
        if fault is None or number < fault.at or (number > fault.at and not self._lasts(call)):
            return None
        if fault.errno is None:
            return OSError(0, "killed")
        return OSError(fault.errno, os.strerror(fault.errno))

    def _lasts(self, call: str) -> bool:
        if self._fault is None or not self._fault.lasting:
            return False
        return call in GROWS or (call in FREES - {"flock"} and self._fault.errno not in FULL)

    def go(self, call: str) -> None:
        """Count a call, which fails or kills here if it is its turn."""
        error = self.hit(call)
        if error is not None:
            self.fail(error)

    def fail(self, error: OSError) -> None:
        """Raise the error, or die."""
        if error.errno == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        raise error

    def install(self) -> None:
        """Put this between ``fs`` and the system, which is POSIX here."""
        import fcntl

        names = ("listdir", "readlink", "lstat", "stat", "mkdir", "chmod", "replace", "symlink", "link", "unlink")
        inside: dict[str, Any] = {name: self._counted(name, getattr(os, name)) for name in names}
        inside["open"] = self._counted("read", os.open)
        inside["fsync"] = self._counted("fsync", lambda _file: None)  # no power is cut here, and it costs the most
        vars(fs)["os"] = _Instead(os, inside)
        vars(flock)["os"] = _Instead(os, {"open": inside["open"]})
        vars(flock)["fcntl"] = _Instead(fcntl, {"flock": self._counted("flock", fcntl.flock)})
        vars(fs)["open"] = vars(flock)["open"] = self._open
        tree = {name: self._counted(name, getattr(os, name)) for name in ("unlink", "rmdir")}
        vars(shutil)["os"] = _Instead(os, tree)
        vars(shutil)["copyfile"] = self._copy
        vars(shutil)["copy2"] = self._copy

    def _counted(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object, **named: object) -> object:
            self.go(name)
            return call(*arguments, **named)

        return counted

    def _open(
        self, path: str, mode: str, buffering: int = -1, opener: Callable[[str, int], int] | None = None
    ) -> io.RawIOBase | io.BufferedIOBase:
        self.go("open" if mode != "rb" else "read")
        raw = _File(self, path, mode.replace("b", ""), opener)
        if buffering == 0:
            return raw
        return io.BufferedRandom(raw) if "+" in mode else io.BufferedReader(raw)

    def _copy(self, old: str, new: str) -> None:
        error = self.hit("copy")
        with builtins.open(old, "rb") as source, builtins.open(new, "wb") as target:
            data = source.read()
            target.write(data if error is None else data[: len(data) // 2])
        shutil.copymode(old, new)
        if error is not None:
            self.fail(error)


def tamper(fault: dict[str, Any] | None, calls: int) -> None:
    """Stand between this process and its disk to its end, and then write the calls to the file *calls*."""
    disk = Disk(None if fault is None else Fault(**fault))
    disk.install()

    def told_before(end: Callable[..., Any]) -> Callable[..., Any]:
        def told(*arguments: Any) -> Any:
            os.write(calls, " ".join(disk.log).encode())
            return end(*arguments)

        return told

    for name in ("execve", "_exit"):  # after them, nothing could
        vars(os)[name] = told_before(getattr(os, name))


class _File(io.FileIO):
    """A file whose reads and writes are counted; a write that fails has written a half."""

    def __init__(self, disk: Disk, path: str, mode: str, opener: Callable[[str, int], int] | None = None) -> None:
        self._disk = disk
        super().__init__(path, mode, opener=opener)

    def write(self, data: Any, /) -> int:
        error = self._disk.hit("write")
        if error is not None:
            super().write(memoryview(data)[: len(data) // 2])
            self._disk.fail(error)
        return super().write(data)

    def truncate(self, size: int | None = None, /) -> int:
        self._disk.go("truncate")
        return super().truncate(size)


class _Instead:
    """A module with some of its functions replaced."""

    def __init__(self, module: object, replaced: dict[str, Any]) -> None:
        self._module = module
        vars(self).update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

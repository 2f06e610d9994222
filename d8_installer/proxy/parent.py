"""The process that started this one: a proxy ends with it."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform == "win32":
    import _winapi
    import ctypes
    from contextlib import suppress
    from ctypes import wintypes

    from d8_installer.proxy.workers import Workers
    from d8_installer.store.windows_processes import running_processes

    _QUERY_LIMITED_INFORMATION = 0x1000
    _LONGEST_PATH = 32_768

    class Parent:
        """The process that started this one, and the programs between the two that only start Python.

        These are ``d8-installer.exe``, the ``python.exe`` of a virtual environment and ``py.exe``. Each waits for the
        process that it started, so the person's program is behind them. The number of a parent stays when it has ended,
        so all are held open and waited for.
        """

        def __init__(self) -> None:
            self._handles = list(_ancestors())

        async def ended(self) -> None:
            """Wait until one of them has ended."""
            if not self._handles:
                await asyncio.Event().wait()
            await Workers(1, "d8-parent").run(self._wait)

        def _wait(self) -> None:
            _winapi.WaitForMultipleObjects(self._handles, False, _winapi.INFINITE)

    def _ancestors() -> Iterator[int]:
        """Yield a handle of each: first the starters of Python, then the process that started the first of them."""
        processes = running_processes()
        child, started = os.getpid(), _started(_winapi.GetCurrentProcess())
        while (process := processes.get(child)) is not None:
            try:
                handle = _winapi.OpenProcess(_winapi.SYNCHRONIZE | _QUERY_LIMITED_INFORMATION, False, process.parent)
            except OSError:  # it has ended, or belongs to the system
                return
            before = _started(handle)
            if before > started:  # it has ended, and another process has got its number
                return
            yield handle
            if not _only_starts_python(_program(handle)):
                return
            child, started = process.parent, before

    def _only_starts_python(program: str) -> bool:
        typed = sys.argv[0]
        starters = [typed, f"{typed}.exe"]  # scripts of pip take the ending away
        if sys.executable != getattr(sys, "_base_executable", sys.executable):
            starters.append(sys.executable)
        if os.path.basename(program).lower() in {"py.exe", "pyw.exe"}:
            return True
        for starter in starters:
            with suppress(OSError):
                if os.path.samefile(program, starter):
                    return True
        return False

    def _started(handle: int) -> int:
        """Return when a process started, in the system's units."""
        times = [wintypes.FILETIME() for _ in range(4)]
        ctypes.windll.kernel32.GetProcessTimes(wintypes.HANDLE(handle), *map(ctypes.byref, times))
        return int(times[0].dwHighDateTime) << 32 | int(times[0].dwLowDateTime)

    def _program(handle: int) -> str:
        """Return the path of a process's program."""
        length = wintypes.DWORD(_LONGEST_PATH)
        path = ctypes.create_unicode_buffer(_LONGEST_PATH)
        query = ctypes.windll.kernel32.QueryFullProcessImageNameW
        return path.value if query(wintypes.HANDLE(handle), 0, path, ctypes.byref(length)) else ""

else:
    _POLL_SECONDS = 0.5

    class Parent:
        """The process that started this one.

        PR_SET_PDEATHSIG is not used: only Linux has it, and it fires when the *thread* that started this process ends.
        """

        def __init__(self) -> None:
            self._number = os.getppid()

        async def ended(self) -> None:
            """Wait until it is no longer this process's parent."""
            while os.getppid() == self._number:
                await asyncio.sleep(_POLL_SECONDS)

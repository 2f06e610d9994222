"""A job object: a program of Windows and all that it starts, which end together (Microsoft, "Job Objects")."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    class ProgramJob:
        """The job of a *process* that was started just now; it has none if the system refuses that."""

        def __init__(self, process: subprocess.Popen[bytes]) -> None:
            self._kernel = ctypes.WinDLL("kernel32")
            self._kernel.CreateJobObjectW.restype = wintypes.HANDLE
            self._handle = wintypes.HANDLE(self._kernel.CreateJobObjectW(None, None))
            of_process = wintypes.HANDLE(int(process._handle))  # type: ignore[attr-defined]
            self._is_whole = bool(self._kernel.AssignProcessToJobObject(self._handle, of_process))
            self._process = process

        def end(self) -> None:
            """End the program with everything that it has started, or the program alone."""
            if not (self._is_whole and self._kernel.TerminateJobObject(self._handle, 1)):
                self._process.kill()

        def close(self) -> None:
            """Let the job go; what runs of it goes on."""
            self._kernel.CloseHandle(self._handle)

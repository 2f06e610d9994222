"""Job objects: a program of Windows and what it starts, which end together, or when this process does.

The sources are Microsoft's "Job Objects" and "JOBOBJECT_BASIC_LIMIT_INFORMATION".
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _EXTENDED_LIMITS = 9
    _SILENT_BREAKAWAY, _KILL_ON_CLOSE = 0x1000, 0x2000

    class ProgramJob:
        """The job of a *process* that was just started. If the system refuses, the process runs without a job."""

        def __init__(self, process: subprocess.Popen[bytes]) -> None:
            self._kernel = ctypes.WinDLL("kernel32")
            self._handle = _new_job(self._kernel)
            self._is_whole = _put_into(self._kernel, self._handle, process)
            self._process = process

        def end(self) -> None:
            """End the program with everything that it has started, or the program alone."""
            if not (self._is_whole and self._kernel.TerminateJobObject(self._handle, 1)):
                self._process.kill()

        def close(self) -> None:
            """Let the job go; what runs of it goes on."""
            self._kernel.CloseHandle(self._handle)

    def end_with_this_process(process: subprocess.Popen[bytes]) -> None:
        """Make a program end when this process does, as where it takes this process's place.

        Whoever ends ``d8-installer.exe`` by TerminateProcess means the program. What the program has started goes its
        own way. If the system refuses the job, the program runs on.
        """
        kernel = ctypes.WinDLL("kernel32")
        job = _new_job(kernel)  # never closed: the system does that at our end
        limits = _Limits(flags=_SILENT_BREAKAWAY | _KILL_ON_CLOSE)
        if kernel.SetInformationJobObject(job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)):
            _put_into(kernel, job, process)

    class _Limits(ctypes.Structure):
        """JOBOBJECT_EXTENDED_LIMIT_INFORMATION, of which only the flags are set."""

        _fields_ = (
            ("times", ctypes.c_int64 * 2),
            ("flags", wintypes.DWORD),
            ("sizes", ctypes.c_size_t * 2),
            ("most", wintypes.DWORD),
            ("affinity", ctypes.c_size_t),
            ("classes", wintypes.DWORD * 2),
            ("transfers", ctypes.c_uint64 * 6),
            ("memory", ctypes.c_size_t * 4),
        )

    def _new_job(kernel: ctypes.WinDLL) -> wintypes.HANDLE:
        kernel.CreateJobObjectW.restype = wintypes.HANDLE
        return wintypes.HANDLE(kernel.CreateJobObjectW(None, None))

    def _put_into(kernel: ctypes.WinDLL, job: wintypes.HANDLE, process: subprocess.Popen[bytes]) -> bool:
        handle = wintypes.HANDLE(int(process._handle))  # type: ignore[attr-defined]
        return bool(kernel.AssignProcessToJobObject(job, handle))

"""A program that ``run`` waits for ends with this process on Windows, as where it takes this process's place.

Whoever ends ``d8-installer.exe`` by TerminateProcess means the program. What the program has started goes its own way
(Microsoft: JOBOBJECT_BASIC_LIMIT_INFORMATION, "silent breakaway").
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

    def end_with_this_process(process: subprocess.Popen[bytes]) -> None:
        """Put *process* into a job that ends when this process does. If the system refuses that, it runs on."""
        kernel = ctypes.WinDLL("kernel32")
        kernel.CreateJobObjectW.restype = wintypes.HANDLE
        job = wintypes.HANDLE(kernel.CreateJobObjectW(None, None))  # never closed: the system does that at our end
        limits = _Limits(flags=_SILENT_BREAKAWAY | _KILL_ON_CLOSE)
        if kernel.SetInformationJobObject(job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)):
            kernel.AssignProcessToJobObject(job, wintypes.HANDLE(int(process._handle)))  # type: ignore[attr-defined]

"""The processes of this machine, as Windows lists them (Microsoft, "Tool Help Library")."""

from __future__ import annotations

import sys

from d8_installer.model.value import Struct


class RunningProcess(Struct, frozen=True):
    """The file name of a process's program, and the number of the process that started it, which may have ended."""

    program: str
    parent: int


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _PROCESSES = 0x2  # TH32CS_SNAPPROCESS

    class _Entry(ctypes.Structure):
        """PROCESSENTRY32W."""

        _fields_ = (
            ("size", wintypes.DWORD),
            ("usage", wintypes.DWORD),
            ("number", wintypes.DWORD),
            ("heap", ctypes.c_size_t),
            ("module", wintypes.DWORD),
            ("threads", wintypes.DWORD),
            ("parent", wintypes.DWORD),
            ("priority", wintypes.LONG),
            ("flags", wintypes.DWORD),
            ("file", wintypes.WCHAR * wintypes.MAX_PATH),
        )

    def running_processes() -> dict[int, RunningProcess]:
        """Return the processes by their numbers."""
        kernel = ctypes.WinDLL("kernel32")
        kernel.CreateToolhelp32Snapshot.restype = wintypes.HANDLE
        snapshot = wintypes.HANDLE(kernel.CreateToolhelp32Snapshot(_PROCESSES, 0))
        entry, found = _Entry(size=ctypes.sizeof(_Entry)), dict[int, RunningProcess]()
        more = kernel.Process32FirstW(snapshot, ctypes.byref(entry))
        while more:
            found[entry.number] = RunningProcess(entry.file, entry.parent)
            more = kernel.Process32NextW(snapshot, ctypes.byref(entry))
        kernel.CloseHandle(snapshot)
        return found

"""Which shell a person types in. On Windows no variable says so; there the programs that started this one do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from d8_installer.pipeline.shell_lines import shell_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def shell_of_person(environ: Mapping[str, str]) -> str:
    """Return which of SHELLS reads what this command prints: $SHELL's; on Windows the nearest that started it."""
    if sys.platform == "win32":
        return _nearest_shell()
    return shell_of(environ.get("SHELL", "sh"))


if sys.platform == "win32":
    import ctypes
    import os
    from ctypes import wintypes

    class _Process(ctypes.Structure):
        """PROCESSENTRY32W of Microsoft's documentation of tlhelp32.h."""

        _fields_ = (
            ("size", wintypes.DWORD),
            ("usage", wintypes.DWORD),
            ("number", wintypes.DWORD),
            ("heap", ctypes.c_void_p),
            ("module", wintypes.DWORD),
            ("threads", wintypes.DWORD),
            ("parent", wintypes.DWORD),
            ("priority", wintypes.LONG),
            ("flags", wintypes.DWORD),
            ("file", wintypes.WCHAR * wintypes.MAX_PATH),
        )

    _PROCESSES = 0x2  # TH32CS_SNAPPROCESS
    _SHELLS = {
        "powershell": "powershell",
        "pwsh": "powershell",
        "cmd": "cmd",
        "bash": "bash",
        "zsh": "zsh",
        "fish": "fish",
        "tcsh": "tcsh",
        "sh": "sh",
        "dash": "sh",
    }

    def _nearest_shell() -> str:
        found = (_SHELLS.get(name.lower().removesuffix(".exe")) for name in _programs_above())
        return next(filter(None, found), "powershell")

    def _programs_above() -> Iterator[str]:
        """Yield the file name of each program above this process, the nearest first.

        A parent may have ended, and its number may be another process's now: then what is found is a guess.
        """
        known = _processes()
        number = os.getpid()
        _, number = known.pop(number, ("", 0))
        while number in known:
            name, number = known.pop(number)
            yield name

    def _processes() -> dict[int, tuple[str, int]]:
        """Return the file name and the parent of each process, by its number."""
        kernel = ctypes.WinDLL("kernel32")
        kernel.CreateToolhelp32Snapshot.restype = wintypes.HANDLE
        for function in (kernel.Process32FirstW, kernel.Process32NextW):
            function.argtypes = (wintypes.HANDLE, ctypes.POINTER(_Process))
        kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
        snapshot = kernel.CreateToolhelp32Snapshot(_PROCESSES, 0)
        process, found = _Process(size=ctypes.sizeof(_Process)), dict[int, tuple[str, int]]()
        more = kernel.Process32FirstW(snapshot, process)
        while more:
            found[process.number] = (process.file, process.parent)
            more = kernel.Process32NextW(snapshot, process)
        kernel.CloseHandle(snapshot)
        return found

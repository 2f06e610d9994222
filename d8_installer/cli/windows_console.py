"""The console of Windows: whether a stream is one, and whether it obeys escape sequences (colours, bars).

A console does so once a program has asked for it (Microsoft: Console Virtual Terminal Sequences); before Windows 10
no console did. Python takes Windows's null device for a terminal; it is not a console.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

if sys.platform == "win32":
    _VIRTUAL_TERMINAL = 0x0004

    def is_console(stream: TextIO) -> bool:
        """Return whether *stream* is a console."""
        return stream.isatty() and _mode(stream) is not None

    def obeys_escapes(stream: TextIO) -> bool:
        """Ask the console of *stream* to obey escape sequences, and return whether it does."""
        import ctypes
        import msvcrt

        mode = _mode(stream)
        if mode is None:
            return False
        wanted = mode | _VIRTUAL_TERMINAL
        handle = ctypes.c_void_p(msvcrt.get_osfhandle(stream.fileno()))
        return mode == wanted or bool(ctypes.windll.kernel32.SetConsoleMode(handle, wanted))

    def _mode(stream: TextIO) -> int | None:
        """Return the mode of the console's output, or None if *stream* is not a console."""
        import ctypes
        import msvcrt

        mode = ctypes.c_uint32()
        try:
            handle = ctypes.c_void_p(msvcrt.get_osfhandle(stream.fileno()))
        except (OSError, ValueError):  # a stream of a test, or a closed one
            return None
        return mode.value if ctypes.windll.kernel32.GetConsoleMode(handle, ctypes.byref(mode)) else None

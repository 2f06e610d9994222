"""Words of a command line as a person types them, quoted for the shell that reads them.

On Windows that is cmd.exe or PowerShell, and a hint does not know which: a spelling is chosen that both read alike.
They share double quotes, and each has characters that mean something in them (``%NAME%`` in cmd.exe, ``$`` and a
backtick in PowerShell), which no common spelling can hide.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_PLAIN = frozenset("_-./\\:=+")
"""What neither cmd.exe nor PowerShell reads as more than itself, besides letters and digits.

A comma makes a list in PowerShell; ``^ & | < > ( )`` belong to cmd.exe; ``@ # ; { } ' $`` and a backtick to PowerShell.
"""
CLOCK = "w32tm /query /status" if sys.platform == "win32" else "date"
"""The command that shows this machine's clock."""


def quoted(word: str) -> str:
    """Return one word of a command line as it is typed on this system."""
    return for_windows(word) if sys.platform == "win32" else for_posix(word)


def joined(words: Iterable[str]) -> str:
    """Return the command line of *words*; the first one is the program."""
    program, *arguments = words
    first = program_for_windows(program) if sys.platform == "win32" else quoted(program)
    return " ".join([first, *map(quoted, arguments)])


def for_posix(word: str) -> str:
    """Return *word* for a shell of POSIX."""
    import shlex

    return shlex.quote(word)


def for_windows(word: str) -> str:
    r"""Return *word* for cmd.exe and PowerShell: in double quotes, unless it is plain.

    Backslashes before the closing quote are doubled, as programs read them (Microsoft: Parsing C command-line
    arguments).
    """
    if word and all(char.isalnum() or char in _PLAIN for char in word):
        return word
    ending = len(word) - len(word.rstrip("\\"))
    return f'"{word}{ending * chr(92)}"'


def program_for_windows(path: str) -> str:
    r"""Return the path of a program as the first word of a command line: ``C:\"Jane Doe"\x.exe``.

    In PowerShell a line that begins with a quote is a text and no command (about_Parsing). So only the parts of the
    path that need quotes have them, which cmd.exe reads as well.
    """
    return "\\".join(part and for_windows(part) for part in path.split("\\"))

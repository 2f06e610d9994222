"""Words of a command line as a person types them, quoted for the shell that reads them, and paths in messages.

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


def quoted_path(path: str) -> str:
    """Return *path* in quotes for a message, with escapes as in Python; on Windows its backslashes are not doubled."""
    return repr(path).replace("\\\\", "\\") if sys.platform == "win32" else repr(path)


def joined(words: Iterable[str]) -> str:
    """Return the command line of *words*; the first one is the program."""
    return " ".join(map(quoted, words))


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


def called(text: str) -> str:
    """Return *text* for PowerShell: a command between backticks that begins with a quote gets the call operator.

    Without it, PowerShell takes the quoted program for a text (about_Operators, Call operator). cmd.exe knows no such
    operator, and a quote inside the path, which both shells take, confuses the programs that pip makes of scripts.
    """
    parts = text.split("`")
    for number in range(1, len(parts) - 1, 2):
        if parts[number].startswith('"'):
            parts[number] = f"& {parts[number]}"
    return "`".join(parts)

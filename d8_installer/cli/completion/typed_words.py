"""What a shell passes of the command line, as words: those before the cursor, and the one that is being typed."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CURSOR = "\0"


class Typed:
    """The *words* before the cursor without the program, and *current*, the word at the cursor, perhaps empty.

    ``kept`` is the part of the current word that the shell keeps: an answer is written without it.
    """

    __slots__ = ("current", "kept", "words")

    def __init__(self, words: Sequence[str], current: str, kept: str = "") -> None:
        self.words = words
        self.current = current
        self.kept = kept


def typed_in(shell: str, arguments: Sequence[str], environ: Mapping[str, str]) -> Typed:
    """Return what is typed in *shell*, whose script passes *arguments*; a ``+`` precedes the last one."""
    if shell == "tcsh":
        return _of_line(environ.get("COMMAND_LINE", ""), "")
    last = arguments[-1][1:] if arguments else ""
    if shell == "bash":
        return _of_line(last, arguments[0] if len(arguments) > 1 else "")
    words = arguments[:-1]
    if shell == "zsh":  # which passes what was typed, quotes and all
        return Typed([_unquoted(word) for word in words], _unquoted(last))
    return Typed(words, last)


def _of_line(line: str, breaks: str) -> Typed:
    """Split a line of bash or tcsh up to the cursor. A word in bash ends at each character of *breaks*, too."""
    words = _split(f"{line}{_CURSOR}")
    first = next((at for at, word in enumerate(words) if os.path.basename(word) == "d8-installer"), 0)
    current = words[-1].removesuffix(_CURSOR)
    # bash completes what follows the last ":" or "=", and what begins with the last "@".
    cut = max((current.rfind(sign) + (sign != "@") for sign in breaks if sign in ":=@"), default=0)
    return Typed(words[first + 1 : -1], current, current[: max(cut, 0)])


def _split(line: str) -> list[str]:
    import shlex

    for ending in ("", '"', "'"):  # of a quote that is still open
        try:
            return shlex.split(f"{line}{ending}") or [_CURSOR]
        except ValueError:
            continue
    return [*line.split()[:-1], line.split()[-1]]


def _unquoted(word: str) -> str:
    return _split(f"{word}{_CURSOR}")[0].removesuffix(_CURSOR) if word else ""

"""Lines that are too long for a terminal, broken between words.

A command between backticks stays in one line, so that it can be copied. If it is longer than a line, it is filled up
with spaces where it has to go on below: then the terminal itself begins the next line, and copies the command as one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FURTHER = 2
"""The columns by which a broken line goes on further to the right."""
_ENOUGH = 24
"""Columns that the second column of a row needs to go on below itself."""


def wrapped(line: str, columns: int) -> str:
    """Return *line* for a terminal of *columns*: as it is if it fits, else with line breaks between words.

    A row of two columns, which are two spaces apart, goes on in its second column if there is room.
    """
    if len(line) <= columns:
        return line
    begin = line[: len(line) - len(line.lstrip(" "))]
    first, gap, rest = line.lstrip(" ").partition("  ")
    second = len(line) - len(rest.lstrip(" "))
    if gap and columns - second >= _ENOUGH:
        return _Page(columns, line[:second], second).filled(rest.lstrip(" "))
    return _Page(columns, begin, len(begin) + _FURTHER).filled(" ".join([first, rest.lstrip(" ")]) if gap else first)


class _Page:
    """Text as it is laid out, and the column that comes next."""

    def __init__(self, columns: int, begin: str, further: int) -> None:
        self._columns = columns
        self._text = begin
        self._column = len(begin)
        self._gap = ""
        self._further = further if further < columns // 2 else 0

    def filled(self, text: str) -> str:
        for part in _parts(text, "`"):
            is_long = len(part) > self._columns - 1 - self._further
            if is_long and "`" in part and " " in part:
                self._put_command(part)
            else:
                self._put(part)
        return self._text

    def _put(self, word: str) -> None:
        if self._column + len(self._gap) + len(word) >= self._columns and self._text.strip():
            indents = (self._further, _FURTHER, 0)
            indent = next((indent for indent in indents if indent + len(word) < self._columns), 0)
            self._text, self._column, self._gap = f"{self._text.rstrip()}\n{'':<{indent}}", indent, ""
        self._add(word)

    def _put_command(self, command: str) -> None:
        for word in _parts(command, "'\""):
            if self._gap and self._column + 1 + len(word) > self._columns:
                spaces = self._columns - self._column
                self._text += " " * (spaces or 1)
                self._column, self._gap = 0 if spaces else 1, ""
            self._add(word)

    def _add(self, word: str) -> None:
        self._text += f"{self._gap}{word}"
        self._column, self._gap = self._column + len(self._gap) + len(word), " "
        if self._column > self._columns:  # a word that is wider than the terminal, which breaks it
            self._column %= self._columns


def _parts(text: str, quotes: str) -> Iterator[str]:
    """Yield the words of *text*; what stands between two equal *quotes* is no more broken than a word."""
    begin, quote = 0, ""
    for at, char in enumerate(text):
        if char == quote:
            quote = ""
        elif char in quotes and not quote and (char == "`" or at == begin) and char in text[at + 1 :]:
            quote = char
        elif char == " " and not quote:
            if at > begin:
                yield text[begin:at]
            begin = at + 1
    if begin < len(text):
        yield text[begin:]

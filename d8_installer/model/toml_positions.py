"""The lines of the values in a TOML text, by key path, because tomllib keeps no positions.

Nothing here raises an error: the text was read by tomllib, or is read by it next. Imported only for an error message.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

# An unterminated string ends with its line, or with the text, so that the time grows only with the length.
_WORD = re.compile(
    r"""(?:[ \t\r]|\#[^\n]*+)+
    |(\n|[\[\]{},=.]
    |\"{3}(?:[^"\\]++|\\.|"(?!""))*(?:"{3,5}|\Z)
    |'{3}(?:[^']++|'(?!''))*(?:'{3,5}|\Z)
    |"(?:[^"\\\n]++|\\[^\n])*"?
    |'[^'\n]*+'?
    |[^\s\[\]{},=.\#"']++)""",
    re.DOTALL | re.VERBOSE,
)
_MARKS = frozenset("\n,]}")
_BETWEEN_KEYS = frozenset("\n,=[]{}")


def places(text: str) -> dict[str, int]:
    """Return the 1-based line on which each key, table and list entry of the valid TOML *text* begins, by its path."""
    walk = _Walk(_words(text), {})
    walk.document()
    return walk.lines


def line_of_long_key(text: str, most: int) -> int | None:
    """Return the 1-based line of the first key in *text*, valid or not, that has more than *most* parts, or None."""
    dots = 0
    for word, line in _words(text):
        dots = dots + 1 if word == "." else 0 if word in _BETWEEN_KEYS else dots
        if dots >= most:
            return line
    return None


def _words(text: str) -> Iterator[tuple[str, int]]:
    line = 1
    for found in _WORD.finditer(text):
        if found[1]:
            yield found[1], line
        line += found[0].count("\n")


class _Walk(Struct):
    """A walk through the words of valid TOML. Strings keep their quotes, so that none looks like punctuation."""

    words: Iterator[tuple[str, int]]
    lines: dict[str, int]

    def document(self) -> None:
        prefix, counts = "", dict[str, int]()
        for word, line in self.words:
            if word == "[":
                prefix = self._header(line, counts)
            elif word != "\n":
                self._pair(prefix, word, line)

    def _header(self, line: int, counts: dict[str, int]) -> str:
        first, _ = next(self.words)
        if many := first == "[":
            first, _ = next(self.words)
        *outer, last = self._key(first)
        path = ""
        for part in outer:
            path = self._note(path, part, line)
            path += f"[{counts[path]}]" if path in counts else ""
        path = self._note(path, last, line)
        if many:
            counts[path] = counts.get(path, -1) + 1
            path += f"[{counts[path]}]"
            self.lines[path] = line
            next(self.words)
        return path

    def _key(self, first: str) -> list[str]:
        """Return the parts of the key that begins with *first*, and consume the punctuation after it."""
        parts = [_name(first)]
        while (word := next(self.words)[0]) not in {"=", "]"}:
            if word != ".":
                parts.append(_name(word))
        return parts

    def _pair(self, path: str, first: str, line: int) -> str:
        for part in self._key(first):
            path = self._note(path, part, line)
        return self._value(path, next(self.words)[0])

    def _value(self, path: str, first: str) -> str:
        """Consume the value that begins with *first*, and return the punctuation after it."""
        if first == "[":
            self._list(path)
        elif first == "{":
            self._inline(path)
        return next((word for word, _ in self.words if word in _MARKS), "\n")

    def _list(self, path: str) -> None:
        number, mark = 0, ""
        while mark != "]":
            mark, line = next(self.words)
            if mark not in _MARKS:
                self.lines[f"{path}[{number}]"] = line
                mark = self._value(f"{path}[{number}]", mark)
                number += 1

    def _inline(self, path: str) -> None:
        mark = ""
        while mark != "}":
            mark, line = next(self.words)
            if mark not in _MARKS:
                mark = self._pair(path, mark, line)

    def _note(self, path: str, part: str, line: int) -> str:
        path = f"{path}.{part}" if path else part
        self.lines.setdefault(path, line)
        return path


def _name(word: str) -> str:
    if word[0] not in "\"'":
        return word
    import tomllib

    name = tomllib.loads(f"name = {word}")["name"]
    return str(name)

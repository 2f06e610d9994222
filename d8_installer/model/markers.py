"""Git's conflict markers in a text: found, taken apart into the sides, and written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPENING = re.compile(r"(<{7,})(?: .*)?\Z")
_SIZE = 7


@dataclass(frozen=True, slots=True)
class Sides:
    """The texts that a text with markers was made of; ``base`` is None where the markers do not show it."""

    base: str | None
    ours: str
    theirs: str


def first_marker(text: str) -> int | None:
    """Return the 1-based line of the first opening marker, or None."""
    return next((number for number, line in _numbered(text) if _OPENING.match(line)), None)


def take_apart(text: str, file: str) -> Sides | None:
    """Return the sides of *text*, or None where no line opens a conflict (git-merge(1), How conflicts are presented).

    Both styles are read, with the base and without; markers have 7 characters or more, and those of another length
    than the opening one are text. A conflict without its end is a DocumentError with the line where it began.
    """
    if first_marker(text) is None:
        return None
    reader = _Reader()
    for number, line in _numbered(text):
        reader.read(number, line)
    if reader.opened is not None:
        raise DocumentError(
            "has a conflict marker whose end is missing",
            file=file,
            line=reader.opened,
            hint="take one side whole (git checkout --ours, or --theirs), then type `d8-installer lock`",
        )
    ours, theirs = ("".join(f"{line}\n" for line in reader.sides[side]) for side in "<=")
    base = "".join(f"{line}\n" for line in reader.sides["|"]) if reader.has_base else None
    return Sides(base, ours, theirs)


def put_together(ours: str, base: str, theirs: str) -> str:
    """Return the three texts between markers, as `merge.conflictStyle=diff3` shows them."""
    marks = [f"{mark * _SIZE} {label}".rstrip() for mark, label in (("<", "ours"), ("|", "base"), ("=", ""))]
    return f"{marks[0]}\n{ours}{marks[1]}\n{base}{marks[2]}\n{theirs}{'>' * _SIZE} theirs\n"


class _Reader:
    """Goes through the lines; ``side`` is the marker that the present lines follow, "" outside of conflicts."""

    def __init__(self) -> None:
        self.sides: dict[str, list[str]] = {"<": [], "|": [], "=": []}
        self.opened: int | None = None
        self.has_base = True
        self._size = _SIZE
        self._side = ""
        self._shown = False

    def read(self, number: int, line: str) -> None:
        opening = _OPENING.match(line)
        if self._side == "" and opening:
            self._size, self._side, self.opened, self._shown = len(opening[1]), "<", number, False
        elif self._side == "<" and self._is("|", line):
            self._side, self._shown = "|", True
        elif self._side in {"<", "|"} and self._is("=", line):
            self._side = "="
        elif self._side == "=" and self._is(">", line):
            self.has_base = self.has_base and self._shown
            self._side, self.opened = "", None
        else:
            for side in (self._side,) if self._side else self.sides:
                self.sides[side].append(line)

    def _is(self, mark: str, line: str) -> bool:
        start = mark * self._size
        return line == start or line.startswith(f"{start} ")


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    lines = text.replace("\r\n", "\n").split("\n")
    yield from enumerate(lines[:-1] if lines[-1] == "" else lines, 1)

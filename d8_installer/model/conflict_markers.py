"""Git's conflict markers in a text: finds them, separates the sides, and writes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKER = re.compile(r"(?P<run>(?P<mark>[<|=>])(?P=mark){2,})(?: .*)?\Z")
"""Three characters or more: git writes 7, or the number in `conflict-marker-size`. No line of a lock looks like one."""
_SIZE = 7
_INNER = 9
"""The size that git uses for conflicts inside a base, which itself stands between markers of the usual size."""
TAKE_ONE = "take one side whole (git checkout --ours -- d8.lock, or --theirs), then type `d8-installer lock`"


class Sides(Struct, frozen=True):
    """The texts of the sides; ``base`` is None if the markers do not show it."""

    base: str | None
    ours: str
    theirs: str


def first_marker(text: str) -> int | None:
    """Return the 1-based line of the first marker of any kind, or None."""
    return next((number for number, line in _numbered(text) if _MARKER.match(line)), None)


def take_apart(text: str, file: str) -> Sides | None:
    """Return the sides of *text*, or None if it has no marker (git-merge(1), How conflicts are presented).

    Both styles are read, with the base and without it. Inside a conflict, a marker of another length than the opening
    one is text. A conflict without its end, or a marker outside of a conflict, is a DocumentError with its line.
    """
    if first_marker(text) is None:
        return None
    reader = _Reader()
    for number, line in _numbered(text):
        reader.read(number, line)
    for line_of, missing in ((reader.stray, "beginning"), (reader.opened, "end")):
        if line_of is not None:
            raise DocumentError(
                f"has a conflict marker whose {missing} is missing",
                file=file,
                line=line_of,
                hint=TAKE_ONE,
                code="conflict-markers",
            )
    ours, theirs = ("".join(f"{line}\n" for line in reader.sides[side]) for side in "<=")
    base = "".join(f"{line}\n" for line in reader.sides["|"]) if reader.has_base else None
    return Sides(base, ours, theirs)


def put_together(ours: str, base: str, theirs: str, *, inner: bool = False) -> str:
    """Return the three texts between markers, as `merge.conflictStyle=diff3` shows them.

    *inner* is for a part of a text that gets markers itself. Markers are longer if a text has such markers already.
    """
    found = (_MARKER.match(line) for text in (ours, base, theirs) for _, line in _numbered(text))
    taken = {len(marker["run"]) for marker in found if marker is not None}
    size = _INNER if inner else _SIZE
    while size in taken:
        size += 1
    marks = [f"{mark * size} {label}".rstrip() for mark, label in (("<", "ours"), ("|", "base"), ("=", ""))]
    return f"{marks[0]}\n{ours}{marks[1]}\n{base}{marks[2]}\n{theirs}{'>' * size} theirs\n"


class _Reader:
    """Reads the lines one by one. ``_side`` is the marker that the current lines follow, "" outside of conflicts."""

    def __init__(self) -> None:
        self.sides: dict[str, list[str]] = {"<": [], "|": [], "=": []}
        self.opened: int | None = None
        self.stray: int | None = None
        self.has_base = True
        self._size = _SIZE
        self._side = ""
        self._shown = False

    def read(self, number: int, line: str) -> None:
        marker = _MARKER.match(line) if self._side == "" else None
        if marker and marker["mark"] == "<":
            self._size, self._side, self.opened, self._shown = len(marker["run"]), "<", number, False
        elif marker:
            self.stray = self.stray or number
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

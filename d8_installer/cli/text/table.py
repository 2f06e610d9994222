"""Aligned columns, also on a terminal that is too narrow for them."""

from __future__ import annotations

from d8_installer.cli.screen import CYAN, Fitting
from d8_installer.cli.tilde import with_tilde

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

_GAP = "  "


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return aligned columns, two spaces apart, without trailing spaces; only the header if there are no rows."""
    every = [tuple(header), *(tuple(map(with_tilde, row)) for row in rows)]
    return [_Row(every, number) for number in range(len(every))]


class _Row(Fitting):
    """A line of a table, which can lay itself out again for a narrow terminal."""

    __slots__ = ("_every", "_number")

    def __new__(cls, every: Sequence[Sequence[str]], number: int) -> Self:
        """Return the line *number* of the table; the first one has a colour."""
        made = super().__new__(cls, _joined(every[number], _widths(every)), CYAN, None if number == 0 else 0)
        made._every = every
        made._number = number
        return made

    _every: Sequence[Sequence[str]]
    _number: int

    def fitted(self, columns: int) -> list[str]:
        """Return the lines of this row: cells broken between words or, if that is not enough, one below the other."""
        widths = _narrowed(self._every, columns)
        if widths is None:
            return self._block(columns) if self._number else []
        cells = [_wrap(cell, width) for cell, width in zip(self._every[self._number], widths, strict=True)]
        height = max(map(len, cells))
        lines = [[cell[at] if at < len(cell) else "" for cell in cells] for at in range(height)]
        return [_joined(line, widths) for line in lines]

    def _block(self, columns: int) -> list[str]:
        """Return the cells that say something, a line each, after the heads of their columns."""
        from d8_installer.cli.wrapping import wrapped

        heads, cells = self._every[0], self._every[self._number]
        width = max(map(len, heads))
        said = [f"{head:<{width}}{_GAP}{cell}" for head, cell in zip(heads, cells, strict=True) if cell]
        return [*([""] if self._number > 1 else []), *(wrapped(line, columns) for line in said)]


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(map(str.ljust, cells, widths)).rstrip()


def _widths(every: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, cells)) for cells in zip(*every, strict=True)]


def _narrowed(every: Sequence[Sequence[str]], columns: int) -> list[int] | None:
    """Return widths that fit, the widest ones made narrower as far as their words allow, or None."""
    widths = _widths(every)
    words = [max(len(word) for cell in cells for word in [*cell.split(), ""]) for cells in zip(*every, strict=True)]
    room = columns - len(_GAP) * (len(widths) - 1)
    while sum(widths) > room:
        spare = [width if width > word else 0 for width, word in zip(widths, words, strict=True)]
        if not any(spare):
            return None
        widths[spare.index(max(spare))] -= 1
    return widths


def _wrap(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]

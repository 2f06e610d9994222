"""Aligned columns."""

from __future__ import annotations

from d8_installer.cli.screen import CYAN, Toned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return aligned columns, two spaces apart, without trailing spaces; only the header if there are no rows."""
    every = [tuple(header), *map(tuple, rows)]
    widths = [max(len(row[column]) for row in every) for column in range(len(header))]
    head, *lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in every)
    return [Toned(head, CYAN), *lines]

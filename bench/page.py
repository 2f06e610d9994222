"""The table in ``bench/README.md``, which only ``--write`` changes."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.table import cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.table import Row

PAGE = Path(__file__).with_name("README.md")
_HEAD = ("case", "figure", "target", "ours", "other", "min-max", "measured")
_BEGIN, _END = "<!-- begin of the table -->\n", "<!-- end of the table -->"


def write(rows: Sequence[Row]) -> None:
    """Put *rows* into the page's table. A row of the same case is replaced; rows of other cases stay."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_rows(page, rows, _stamp()), encoding="utf-8")


def with_rows(page: str, rows: Sequence[Row], stamp: str) -> str:
    """Return the page with *rows* in its table, each with *stamp*."""
    before, _, rest = page.partition(_BEGIN)
    table, _, after = rest.partition(_END)
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines()[2:]}
    for row in rows:
        lines[_cell(row.name)] = _line([*_columns(row), stamp])
    head = [_line(_HEAD), "|" + "---|" * len(_HEAD)]
    return f"{before}{_BEGIN}" + "".join(f"{line}\n" for line in [*head, *lines.values()]) + f"{_END}{after}"


def _columns(row: Row) -> list[str]:
    shown = cells(row)
    verdict = f"{shown.target} ({shown.verdict})" if shown.target else ""
    return [row.name, shown.figure, verdict, row.ours, row.other, shown.span]


def _line(columns: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, columns))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _stamp() -> str:
    """Return the date and the machine."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{datetime.now(UTC):%Y-%m-%d}, {machine}, CPython {platform.python_version()}{load}"

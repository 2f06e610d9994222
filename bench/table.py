"""The results of the bench as rows: a table for people, one line of JSON for machines."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Target:
    """The figure to reach."""

    sense: Literal["<=", ">="]
    value: float

    def is_met_by(self, figure: float) -> bool:
        """Return whether *figure* reaches the target."""
        return figure <= self.value if self.sense == "<=" else figure >= self.value


@dataclass(frozen=True, slots=True)
class Row:
    """One case: its figure in each round, in *unit*, and the two sides that it compares.

    ``raw`` holds all measured values by name: seconds, bytes or rates.
    """

    name: str
    values: Sequence[float]
    unit: str
    target: Target | None
    ours: str
    other: str
    raw: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """The figure."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """Return whether the target is met, or by how much it is missed."""
        if self.target is None:
            return ""
        if self.target.is_met_by(self.median):
            return "met"
        return f"MISSED: {abs(self.median / self.target.value - 1):.0%} off"

    def as_json(self) -> dict[str, object]:
        """Return the row with all measured values."""
        target = None if self.target is None else {"sense": self.target.sense, "value": self.target.value}
        met = None if self.target is None else self.target.is_met_by(self.median)
        figures = {"median": self.median, "min": min(self.values), "max": max(self.values), "rounds": len(self.values)}
        raw = {name: [round(value, 6) for value in values] for name, values in self.raw.items()}
        return {"name": self.name, "unit": self.unit, **figures, "target": target, "met": met, "raw": raw}


class Cells(NamedTuple):
    """A row's texts."""

    case: str
    ours: str
    other: str
    figure: str
    span: str
    target: str
    verdict: str


_HEADER = Cells("case", "ours", "other", "figure", "min-max", "target", "")
_SENSE = {"<=": "≤", ">=": "≥"}


def cells(row: Row) -> Cells:
    """Return a row's texts."""
    span = f"{_number(min(row.values))}-{_number(max(row.values))}" if len(row.values) > 1 else ""
    target = "" if row.target is None else f"{_SENSE[row.target.sense]} {_number(row.target.value)}"
    figure = f"{_number(row.median)} {row.unit}".strip()
    return Cells(row.name, row.ours, row.other, figure, span, target, row.verdict)


def ratios(ours: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return ours ÷ other of each round."""
    return [mine / other for mine, other in zip(ours, others, strict=True)]


def seconds(values: Sequence[float]) -> str:
    """Return the median, in seconds or milliseconds."""
    median = statistics.median(values)
    return f"{median:.2f} s" if median >= 1 else f"{median * 1000:.0f} ms"


def text_table(rows: Sequence[Row]) -> str:
    """Return the table as aligned text."""
    lines = [_HEADER, *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADER))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def json_line(rows: Sequence[Row], breakdowns: Mapping[str, object]) -> str:
    """Return all results and the machine in one line."""
    machine = {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
    return json.dumps({"machine": machine, "rows": [row.as_json() for row in rows], "breakdowns": breakdowns})


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 50 else f"{value:.2f}"

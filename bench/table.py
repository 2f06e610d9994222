"""What the bench found, as rows: a table for people, one line of JSON for machines."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Target:
    """What the figure should be, as the issues say."""

    sense: Literal["<=", ">="]
    value: float

    def is_met_by(self, figure: float) -> bool:
        """Compare."""
        return figure <= self.value if self.sense == "<=" else figure >= self.value


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: its value in each round, in *unit*, beside what was measured to get it.

    ``raw`` holds everything that was measured, seconds or bytes or per second, by name.
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
        """Say whether the target is met, and by how much it is missed."""
        if self.target is None:
            return ""
        if self.target.is_met_by(self.median):
            return "met"
        return f"MISSED: {abs(self.median / self.target.value - 1):.0%} off"

    def cells(self) -> tuple[str, ...]:
        """Return the row's texts, in the order of ``_HEADER``."""
        span = f"{_number(min(self.values))}-{_number(max(self.values))}" if len(self.values) > 1 else ""
        target = "" if self.target is None else f"{_SENSE[self.target.sense]} {_number(self.target.value)}"
        value = f"{_number(self.median)} {self.unit}".strip()
        return (self.name, self.ours, self.other, value, span, target, self.verdict)

    def as_json(self) -> dict[str, object]:
        """Return the row with all that was measured."""
        target = None if self.target is None else {"sense": self.target.sense, "value": self.target.value}
        met = None if self.target is None else self.target.is_met_by(self.median)
        figures = {"median": self.median, "min": min(self.values), "max": max(self.values), "rounds": len(self.values)}
        raw = {name: [round(value, 6) for value in values] for name, values in self.raw.items()}
        return {"name": self.name, "unit": self.unit, **figures, "target": target, "met": met, "raw": raw}


_HEADER = ("case", "ours", "other", "figure", "min-max", "target", "")
_SENSE = {"<=": "≤", ">=": "≥"}


def ratios(ours: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return ours ÷ other of each round."""
    return [mine / other for mine, other in zip(ours, others, strict=True)]


def seconds(values: Sequence[float]) -> str:
    """Return a median as people read it."""
    median = statistics.median(values)
    return f"{median:.2f} s" if median >= 1 else f"{median * 1000:.0f} ms"


def text_table(rows: Sequence[Row]) -> str:
    """Return the table."""
    lines = [_HEADER, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADER))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def json_line(rows: Sequence[Row], breakdowns: Mapping[str, object]) -> str:
    """Return everything, with the machine that it was measured on, in one line."""
    machine = {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
    return json.dumps({"machine": machine, "rows": [row.as_json() for row in rows], "breakdowns": breakdowns})


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 50 else f"{value:.2f}"

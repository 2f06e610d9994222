"""The table of ``bench/README.md``: rows are replaced by their case, and nothing else of the page changes."""

from __future__ import annotations

from bench.page import PAGE, with_rows
from bench.table import Row, Target


def row(name: str, *values: float) -> Row:
    return Row(name, values, "x", Target("<=", 0.65), "1.00 s", "2.00 s")


def test_a_row_is_replaced_and_others_stay() -> None:
    page = PAGE.read_text(encoding="utf-8")
    first = with_rows(page, [row("a ÷ curl | tar xz", 0.5, 0.7), row("b", 0.9)], "day 1")
    assert "| a ÷ curl \\| tar xz | 0.60 x | ≤ 0.65 (met) | 1.00 s | 2.00 s | 0.50-0.70 | day 1 |\n" in first
    second = with_rows(first, [row("a ÷ curl | tar xz", 0.8)], "day 2")
    assert second == with_rows(second, [row("a ÷ curl | tar xz", 0.8)], "day 2")
    assert "0.80 x | ≤ 0.65 (MISSED: 23% off)" in second
    assert "| b | 0.90 x" in second
    assert "0.60 x" not in second
    assert second.partition("<!-- begin")[0] == page.partition("<!-- begin")[0]
    assert second.endswith(page.partition("<!-- end")[2])

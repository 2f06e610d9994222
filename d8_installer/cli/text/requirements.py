"""Whether the requirements of what is installed hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.text.table import table

if TYPE_CHECKING:
    from d8_installer.ops.check import Checked
    from d8_installer.pipeline.requirement_reports import ImageReport


def check_lines(result: Checked) -> list[str]:
    """Return a line for each image; what does not hold is named by the errors."""
    if not result.reports:
        return ["nothing is installed"]
    return table(("IMAGE", "VERSION", "REQUIREMENTS"), map(_row, result.reports))


def _row(report: ImageReport) -> tuple[str, ...]:
    if not report.requires_anything:
        return str(report.name), report.version, "none"
    state = {True: "met", False: "unmet", None: "not checked"}[report.is_met]
    return str(report.name), report.version, state

"""``doctor``: runs all checks, ours and those of plugins. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.value import Struct
from d8_installer.pipeline.checks import Found, run_checks
from d8_installer.plugin.records import Finding

if TYPE_CHECKING:
    from d8_installer.errors import D8Error
    from d8_installer.pipeline.session import Session


class Diagnosis(Struct, frozen=True):
    """The findings of all checks. The worst one decides the exit code."""

    found: tuple[Found, ...]

    @property
    def errors(self) -> tuple[Found, ...]:
        """Return the findings that are errors."""
        return tuple(found for found in self.found if found.finding.level == "error")

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        findings = ((one.check, one.finding) for one in self.found)
        return {
            "findings": [
                {"check": check, "level": finding.level, "message": finding.message, "hint": finding.hint}
                for check, finding in findings
            ]
        }


def diagnose(session: Session) -> Diagnosis:
    """Run all checks. A check that fails, or a fact that cannot be determined, is a finding with the level "error"."""
    failed: list[Found] = []

    def report(error: D8Error) -> None:
        failed.append(Found("doctor", Finding("error", error.message, error.hint)))

    found = tuple(run_checks(session, "doctor", report))
    return Diagnosis((*found, *failed))

"""``doctor``: runs all checks, ours and those of plugins, and asks the cluster. Changes nothing but caches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.value import Struct
from d8_installer.ops.shell.path_advice import path_advice
from d8_installer.pipeline.checks import Found, run_checks
from d8_installer.pipeline.cluster_report import report_on_cluster
from d8_installer.pipeline.requirement_findings import requirement_findings
from d8_installer.plugin.records import Finding

if TYPE_CHECKING:
    from d8_installer.errors import D8Error
    from d8_installer.pipeline.session import Session


class Diagnosis(Struct, frozen=True):
    """The findings of all checks. The worst one decides the exit code.

    ``cluster`` is what was asked of the cluster, None if there is none. ``dropped`` are the caches that were
    removed, or would be in a ``dry_run``.
    """

    found: tuple[Found, ...]
    cluster: dict[str, object] | None = None
    dropped: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def errors(self) -> tuple[Found, ...]:
        """Return the findings that are errors."""
        return tuple(found for found in self.found if found.finding.level == "error")

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        findings = ((one.check, one.finding) for one in self.found)
        return {
            "changed": bool(self.dropped),
            "dry_run": self.dry_run,
            "findings": [
                {"check": check, "level": finding.level, "message": finding.message, "hint": finding.hint}
                for check, finding in findings
            ],
            "cluster": self.cluster,
            "dropped": list(self.dropped),
        }


def diagnose(session: Session, *, fix: bool = False, dry_run: bool = False) -> Diagnosis:
    """Run all checks. A check that fails, or a fact that cannot be determined, is a finding with the level "error".

    With *fix*, what is kept of clusters is dropped before: the endpoints that were found, and the facts.
    """
    dropped = drop_caches(session, dry_run=dry_run) if fix else ()
    failed: list[Found] = []

    def report(error: D8Error) -> None:
        failed.append(Found("doctor", Finding("error", error.message, error.hint)))

    found = tuple(run_checks(session, "doctor", report, path_advice))
    cluster = report_on_cluster(session)
    needs = requirement_findings(session, is_reachable=cluster.is_reachable)
    of_cluster = [Found("cluster", finding) for finding in cluster.findings]
    of_needs = [Found("requirements", finding) for finding in needs]
    return Diagnosis((*found, *of_cluster, *of_needs, *failed), cluster.data, dropped, dry_run)


def drop_caches(session: Session, *, dry_run: bool = False) -> tuple[str, ...]:
    """Remove what the home keeps of clusters; return the files. The next command asks the cluster again."""
    from d8_installer.pipeline import endpoint_cache
    from d8_installer.store import kept_facts

    home = session.scope.home
    session.profiles.refuse_foreign(home.root)
    return (*endpoint_cache.forget(home, dry_run=dry_run), *kept_facts.forget(home, dry_run=dry_run))

"""What ``doctor`` says of requirements: which installed images need something that the cluster or the profile lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, NotAllowedError
from d8_installer.model.plurals import counted
from d8_installer.plugin.records import Finding

if TYPE_CHECKING:
    from d8_installer.model.generation import Generation
    from d8_installer.pipeline.cluster_checks import AskFacts
    from d8_installer.pipeline.session import Session


def requirement_findings(session: Session, *, is_reachable: bool) -> list[Finding]:
    """Return a finding for each installed image whose requirements do not hold.

    If the cluster *is_reachable*, it is asked, else the facts count that were kept. What cannot be read is a warning:
    the checks of the cluster say what is wrong there.
    """
    active = _active(session)
    if active is None:
        return []
    try:
        return _findings(session, active, session.checks.reporting if is_reachable else _kept(session))
    except D8Error as error:
        return [Finding("warning", f"whether requirements hold is not known: {error.message}", hint=error.hint)]


def _active(session: Session) -> Generation | None:
    """Return what is installed in the profile that ``doctor`` checks; None also if its record is damaged."""
    try:
        profile = session.profiles.find()
    except NotAllowedError:
        profile = session.profiles.find(default="user")
    try:
        return session.profiles.active(profile)
    except D8Error:  # the checks of the profile report it
        return None


def _kept(session: Session) -> AskFacts:
    kept = session.checks.kept()
    return lambda _kinds: None if kept is None else kept.facts


def _findings(session: Session, active: Generation, ask: AskFacts) -> list[Finding]:
    from d8_installer.pipeline.requirement_reports import installed_images, report_on
    from d8_installer.pipeline.unmet import unmet_error

    images = installed_images(active)
    reports = report_on(session, images, ask, {image.name: image.version for image in images})
    findings: list[Finding] = []
    for report in reports:
        if report.unmet:
            error = unmet_error(report.name, report.version, report.unmet)
            findings.append(Finding("error", error.message, hint=error.hint))
        findings += [Finding("warning", warning) for warning in report.warnings]
    asking = [report for report in reports if report.requires_anything]
    met = [report for report in asking if report.is_met]
    if met and len(met) == len(asking):
        findings.append(Finding("ok", f"those of {counted(len(met), 'image')} hold"))
    unknown = [str(report.name) for report in asking if report.is_met is None]
    if unknown:
        hint = "type `d8-installer check` where the cluster can be reached"
        findings.append(Finding("warning", f"not checked: {', '.join(unknown)}", hint=hint))
    return findings

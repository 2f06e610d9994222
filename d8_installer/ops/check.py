"""``check``: whether the requirements of everything that is installed hold. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import NotFoundError
from d8_installer.model.value import Struct
from d8_installer.pipeline.gate import keep_passes
from d8_installer.pipeline.requirement_reports import ImageReport, installed_images, report_on
from d8_installer.pipeline.unmet import unmet_error

if TYPE_CHECKING:
    from collections.abc import Collection

    from d8_installer.errors import D8Error
    from d8_installer.model.profile import Profile
    from d8_installer.model.reference import ImageName
    from d8_installer.pipeline.session import Session


class Checked(Struct, frozen=True, kw_only=True):
    """The reports on the images of a profile, and the cluster that the facts are of; None if no facts were used."""

    profile: Profile
    cluster: str | None
    reports: tuple[ImageReport, ...]

    @property
    def errors(self) -> tuple[D8Error, ...]:
        """One for each image of which something does not hold."""
        return tuple(unmet_error(report.name, report.version, report.unmet) for report in self.reports if report.unmet)

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        images = [report.as_json() for report in self.reports]
        return {"profile": self.profile.as_json(), "cluster": self.cluster, "images": images}


def check(session: Session, names: Collection[ImageName] = ()) -> Checked:
    """Return whether the requirements of what the profile has installed hold, or only of the images *names*.

    If a cluster has to be asked and none is configured, raise ConfigError; if a name is not installed, NotFoundError.
    """
    profile = session.profiles.find()
    active = session.profiles.active(profile)
    images = () if active is None else installed_images(active)
    installed = {image.name: image.version for image in images}
    for name in names:
        if name not in installed:
            raise NotFoundError(
                f"{name} is not installed in {profile}", hint="see `d8-installer list`", code="not-installed"
            )
    chosen = [image for image in images if not names or image.name in names]
    reports = report_on(session, chosen, session.checks.reporting, installed)
    for report in reports:
        for warning in report.warnings:
            session.reporter.warn(warning)
    keep_passes(session, session.profiles.generations(profile))
    return Checked(profile=profile, cluster=session.checks.cluster, reports=reports)

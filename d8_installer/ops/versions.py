"""``versions``: lists the published versions of an image, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import NotAllowedError, NotFoundError
from d8_installer.model.value import Struct
from d8_installer.model.version import Version
from d8_installer.pipeline.driver import usable_tags

if TYPE_CHECKING:
    from d8_installer.model.reference import ImageName
    from d8_installer.pipeline.session import Session


class VersionsResult(Struct, frozen=True):
    """Every published SemVer tag, newest first. ``current`` is the version in place in the profile, or None."""

    image: str
    current: str | None
    tags: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {"image": self.image, "current": self.current, "versions": list(self.tags)}


def versions(session: Session, name: ImageName) -> VersionsResult:
    """Return every SemVer tag of the image, newest first. Other tags are signatures and the like, and are left out."""
    tags = [
        version for tag in usable_tags(session.source, name.path) if (version := Version.try_parse(tag)) is not None
    ]
    if not tags:
        raise NotFoundError(
            f"{name} has no published version",
            hint="check that the name is spelled as it was published",
            code="no-such-version",
        )
    ordered = sorted(tags, key=lambda version: version.preference_key, reverse=True)
    return VersionsResult(name.short, _current(session, name), tuple(version.text for version in ordered))


def _current(session: Session, name: ImageName) -> str | None:
    try:
        active = session.profiles.active(session.profiles.find())
    except NotAllowedError:  # the project is another user's; the published versions do not depend on it
        return None
    placed = active.placed if active is not None else ()
    return next((p.placement.version for p in placed if p.placement.name == name), None)

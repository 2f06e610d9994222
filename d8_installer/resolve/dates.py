"""The dates of versions, from the annotations of their manifests. No layer and no config is read.

The annotation of the index counts. Without one, the newest of its children counts, each dated by its descriptor or its
manifest. A version without any date counts as too new for every cut-off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import MismatchError
from d8_installer.model.date import parse_date
from d8_installer.model.oci import ImageIndex, parse_manifest
from d8_installer.model.resolution import Answers, ManifestOf

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from datetime import datetime

    from d8_installer.model.oci import ImageManifest
    from d8_installer.model.resolution import Needs
    from d8_installer.model.source import ManifestBytes

CREATED = "org.opencontainers.image.created"


def dates_of(tops: Iterable[ManifestOf]) -> Generator[Needs, Answers, dict[ManifestOf, datetime | None]]:
    """Return the date on which each of *tops* was created, or None if it has no date."""
    asked = tuple(tops)
    answers = yield asked
    for top in asked:
        if top in answers.failed:
            raise answers.failed[top]
    documents = {top: _parsed(answers.manifests.get(top)) for top in asked}
    children = {top: _children(top, document) for top, document in documents.items()}
    needs = tuple(dict.fromkeys(need for top in asked for need in children[top]))
    built = (yield needs) if needs else Answers()
    dates: dict[ManifestOf, datetime | None] = {}
    for top, document in documents.items():
        found = [*_dates_in(document), *(date for need in children[top] for date in _own(built, need))]
        dates[top] = max(found, default=None)
    return dates


def _parsed(manifest: ManifestBytes | None) -> ImageIndex | ImageManifest | None:
    try:
        return None if manifest is None else parse_manifest(manifest.raw)
    except MismatchError:
        return None


def _children(top: ManifestOf, document: ImageIndex | ImageManifest | None) -> tuple[ManifestOf, ...]:
    """Return the questions for the children of an index that has no date at all."""
    if not isinstance(document, ImageIndex) or _dates_in(document):
        return ()
    children = [child for platform in document.platforms if (child := document.child_for(platform)) is not None]
    return tuple(
        ManifestOf(image=top.image, ref=str(child.digest), size=child.size, may_fail=True) for child in children
    )


def _dates_in(document: ImageIndex | ImageManifest | None) -> list[datetime]:
    if document is None:
        return []
    own = _date(document.annotations)
    if own or not isinstance(document, ImageIndex):
        return own
    return [date for child in document.children for date in _date(child.annotations)]


def _own(built: Answers, need: ManifestOf) -> list[datetime]:
    return _dates_in(_parsed(built.manifests.get(need)))


def _date(annotations: Mapping[str, str]) -> list[datetime]:
    date = parse_date(annotations.get(CREATED, ""))
    return [] if date is None else [date]

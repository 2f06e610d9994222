"""Locks an image at one version while its manifest asks for a range: the request is narrowed, and its hash kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.value import replace
from d8_installer.model.version import Specifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import Lock
    from d8_installer.model.reference import ImageName
    from d8_installer.model.resolution import Wanted


def narrowed(wanted: Wanted, name: ImageName, tag: str) -> Wanted:
    """Return *wanted* with every request for *name* narrowed to exactly *tag*, and what others need of it."""
    exactly = Specifier.parse(f"==={tag}")
    requirements = tuple(
        replace(r, request=replace(r.request, version=exactly)) if r.request.name == name else r
        for r in wanted.requirements
    )
    selection = replace(wanted.selection, typed={name: tag})
    return replace(wanted, requirements=requirements, selection=selection)


def with_requests(lock: Lock, name: ImageName, hashes: Mapping[str, Digest]) -> Lock:
    """Return *lock* with the hashes of the requests for *name* as they are, not as they were narrowed."""
    images = []
    for image in lock.images:
        requests = tuple((who, hashes.get(who, narrow)) for who, narrow in image.requests)
        images.append(replace(image, requests=requests) if image.name == name else image)
    return replace(lock, images=tuple(images))

"""Renames the requester of locked requests that come from a ``d8.toml`` which is not here. Pure.

Without it, the first ``d8.toml`` that is written here would stand for all of them, and drop what it does not name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.requirement import OTHER_MANIFEST, OWN_MANIFEST
from d8_installer.model.value import replace

if TYPE_CHECKING:
    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import Lock, LockedImage
    from d8_installer.model.manifest import Manifest


def seen_from_here(locked: Lock, own: Manifest | None, *, is_elsewhere: bool) -> Lock:
    """Return *locked* as it is to be read beside *own*, the profile's manifest (None if there is none).

    *is_elsewhere*: the requests of ``d8.toml`` in the lock are not those of *own*, so the ones that *own* does not have
    belong to another ``d8.toml``. If *own* asks for an image, the request of the other one no longer counts.
    """
    images, entry_hashes = [], dict(locked.entry_hashes)
    for image in locked.images:
        requests = _requests(image, own, is_elsewhere=is_elsewhere)
        changed = image
        if requests != dict(image.requests):
            changed = replace(image, requests=tuple(sorted(requests.items())))
            if str(image.name) in entry_hashes and not locked.is_altered(image):
                entry_hashes[str(image.name)] = changed.entry_hash
        images.append(changed)
    return replace(locked, images=tuple(images), entry_hashes=entry_hashes)


def _requests(image: LockedImage, own: Manifest | None, *, is_elsewhere: bool) -> dict[str, Digest]:
    requests = dict(image.requests)
    request = None if own is None else own.find(image.name)
    if request is not None:
        other = requests.pop(OTHER_MANIFEST, None)
        if other == request.hash:
            requests[OWN_MANIFEST] = other
    elif is_elsewhere and OWN_MANIFEST in requests:
        requests[OTHER_MANIFEST] = requests.pop(OWN_MANIFEST)
    return requests

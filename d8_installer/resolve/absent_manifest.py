"""The lock's lines of a ``d8.toml`` that is not here: they get a requester's name of their own. Pure.

Without it, the first ``d8.toml`` that is written here would answer for all of them, and drop what it does not name.
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
    """Return *locked* as it is to be read beside *own*, the profile's manifest (None: there is none).

    *is_elsewhere*: the lines of ``d8.toml`` are not those of *own*, so those that *own* does not ask for belong to
    another one. Where *own* asks for an image, the other ``d8.toml`` has no say in it any more.
    """
    images, entry_hashes = [], dict(locked.entry_hashes)
    for image in locked.images:
        lines = _lines(image, own, is_elsewhere=is_elsewhere)
        changed = replace(image, requests=tuple(sorted(lines.items()))) if lines != dict(image.requests) else image
        if changed is not image and str(image.name) in entry_hashes and not locked.is_altered(image):
            entry_hashes[str(image.name)] = changed.entry_hash
        images.append(changed)
    return replace(locked, images=tuple(images), entry_hashes=entry_hashes)


def _lines(image: LockedImage, own: Manifest | None, *, is_elsewhere: bool) -> dict[str, Digest]:
    lines = dict(image.requests)
    request = None if own is None else own.find(image.name)
    if request is not None:
        other = lines.pop(OTHER_MANIFEST, None)
        if other == request.hash:
            lines[OWN_MANIFEST] = other
    elif is_elsewhere and OWN_MANIFEST in lines:
        lines[OTHER_MANIFEST] = lines.pop(OWN_MANIFEST)
    return lines

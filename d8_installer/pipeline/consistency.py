"""Whether what is written twice is the same in both places: a record and the lock in it, a lock and its marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.lock import Lock, changed_entries

if TYPE_CHECKING:
    from d8_installer.model.generation import Generation, Placed


def agrees(generation: Generation) -> bool:
    """Whether the lock in a generation's record can be read, is as it was written, and pins all that is placed."""
    try:
        lock = Lock.parse(generation.lock.encode(), "d8.lock")
    except DocumentError:
        return False
    pinned = all(_is_pinned(placed, lock, generation) for placed in generation.placed)
    return pinned and not any(changed_entries(generation.lock))


def _is_pinned(placed: Placed, lock: Lock, generation: Generation) -> bool:
    placement = placed.placement
    image = lock.find(placement.name)
    pin = image.pin_for(generation.platform) if image is not None else None
    if image is None or pin is None:
        return False
    same = (image.version, pin.layer) == (placement.version, placement.layer)
    return same and dict(image.binaries).get(placement.binary) == placement.member

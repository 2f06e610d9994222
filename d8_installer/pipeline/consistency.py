"""Consistency checks between redundant copies: a generation's record and the lock in it, a lock entry and its hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.lock import Lock, changed_entries

if TYPE_CHECKING:
    from d8_installer.model.generation import Generation, Placed


def agrees(generation: Generation) -> bool:
    """Whether the lock in a generation's record can be read, is unchanged, and pins everything that is placed."""
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

"""The stored contracts: which of them generations need, what is wrong with one, and how it is put back."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error
from d8_installer.model.digest import Digest
from d8_installer.model.lock import Lock
from d8_installer.ops.upkeep.defects import Defect, raise_if_from_system
from d8_installer.store import contracts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.generation import Generation
    from d8_installer.model.lock import LockedImage
    from d8_installer.ops.upkeep.inspect_generations import Inspection
    from d8_installer.pipeline.session import Session
    from d8_installer.store.paths import Home


def images_with_contracts(generation: Generation) -> list[LockedImage]:
    """Return the placed images that have a contract, by the generation's lock; a damaged lock is a DocumentError."""
    if "\ncontract = " not in generation.lock:  # most have none, and a lock takes long to parse
        return []
    placed = {one.placement.name for one in generation.placed}
    lock = Lock.parse(generation.lock.encode(), f"the lock of generation {generation.number}")
    return [image for image in lock.images if image.contract is not None and image.name in placed]


def contract_defects(session: Session, inspection: Inspection) -> Iterator[Defect]:
    """Yield the contracts that are missing although a generation needs them, and those that are not as they were."""
    home = session.scope.home
    needed = {image.top: image for image in _needed(inspection)}
    for top in sorted({*needed, *contracts.stored(home)}, key=str):
        image, path = needed.get(top), home.contract(top.hex)
        if _is_sound(home, top, None if image is None else image.contract):
            continue
        problem = "is not as it was written" if os.path.lexists(path) else "is missing"
        yield Defect(kind="contract", path=path, problem=problem, digest=top.hex)


def _is_sound(home: Home, top: Digest, expected: Digest | None) -> bool:
    try:
        return contracts.read(home, top, expected) is not None
    except D8Error as error:
        raise_if_from_system(error)
        return False


def restore_contract(session: Session, inspection: Inspection, digest: str) -> None:
    """Write a contract again, as its source has it, or remove it if no generation needs it."""
    top = Digest(digest)
    image = next((image for image in _needed(inspection) if image.top == top), None)
    if image is None:
        contracts.discard(session.scope.home, top)
        return
    from d8_installer.pipeline.contracts import contract_at_source

    contracts.save(session.scope.home, top, contract_at_source(session, image))


def _needed(inspection: Inspection) -> Iterator[LockedImage]:
    for read in inspection.generations:
        with contextlib.suppress(D8Error):  # a lock that cannot be read says of no contract that it is needed
            yield from images_with_contracts(read.generation)

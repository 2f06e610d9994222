"""The contracts of locked images: from the store, else from the source, proven by the digest in the lock.

Before a switch the contracts of everything that is placed are in the store, so that what checks a run, or lays files
out for the Go tool, needs no source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, MismatchError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.pipeline.dispensable import ABOUT_ONE_REQUEST
from d8_installer.pipeline.pool import workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from d8_installer.model.contract import Contract
    from d8_installer.model.lock import Lock, LockedImage
    from d8_installer.model.oci import ImageIndex, ImageManifest
    from d8_installer.model.plan import Plan
    from d8_installer.pipeline.dispensable import Dispensable
    from d8_installer.pipeline.session import Session


def contract_of(session: Session, image: LockedImage) -> Contract | None:
    """Return the contract of a locked image; None if it has none, or if a tool locked it that knew no contracts.

    Raise what the source raises, or a MismatchError if it has another contract than the lock says.
    """
    if image.contract is None:
        return None
    return stored_contract(session, image) or contract_at_source(session, image)


def stored_contract(session: Session, image: LockedImage) -> Contract | None:
    """Return the contract of a locked image if the store has it."""
    from d8_installer.store import contracts  # most images have no contract

    return contracts.load(session.scope.home, image.top, image.contract)


def contract_at_source(session: Session, image: LockedImage) -> Contract:
    """Return the contract of a locked image as the source has it, proven by the index and by the lock."""
    top = _document(session, image, image.top)
    found = list(_carried(session, image, top))
    for contract in found:
        if Digest.of(contract.render().encode()) == image.contract:
            return contract
    what = "another contract than the lock says" if found else "no contract, and the lock has one"
    raise MismatchError(
        f"{image.name} {image.version} at {session.source.name} carries {what}",
        hint=f"if the lock was edited by hand, restore it; else type `d8-installer lock --upgrade-image {image.name}`",
        code="lock-contradicted",
    )


def published_contract(session: Session, image: LockedImage) -> Contract | None:
    """Return the contract that the source has for the locked bytes, whatever the lock says of it."""
    return next(_carried(session, image, _document(session, image, image.top)), None)


def _carried(session: Session, image: LockedImage, top: ImageIndex | ImageManifest) -> Iterator[Contract]:
    """Yield the contracts that the index or its builds carry; a build that is not there may be another platform's."""
    from d8_installer.model.contract_lookup import children_to_read, contract_in

    name, version = image.name.short, image.version
    locked = {pin.child for _, pin in image.platforms}
    own = contract_in(top, {}, name, version)
    if own is not None:
        yield own
    for digest in sorted(children_to_read(top), key=lambda one: one not in locked):
        try:
            build = _document(session, image, digest)
        except NotFoundError:
            if digest in locked:
                raise
            continue
        contract = contract_in(top, {digest: build}, name, version)
        if contract is not None:
            yield contract


def _document(session: Session, image: LockedImage, digest: Digest) -> ImageIndex | ImageManifest:
    from d8_installer.model.oci import parse_manifest

    return parse_manifest(session.source.manifest(image.name.path, str(digest)).require(digest).raw)


# -- before the switch -------------------------------------------------------------------------------------------------


def contracts_to_keep(session: Session, lock: Lock, plan: Plan, dispensable: Dispensable) -> Mapping[Digest, Contract]:
    """Return the contract of every image that *plan* places, by the digest of its index.

    The failure of an image that only plugins ask for is noted in *dispensable*.
    """
    placed = {placement.name for placement in plan.target}
    images = [image for image in lock.images if image.contract is not None and image.name in placed]
    if not images:
        return {}

    def ask(image: LockedImage) -> Contract | D8Error | None:
        try:
            return contract_of(session, image)
        except ABOUT_ONE_REQUEST as error:
            return error

    with workers(min(session.scope.options.connections, len(images))) as pool:
        answers = list(zip(images, pool.map(ask, images), strict=True))
    found: dict[Digest, Contract] = {}
    for image, answer in answers:
        if isinstance(answer, D8Error):
            dispensable.leave_out(answer, image.name)
        elif answer is not None:
            found[image.top] = answer
    return found


def keep_contracts(session: Session, found: Mapping[Digest, Contract]) -> None:
    """Write the contracts that are not in the store as they are here."""
    if not found:
        return
    from d8_installer.store import contracts

    for top, contract in found.items():
        if contracts.load(session.scope.home, top, Digest.of(contract.render().encode())) is None:
            contracts.save(session.scope.home, top, contract)

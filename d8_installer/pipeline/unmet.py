"""Refuses images whose contract asks for something that does not hold, before anything is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.pipeline.dispensable import ABOUT_ONE_REQUEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from d8_installer.errors import D8Error
    from d8_installer.model.contract import Contract
    from d8_installer.model.generation import Generation
    from d8_installer.model.lock import Lock, LockedImage
    from d8_installer.model.plan import Plan
    from d8_installer.model.reference import ImageName
    from d8_installer.pipeline.change import Change
    from d8_installer.pipeline.cluster_checks import AskFacts
    from d8_installer.pipeline.session import Session

    LeaveOut = Callable[[D8Error, ImageName], None]
    """Goes on without an image that only plugins ask for, or raises the error."""

_SKIP = "--skip-cluster-checks goes on without this check"


def admit_images(session: Session, change: Change, plan: Plan, active: Generation | None, leave_out: LeaveOut) -> None:
    """Refuse what the plan newly places, and what the command names, if its requirements do not hold.

    A file of facts that is typed for a sync is compared with all that is placed, also if nothing is to do.
    """
    from d8_installer.model.lock import Lock

    if session.scope.options.facts is not None and not change.insist:
        active = None
    before = {(one.placement.name, one.placement.layer) for one in active.placed} if active is not None else set()
    placed = {(placement.name, placement.layer) for placement in plan.target}
    names = {name for name, _ in placed}
    new = {name for name, _ in placed - before} | (change.insist & names)
    beside = Lock.of(image for image in change.lock.images if image.name in names)
    refuse_unmet(session, beside, [image for image in beside.images if image.name in new], leave_out)


def refuse_unmet(
    session: Session, lock: Lock, images: Iterable[LockedImage], leave_out: LeaveOut, ask: AskFacts | None = None
) -> None:
    """Compare the requirements of *images* with the facts that *ask* gives, else with those by which images are placed.

    An unmet one goes to *leave_out*, with every image of the *lock* that needs the image. A cluster that cannot be read
    ends the command. Without an image that requires something of a cluster, none is asked.
    """
    contracts = [(image, one) for image in images if (one := _cluster_contract(session, image, leave_out))]
    kinds = frozenset(kind for _, contract in contracts for kind in contract.fact_kinds)
    facts = (ask or session.checks.admitting)(kinds) if kinds else None
    if facts is None:
        return
    from d8_installer.resolve.requirements import check

    for image, contract in contracts:
        try:
            judgement = check(contract, facts)
        except ABOUT_ONE_REQUEST as malformed:
            _leave_out(malformed.within(f"{image.name} {image.version}"), lock, image.name, leave_out)
            continue
        for warning in judgement.warnings:
            session.reporter.warn(warning)
        if judgement.unmet:
            error = unmet_error(image.name, image.version, [one.text for one in judgement.unmet])
            _leave_out(error.within(hint=f"{error.hint}; {_SKIP}"), lock, image.name, leave_out)


def raised(error: D8Error, _name: ImageName) -> None:
    """Leave nothing out: raise the error."""
    raise error


def _cluster_contract(session: Session, image: LockedImage, leave_out: LeaveOut) -> Contract | None:
    """Return the contract of an image that requires something of a cluster."""
    if image.contract is None:
        return None
    from d8_installer.pipeline.contracts import contract_of

    try:
        contract = contract_of(session, image)
    except ABOUT_ONE_REQUEST as error:
        leave_out(error, image.name)
        return None
    return contract if contract is not None and contract.fact_kinds else None


def _leave_out(error: D8Error, lock: Lock, name: ImageName, leave_out: LeaveOut) -> None:
    for each in _with_dependents(lock, name):
        leave_out(error, each)


def _with_dependents(lock: Lock, name: ImageName) -> list[ImageName]:
    """Return the image and those that need it, or need what needs it."""
    found, waiting = [], [name]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.append(each)
            waiting += [image.name for image in lock.images if each.short in dict(image.needs)]
    return found


def unmet_error(name: ImageName, version: str, unmet: Sequence[str]) -> DocumentError:
    """Return the error for an image whose requirements do not hold."""
    return DocumentError(
        f"{name} {version} does not fit here: {'; '.join(unmet)}",
        hint=f"change that in the cluster, or take another version: see `d8-installer versions {name}`",
        code="requirements-not-met",
    )

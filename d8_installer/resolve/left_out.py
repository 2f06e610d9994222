"""Requests that the rest goes on without: whether that may be, and what it leaves in the lock. Asks nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.model.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d8_installer.errors import D8Error
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import LeftOut, Wanted


def may_leave_out(wanted: Wanted, group: Iterable[Requirement]) -> bool:
    """Whether the rest may go on without *group*: a person's own manifest is not gone on without."""
    requesters = {requirement.requester for requirement in group}
    return wanted.lenient and OWN_MANIFEST not in requesters and not requesters & wanted.insist


def without(wanted: Wanted, left_out: Iterable[LeftOut]) -> Wanted:
    """Return what is wanted without the requests that are left out; what is locked for them stays as it is."""
    gone = {(one.requirement.request.name, one.requirement.requester) for one in left_out}
    if not gone:
        return wanted
    requirements = tuple(one for one in wanted.requirements if (one.request.name, one.requester) not in gone)
    return replace(wanted, requirements=requirements, left=wanted.left | gone)


def naming(requirement: Requirement, error: D8Error) -> D8Error:
    """Return *error* so that it names whose request it is about."""
    if requirement.requester == OWN_MANIFEST or requirement.requester in error.message:
        return error
    return error.within(str(requirement))

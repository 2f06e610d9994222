"""Requests, locks and a catalogue: what the tests of the resolution ask, and of whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from d8_installer.model.lock import Lock, LockedImage
from d8_installer.model.reference import ImageName
from d8_installer.model.requirement import Request, Requirement
from d8_installer.model.resolution import (
    KeptRequests,
    Resolution,
    Trust,
    Wanted,
)
from d8_installer.model.value import replace
from d8_installer.resolve.choose import resolve
from d8_installer.resolve.pin import pin
from d8_installer.resolve.stale import staleness
from tests.strategies import (
    LINUX,
    MAC,
    Catalogue,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from d8_installer.errors import D8Error
    from d8_installer.model.platform import Platform
    from d8_installer.model.resolution import Answers, Needs

R = TypeVar("R")
A = ImageName("a")
NO_TRUST = Trust({})


def drive(asking: Generator[Needs, Answers, R], catalogue: Catalogue) -> R:
    """Run *asking* to its end against the catalogue, a round at a time."""
    try:
        needs = next(asking)
        while True:
            assert needs, "a round asks for something"
            needs = asking.send(catalogue.answer(needs))
    except StopIteration as end:
        result: R = end.value
        return result


KEPT = KeptRequests(absent=True)


def want(*asked: str | Requirement, locked: Lock | None = None, **more: object) -> Wanted:
    """What ``who: name[spec]`` says, or ``d8.toml`` where nobody is named."""
    requirements = tuple(one if isinstance(one, Requirement) else requirement(one) for one in asked)
    present = frozenset(["d8.toml", *(one.requester for one in requirements)])
    return Wanted(requirements=requirements, present=present, locked=locked or Lock(), **more)  # type: ignore[arg-type]


def requirement(text: str, **changes: object) -> Requirement:
    who, _, what = text.rpartition(": ")
    name, _, spec = what.partition(" ")
    request = replace(Request.of(ImageName(name), spec), **changes)
    return Requirement(who or "d8.toml", request)


def resolved(catalogue: Catalogue, wanted: Wanted) -> Resolution:
    return drive(resolve(wanted), catalogue)


def locked(catalogue: Catalogue, wanted: Wanted, trust: Trust = NO_TRUST) -> Lock:
    """The whole road: which version, then which bytes; what is rendered can be read again."""
    lock = drive(pin(resolved(catalogue, wanted), wanted, trust), catalogue)
    assert Lock.parse(lock.render().encode(), "d8.lock") == lock
    return lock


def chosen(catalogue: Catalogue, wanted: Wanted) -> dict[str, str]:
    return {str(choice.name): choice.tag for choice in resolved(catalogue, wanted).choices}


def said(wanted: Wanted) -> tuple[str, ...]:
    return tuple(map(str, staleness(wanted)))


def offering(*tags: str, on: Sequence[Platform] = (LINUX, MAC)) -> Catalogue:
    catalogue = Catalogue()
    catalogue.publish("a", *tags, on=on)
    return catalogue


def only(lock: Lock) -> LockedImage:
    (image,) = lock.images
    return image


def failing(kind: type[D8Error], catalogue: Catalogue, wanted: Wanted, trust: Trust = NO_TRUST) -> D8Error:
    with pytest.raises(kind) as caught:
        locked(catalogue, wanted, trust)
    assert caught.value.hint
    return caught.value

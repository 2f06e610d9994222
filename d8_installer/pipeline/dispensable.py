"""Dispensable: the binaries that only plugins ask for. If one fails, it is left out and the rest of the plan goes on.

What the plugin had in place before stays in place (docs/explanation/profiles.md).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from d8_installer.errors import (
    ConflictError,
    D8Error,
    DocumentError,
    MismatchError,
    NotAllowedError,
    NotFoundError,
    TryAgainError,
)
from d8_installer.model.plan import Fetch, Link
from d8_installer.model.value import replace
from d8_installer.pipeline.absent_requesters import requesters_text
from d8_installer.plan.naming import is_own

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d8_installer.model.generation import Generation, Placement
    from d8_installer.model.lock import Lock
    from d8_installer.model.plan import Plan, Step
    from d8_installer.model.reference import ImageName
    from d8_installer.plan.naming import Asked
    from d8_installer.store.store import Store

ABOUT_ONE_REQUEST = (ConflictError, DocumentError, MismatchError, NotAllowedError, NotFoundError, TryAgainError)
"""Errors that may be the fault of one image. A source that does not answer and a disk that refuses concern all."""


class Dispensable:
    """The placements of a plan that only plugins ask for, and the errors of those that failed; safe for threads."""

    def __init__(self, lock: Lock, plan: Plan, asked: Asked | None, insist: frozenset[ImageName] = frozenset()) -> None:
        """*asked*: who asks for which binary, or None if no manifest was read. Images of *insist* never are.

        Nor is what they need, and what the person's images need.
        """
        self._images = {image.name: image for image in lock.images}
        self._target = plan.target
        self._asked = asked
        asked_for = {p.name for p in plan.target if self._is_own(p)}
        self._insist = insist | lock.needed_by({*asked_for, *insist})
        self._failed: dict[Placement, D8Error] = {}
        self._mutex = threading.Lock()

    def leave_out(self, error: D8Error, name: ImageName, member: str | None = None) -> None:
        """Note the *error* of an image's *member* (None: of all). Raise it if that is not dispensable."""
        with self._mutex:
            failed = [p for p in self._target if p.name == name and member in (None, p.member)]
            if not isinstance(error, ABOUT_ONE_REQUEST) or not failed or not all(map(self._is_dispensable, failed)):
                raise error
            self._failed.update(dict.fromkeys(failed, error))

    def has_any(self, name: ImageName, members: Iterable[str]) -> bool:
        """Whether any of an image's *members* is dispensable."""
        wanted = set(members)
        return any(p.name == name and p.member in wanted and self._is_dispensable(p) for p in self._target)

    def rest(self, plan: Plan, active: Generation | None, store: Store) -> Plan:
        """Return *plan* without the placements that failed. Their predecessors, if still stored, stay in place."""
        failed = self._failed
        if not failed:
            return plan
        same = active is not None and active.platform == plan.platform
        before = {(p.placement.binary, p.placement.name): p.placement for p in active.placed} if active and same else {}
        stays = [
            replace(old, in_bin=placement.in_bin)
            for placement in failed
            if (old := before.get((placement.binary, placement.name))) is not None
            and old.member in store.members(old.layer)
        ]
        rest = [*(p for p in plan.target if p not in failed), *(p for p in stays if p not in failed)]
        target = tuple(sorted(rest, key=lambda placement: placement.sort_key))
        steps = [step for old in plan.steps if (step := self._without(old)) is not None]
        wanted = {(p.name, p.layer) for p in target}
        names = {name.path: name for name in self._images}
        unproven = tuple(r for r in plan.unproven if (names.get(r.image), r.layer) in wanted)
        return replace(
            plan, steps=tuple(steps), target=target, unproven=unproven, problems=(*plan.problems, *self._problems())
        )

    def _without(self, step: Step) -> Step | None:
        if isinstance(step, Link):
            return None if step.placement in self._failed else step
        if isinstance(step, Fetch):
            gone = {p.member for p in self._failed if p.name == step.name}
            members = tuple(member for member in step.members if member not in gone)
            return replace(step, members=members) if members else None
        return step

    def _is_dispensable(self, placement: Placement) -> bool:
        return placement.name not in self._insist and not self._is_own(placement)

    def _is_own(self, placement: Placement) -> bool:
        image = self._images[placement.name]
        return (self._asked is None and image.is_own) or is_own(placement.binary, image, self._asked)

    def _problems(self) -> Iterable[D8Error]:
        """Yield each error once, with the requesters."""
        found: dict[int, tuple[D8Error, set[str]]] = {}
        for placement, error in self._failed.items():
            asked = (self._asked or {}).get((str(placement.name), placement.binary), frozenset())
            known = asked or frozenset(self._images[placement.name].plugins)
            found.setdefault(id(error), (error, set()))[1].update(known)
        for error, askers in found.values():
            kind = next(kind for kind in ABOUT_ONE_REQUEST if isinstance(error, kind))
            yield kind(f"{error}; what {requesters_text(askers)} asks for there is left out", hint=error.hint)

"""Makes sure that everything fetched is still stored at the switch, and keeps ``gc`` out until then."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from d8_installer.errors import TryAgainError
from d8_installer.pipeline.fetch import fetch_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from d8_installer.model.digest import Digest
    from d8_installer.model.plan import Plan
    from d8_installer.pipeline.session import Session
    from d8_installer.store.store import Stored

    Members = Mapping[Digest, Mapping[str, Stored]]

_TRIES = 5


@contextlib.contextmanager
def all_stored(session: Session, plan: Plan, plan_again: Callable[[], Plan]) -> Iterator[Members]:
    """Hold the home's lock with everything that *plan* places in the store; give the members of its layers.

    ``gc`` removes what no generation names yet, such as what was fetched a moment ago. Then *plan_again* says what to
    fetch once more, outside the lock.
    """
    for _ in range(_TRIES):
        with session.profiles.switching():
            members = {layer: session.store.members(layer) for layer in {placement.layer for placement in plan.target}}
            if all(placement.member in members[placement.layer] for placement in plan.target):
                yield members
                return
        fetch_all(session, plan_again())
    raise TryAgainError("gc removed what was fetched, every time", hint="type the same command again")

"""Between a download and the switch: what was fetched is still there, for whoever collects garbage is kept out."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from d8_installer.errors import TryAgainError
from d8_installer.pipeline.fetch import fetch_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from d8_installer.model.plan import Plan
    from d8_installer.pipeline.session import Session

_TRIES = 5


@contextlib.contextmanager
def all_stored(session: Session, plan: Plan, again: Callable[[], Plan]) -> Iterator[None]:
    """Hold the home's lock while the context lasts, with everything that *plan* places in the store.

    ``gc`` takes what no generation names yet, also what was fetched (or found in the store) a moment ago: then
    *again* plans anew, and that is fetched once more, outside the lock.
    """
    for _ in range(_TRIES):
        with session.profiles.switching():
            if _is_all_there(session, plan):
                yield
                return
        fetch_all(session, again())
    raise TryAgainError("gc removed what was fetched, every time", hint="type the same command again")


def _is_all_there(session: Session, plan: Plan) -> bool:
    members = {layer: session.store.members(layer) for layer in {placement.layer for placement in plan.target}}
    return all(placement.member in members[placement.layer] for placement in plan.target)

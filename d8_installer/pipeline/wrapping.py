"""Which binaries of a new generation get a wrapper: those whose contract lists variables, and those that are gated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.digest import Digest
from d8_installer.model.run_gate import injected
from d8_installer.model.wrapper import Wrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from d8_installer.model.contract import Contract
    from d8_installer.model.generation import Generation, Placement


class Wrapping:
    """The wrappers of one new generation. *contracts* are those of the placed images.

    *active* is the generation before. *tool* returns the path of this d8-installer, or None.
    """

    def __init__(
        self, contracts: Iterable[Contract], active: Generation | None, tool: Callable[[], str | None]
    ) -> None:
        self._contracts = {Digest.of(contract.render().encode()): contract for contract in contracts}
        self._before = {} if active is None else {placed.placement: placed.wrapper for placed in active.placed}
        self._tool = tool

    def wrapper_of(self, placement: Placement) -> Wrapper | None:
        """Return the wrapper of a placement, or None for a link."""
        if placement.contract is None:
            return None
        contract = self._contracts.get(placement.contract)
        if contract is None:  # an older version, which stays because the newer one could not be fetched
            return self._before.get(placement)
        env = injected(contract.env)
        if placement.gated and asks_anything(contract):
            return Wrapper(env, gated=True, tool=self._tool() or "")
        return Wrapper(env) if env else None


def asks_anything(contract: Contract) -> bool:
    """Whether a contract asks anything of a cluster or of other plugins."""
    return bool(contract.fact_kinds or contract.plugins.mandatory or contract.plugins.conditional)

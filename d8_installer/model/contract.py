"""Contract: what a plugin image says about itself and what it needs (rpp.md §5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.facts import FactKind


class Need(Struct, frozen=True):
    """A module or a plugin that a contract names, and the versions that will do: ``""`` if any will."""

    name: str
    constraint: str = ""


class ModuleGroup(Struct, frozen=True, kw_only=True):
    """Modules of which one must satisfy (``anyOf``), or none may be enabled in its range (``noneOf``)."""

    name: str
    modules: tuple[Need, ...]
    description: str = ""


class ModuleNeeds(Struct, frozen=True, kw_only=True):
    """The modules that matter: those that must be enabled, those that are checked if they are enabled, and groups."""

    mandatory: tuple[Need, ...] = ()
    conditional: tuple[Need, ...] = ()
    any_of: tuple[ModuleGroup, ...] = ()
    none_of: tuple[ModuleGroup, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no module matters."""
        return not (self.mandatory or self.conditional or self.any_of or self.none_of)


class PluginNeeds(Struct, frozen=True):
    """Other plugins: those that are installed along, and those that are checked only if they are installed."""

    mandatory: tuple[Need, ...] = ()
    conditional: tuple[Need, ...] = ()


class Contract(Struct, frozen=True, kw_only=True):
    """One contract, validated. ``kubernetes`` and ``deckhouse`` are constraints, ``""`` for none.

    ``env`` are the variables that the program asks for, ``flags`` those of d8 that it lists in its help.
    """

    name: str
    version: str
    description: str = ""
    env: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    kubernetes: str = ""
    deckhouse: str = ""
    modules: ModuleNeeds = ModuleNeeds()
    plugins: PluginNeeds = PluginNeeds()

    @property
    def fact_kinds(self) -> frozenset[FactKind]:
        """The kinds of facts that decide whether a cluster meets the contract: none, if it asks nothing of one."""
        return frozenset(self._fact_kinds())

    def _fact_kinds(self) -> Iterator[FactKind]:
        if self.kubernetes:
            yield "kubernetes"
        if self.deckhouse:
            yield "deckhouse"
        if not self.modules.is_empty:
            yield "modules"

"""Facts: what a cluster says about itself, as far as contracts ask for it (rpp.md §9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from d8_installer.model.value import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping

FactKind = Literal["kubernetes", "deckhouse", "modules"]


class ModuleFact(Struct, frozen=True):
    """A module of the cluster. ``version`` is None if the cluster does not say one that can be read."""

    is_enabled: bool
    version: str | None = None


class ClusterFacts(Struct, frozen=True, kw_only=True):
    """What was read of one cluster. Only the *kinds* that were read count; the other fields then say nothing.

    ``kubernetes`` and ``deckhouse`` are versions as the cluster spells them, None if it says none that can be read.
    ``modules`` has every module of the cluster by name. ``cluster`` names the cluster in messages, without secrets.
    """

    kinds: frozenset[FactKind]
    kubernetes: str | None = None
    deckhouse: str | None = None
    modules: Mapping[str, ModuleFact] = field(default_factory=dict)
    cluster: str = ""

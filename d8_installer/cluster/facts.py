"""Reads the facts of a cluster that contracts ask for: three documents at most, and only those (rpp.md §9, §18.7).

A document that cannot be read is an error, never a fact that is missing. The errors name the object, the right, and
what to type.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from d8_installer.cluster.api import ApiError
from d8_installer.model.facts import ClusterFacts, ModuleFact
from d8_installer.model.rights import LIST_MODULES, READ_DECKHOUSE, user_of
from d8_installer.model.version import Version

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from d8_installer.cluster.api import Api
    from d8_installer.model.facts import FactKind
    from d8_installer.model.rights import Right

VERSION_PATH = "/version"
DECKHOUSE_PATH = "/apis/apps/v1/namespaces/d8-system/deployments/deckhouse"
MODULES_PATH = "/apis/deckhouse.io/v1alpha1/modules"
VERSION_ANNOTATION = "core.deckhouse.io/version"
_ENABLING = frozenset(["EnabledByModuleManager", "EnabledByModuleConfig"])
_LONGEST_NAME = 253
_PAGE = ("limit", "500")
SKIP_HINT = "or do without the check: --skip-cluster-checks"


def read_facts(api: Api, kinds: Collection[FactKind], *, read_at: str = "") -> ClusterFacts:
    """Ask *api* for the facts of *kinds*, and for nothing else; *read_at* is the time as the facts have it."""
    kubernetes = _kubernetes(api) if "kubernetes" in kinds else None
    deckhouse = _deckhouse(api) if "deckhouse" in kinds else None
    modules = _modules(api) if "modules" in kinds else {}
    return ClusterFacts(
        kinds=frozenset(kinds),
        kubernetes=kubernetes,
        deckhouse=deckhouse,
        modules=modules,
        cluster=api.name,
        read_at=read_at,
    )


def readable(version: object) -> str | None:
    """Return a version as the cluster spells it, or None if it is none, such as ``dev``."""
    return version if isinstance(version, str) and Version.try_parse(version) is not None else None


def module_fact(module: Mapping[str, object]) -> ModuleFact:
    """Return what a Module says of itself: either of two conditions means that it is enabled (rpp.md §18.10)."""
    conditions = _member(module.get("status"), "conditions")
    enabling = (_enables(one) for one in conditions) if isinstance(conditions, list) else ()
    return ModuleFact(any(enabling), readable(_member(module.get("properties"), "version")))


def _enables(condition: object) -> bool:
    kind = _member(condition, "type")
    return isinstance(kind, str) and kind in _ENABLING and _member(condition, "status") == "True"


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _kubernetes(api: Api) -> str | None:
    with _reading("the Kubernetes version"):
        return readable(_member(api.get(VERSION_PATH), "gitVersion"))


def _deckhouse(api: Api) -> str | None:
    with _reading("the Deckhouse version (Deployment d8-system/deckhouse)", READ_DECKHOUSE):
        annotations = _member(_member(api.get(DECKHOUSE_PATH), "metadata"), "annotations")
        return readable(_member(annotations, VERSION_ANNOTATION))


def _modules(api: Api) -> dict[str, ModuleFact]:
    with _reading("the modules of Deckhouse", LIST_MODULES):
        items = api.items(MODULES_PATH, [_PAGE])
    return {
        name: module_fact(item)
        for item in items
        if isinstance(item, dict)
        and isinstance(name := _member(item.get("metadata"), "name"), str)
        and 0 < len(name) <= _LONGEST_NAME
        and name.isascii()
        and name.isprintable()
    }


@contextmanager
def _reading(what: str, right: Right | None = None) -> Iterator[None]:
    """Say in an error of the context what could not be read, and how to be allowed to or to do without it."""
    try:
        yield
    except ApiError as error:
        problem, hint = f"cannot read {what}", error.hint
        if right is not None and error.status == 403:
            problem, hint = f"{problem}: you lack the right to {right.text}", right.grant(user_of(error.message))
        raise error.within(problem, hint=f"{hint}; {SKIP_HINT}") from error

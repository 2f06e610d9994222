"""Whether a cluster meets a contract: a pure function of the contract and the facts (rpp.md §9).

The constraints of plugins are not looked at here: they compare plugins with each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.value import Struct, replace
from d8_installer.model.version import Specifier, Version, is_genuine_prerelease

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.contract import Contract, ModuleGroup, Need
    from d8_installer.model.facts import ClusterFacts, FactKind, ModuleFact

_WITHOUT = "type the same command with --skip-cluster-checks to do without this check"


class Unmet(Struct, frozen=True):
    """A requirement that the cluster does not meet: the kind of fact that decided, and the sentence for people."""

    kind: FactKind
    text: str


class Judgement(Struct, frozen=True):
    """What a check found. ``warnings`` name what could not be judged and therefore counts as met."""

    unmet: tuple[Unmet, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_met(self) -> bool:
        """Whether the cluster meets everything that could be judged."""
        return not self.unmet


def missing_facts(contract: Contract, facts: ClusterFacts | None) -> frozenset[FactKind]:
    """Return the kinds of facts that ``check`` needs and *facts* does not have."""
    return contract.fact_kinds - (facts.kinds if facts is not None else frozenset())


def check(contract: Contract, facts: ClusterFacts) -> Judgement:
    """Return what *facts* leave unmet of *contract*, all of it, in the order of rpp.md §9.

    Raise a DocumentError if something cannot be judged that has to be: facts that are missing, a Kubernetes version
    that is unknown, a constraint that is malformed. What stands behind an unmet requirement is not an error: the Go
    tool stops at the first that is unmet.
    """
    missing = missing_facts(contract, facts)
    if missing:
        kinds = " and ".join(sorted(missing))
        raise DocumentError(
            f"plugin {contract.name} has requirements for {kinds}, and these facts say nothing of them",
            hint="write them anew with `d8-installer facts -o FILE`",
            code="bad-facts",
        )
    unmet: list[Unmet] = []
    warnings: list[str] = []
    try:
        for finding in _findings(contract, facts):
            if isinstance(finding, Unmet):
                unmet.append(finding)
            else:
                warnings.append(finding)
    except DocumentError:
        if not unmet:
            raise
    return Judgement(tuple(unmet), tuple(warnings))


def normalized(version: Version) -> Version:
    """Return the version of a cluster as constraints compare it (rpp.md §6.3).

    Build metadata goes, and so does the part after ``-`` unless it means a pre-release: ``v1.28.3-eks-1-30`` is 1.28.3.
    """
    kept = version.prerelease if is_genuine_prerelease(version.prerelease) else ""
    bare = replace(version, prerelease=kept, build="")
    return replace(bare, text=bare.canonical)


def cluster_satisfies(constraint: str, version: Version) -> bool:
    """Whether the version of a cluster or of a module is in the range; a malformed range is a DocumentError."""
    return Specifier.parse(constraint, compat="go").allows(normalized(version))


# -- the findings: an Unmet, or the text of a warning --------------------------------------------------

_Finding = Unmet | str


def _findings(contract: Contract, facts: ClusterFacts) -> Iterator[_Finding]:
    yield from _kubernetes(contract, facts)
    yield from _deckhouse(contract, facts)
    needs = contract.modules
    for need in needs.mandatory:
        yield from _mandatory(contract.name, need, _enabled(need, facts))
    for need in needs.conditional:
        module = _enabled(need, facts)
        if module is not None:
            yield from _module_version(contract.name, need, module)
    for number, group in enumerate(needs.any_of):
        yield from _any_of(contract.name, group, number, facts)
    for number, group in enumerate(needs.none_of):
        yield from _none_of(contract.name, group, number, facts)


def _kubernetes(contract: Contract, facts: ClusterFacts) -> Iterator[_Finding]:
    if not contract.kubernetes:
        return
    wants = f"plugin {contract.name} requires Kubernetes {contract.kubernetes}"
    version = _parsed(facts.kubernetes)
    if version is None:
        raise DocumentError(
            f"{wants}, but the cluster's Kubernetes version is unknown", hint=_WITHOUT, code="bad-facts"
        )
    if not _satisfies(contract.kubernetes, version, f"the Kubernetes constraint of plugin {contract.name}"):
        yield Unmet("kubernetes", f"{wants}, but the cluster runs {version}")


def _deckhouse(contract: Contract, facts: ClusterFacts) -> Iterator[_Finding]:
    if not contract.deckhouse:
        return
    wants = f"plugin {contract.name} requires Deckhouse {contract.deckhouse}"
    version = _parsed(facts.deckhouse)
    if version is None:
        yield f"{wants}; that is not checked: the cluster's Deckhouse is no release"
    elif not _satisfies(contract.deckhouse, version, f"the Deckhouse constraint of plugin {contract.name}"):
        yield Unmet("deckhouse", f"{wants}, but the cluster runs {version}")


def _mandatory(plugin: str, need: Need, module: ModuleFact | None) -> Iterator[_Finding]:
    if module is None:
        yield Unmet("modules", f'plugin {plugin} requires module "{need.name}" to be enabled, but it is not')
    else:
        yield from _module_version(plugin, need, module)


def _module_version(plugin: str, need: Need, module: ModuleFact) -> Iterator[_Finding]:
    is_satisfied = _judged(plugin, need, module)
    wants = f'plugin {plugin} requires module "{need.name}" {need.constraint}'
    if is_satisfied is None:
        yield f"{wants}; that is not checked: the module has no version that can be read"
    elif not is_satisfied:
        yield Unmet("modules", f"{wants}, but the cluster has {module.version}")


def _any_of(plugin: str, group: ModuleGroup, number: int, facts: ClusterFacts) -> Iterator[_Finding]:
    enabled = ((need, module) for need in group.modules if (module := _enabled(need, facts)) is not None)
    # A version that is unknown does not count here: another member may be known to do.
    if group.modules and not any(_judged(plugin, need, module) for need, module in enabled):
        names = ", ".join(need.name for need in group.modules)
        group_name = group.name or f"group {number}"
        yield Unmet(
            "modules", f"plugin {plugin} requires at least one of [{names}] ({group_name}), but none is satisfied"
        )


def _none_of(plugin: str, group: ModuleGroup, number: int, facts: ClusterFacts) -> Iterator[_Finding]:
    for need in group.modules:
        module = _enabled(need, facts)
        if module is None:
            continue
        forbids = f'plugin {plugin} forbids module "{need.name}" ({group.name or f"group {number}"})'
        is_in_range = _judged(plugin, need, module)
        if is_in_range is None:
            yield f"{forbids}; that is not checked: the module has no version that can be read"
        elif is_in_range:
            yield Unmet("modules", f"{forbids}, but it is enabled in the cluster")


def _enabled(need: Need, facts: ClusterFacts) -> ModuleFact | None:
    module = facts.modules.get(need.name)
    return module if module is not None and module.is_enabled else None


def _judged(plugin: str, need: Need, module: ModuleFact) -> bool | None:
    """Return whether the module's version is in the range, or None if it is unknown.

    A malformed range is an error even then.
    """
    if not need.constraint:
        return True
    version = _parsed(module.version)
    where = f'the constraint of plugin {plugin} for module "{need.name}"'
    is_satisfied = _satisfies(need.constraint, version or Version("0.0.0", 0, 0, 0), where)
    return is_satisfied if version is not None else None


def _satisfies(constraint: str, version: Version, where: str) -> bool:
    try:
        return cluster_satisfies(constraint, version)
    except DocumentError as error:
        raise error.within(where, hint=_WITHOUT) from error


def _parsed(text: str | None) -> Version | None:
    return None if text is None else Version.try_parse(text)

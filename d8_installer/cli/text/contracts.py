"""What a contract asks for, in lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from d8_installer.model.contract import Contract, ModuleGroup, ModuleNeeds, Need


def contract_lines(contract: Contract) -> list[str]:
    """Return what the program needs of a cluster and of other plugins, and which variables it asks for."""
    return [*_requirements(contract), *(f"asks for the variable {name}" for name in contract.env)]


def _requirements(contract: Contract) -> Iterator[str]:
    if contract.kubernetes:
        yield f"requires Kubernetes {contract.kubernetes}"
    if contract.deckhouse:
        yield f"requires Deckhouse {contract.deckhouse}"
    yield from _modules(contract.modules)
    yield from (f"requires plugin {_need(need)}" for need in contract.plugins.mandatory)
    for need in contract.plugins.conditional:
        yield f"requires {need.constraint or 'any version'} of plugin {need.name} if it is installed"


def _modules(modules: ModuleNeeds) -> Iterator[str]:
    yield from (f"requires module {_need(need)}" for need in modules.mandatory)
    for need in modules.conditional:
        yield f"requires {need.constraint or 'any version'} of module {need.name} if it is enabled"
    yield from (f"requires one of the modules {_group(group)}" for group in modules.any_of)
    yield from (f"forbids the modules {_group(group)}" for group in modules.none_of)


def _need(need: Need) -> str:
    return f"{need.name} {need.constraint}".rstrip()


def _group(group: ModuleGroup) -> str:
    return f"{_listed(group.modules)} ({group.name})"


def _listed(needs: Iterable[Need]) -> str:
    return ", ".join(map(_need, needs))

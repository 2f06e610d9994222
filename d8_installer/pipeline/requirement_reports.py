"""Whether what is installed has what its contracts ask for: of a cluster, by facts, and of other plugins.

``list`` imports this module, so it imports little.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d8_installer.model.contract import Contract
    from d8_installer.model.facts import ClusterFacts
    from d8_installer.model.generation import Generation
    from d8_installer.model.lock import LockedImage
    from d8_installer.model.reference import ImageName
    from d8_installer.pipeline.cluster_checks import AskFacts
    from d8_installer.pipeline.session import Session

_CONTRACT = "\ncontract = "
"""How the line of a lock begins that says that an image has a contract."""


class ImageReport(Struct, frozen=True, kw_only=True):
    """Whether the requirements of one installed image hold.

    ``unmet`` and ``warnings`` are sentences that name the plugin. ``is_checked`` is False if the image requires
    something of a cluster whose facts are not known, ``requires_anything`` if it needs neither cluster nor plugins.
    """

    name: ImageName
    version: str
    unmet: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    requires_anything: bool = True
    is_checked: bool = True

    @property
    def is_met(self) -> bool | None:
        """Whether all of them hold; None if that is not known."""
        if self.unmet:
            return False
        return True if self.is_checked else None

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        image = {"image": str(self.name), "version": self.version, "met": self.is_met}
        return image | {"unmet": list(self.unmet), "warnings": list(self.warnings)}


def installed_images(generation: Generation) -> tuple[LockedImage, ...]:
    """Return the images that a generation has placed, as the lock in its record has them."""
    from d8_installer.model.lock import Lock

    lock = Lock.parse(generation.lock.encode(), "d8.lock")
    placed = {one.placement.name for one in generation.placed}
    return tuple(image for image in lock.images if image.name in placed)


def report_on(
    session: Session,
    images: Sequence[LockedImage],
    ask: AskFacts,
    installed: Mapping[ImageName, str],
    *,
    may_fetch: bool = True,
) -> tuple[ImageReport, ...]:
    """Return whether the requirements of *images* hold, by the facts that *ask* gives, and among the *installed*.

    A contract that is not in the store is read from the source if it *may_fetch* it, and else does not count.
    """
    read = _at_source_too if may_fetch else _stored
    contracts = {image.name: read(session, image) for image in images if image.contract is not None}
    kinds = frozenset(kind for contract in contracts.values() if contract for kind in contract.fact_kinds)
    facts = ask(kinds) if kinds else None
    return tuple(_report(session, image, contracts.get(image.name), facts, installed) for image in images)


def _at_source_too(session: Session, image: LockedImage) -> Contract | None:
    from d8_installer.pipeline.contracts import contract_of

    return contract_of(session, image)


def _stored(session: Session, image: LockedImage) -> Contract | None:
    from d8_installer.pipeline.contracts import stored_contract

    return stored_contract(session, image)


def unmet_by_kept_facts(session: Session, generation: Generation) -> dict[ImageName, tuple[str, ...]]:
    """Return what does not hold of the images of a generation, by the facts that were read last. Nothing is asked.

    A contract or a record that cannot be read is a warning: it stops neither ``list`` nor ``rollback``.
    """
    if _CONTRACT not in generation.lock:  # then nothing in it requires anything, and parsing takes time
        return {}
    try:
        images = installed_images(generation)
        kept = session.checks.kept()
        facts = None if kept is None else kept.facts
        installed = {image.name: image.version for image in images}
        requiring = [image for image in images if image.contract]
        reports = report_on(session, requiring, lambda _: facts, installed, may_fetch=False)
    except D8Error as error:
        session.reporter.warn(f"{error}; whether requirements hold is not known")
        return {}
    return {report.name: report.unmet for report in reports if report.unmet}


def _report(
    session: Session,
    image: LockedImage,
    contract: Contract | None,
    facts: ClusterFacts | None,
    installed: Mapping[ImageName, str],
) -> ImageReport:
    if contract is None:
        return ImageReport(name=image.name, version=image.version, requires_anything=False)
    unmet, warnings = _of_plugins(image, installed), _of_built_ins(session, contract, installed)
    knows = facts is not None and contract.fact_kinds <= facts.kinds
    if facts is not None and knows and contract.fact_kinds:
        from d8_installer.resolve.requirements import check

        judgement = check(contract, facts)
        unmet, warnings = [*unmet, *(one.text for one in judgement.unmet)], [*warnings, *judgement.warnings]
    return ImageReport(
        name=image.name,
        version=image.version,
        unmet=tuple(unmet),
        warnings=tuple(warnings),
        requires_anything=bool(contract.fact_kinds or contract.plugins.mandatory or contract.plugins.conditional),
        is_checked=knows or not contract.fact_kinds,
    )


def _of_plugins(image: LockedImage, installed: Mapping[ImageName, str]) -> list[str]:
    """Return which needs of other images do not hold among the installed ones."""
    from d8_installer.resolve.dependencies import Pick

    found = []
    for bound in Pick.of_lock(image).bounds:
        version = installed.get(bound.name)
        wants = f'plugin {image.name} requires plugin "{bound.name}" {bound.constraint}'.rstrip()
        if version is None and bound.mandatory:
            found.append(f"{wants}, but it is not installed")
        elif version is not None and not bound.allows(version):
            found.append(f"{wants}, but {version} is installed")
    return found


def _of_built_ins(session: Session, contract: Contract, installed: Mapping[ImageName, str]) -> list[str]:
    """Return a warning for each plugin that d8 itself is counted on for, if there is no d8."""
    import shutil

    from d8_installer.model.contract import BUILT_IN

    names = {need.name for need in contract.plugins.mandatory} & set(BUILT_IN) - {name.short for name in installed}
    if not names or shutil.which("d8", path=_path(session)) is not None:
        return []
    wants = f"plugin {contract.name} counts on plugin"
    return [f'{wants} "{name}", which is a part of d8, and no d8 is on PATH' for name in sorted(names)]


def _path(session: Session) -> str:
    return os.pathsep.join([session.scope.home.bin, session.scope.environ.get("PATH", "")])

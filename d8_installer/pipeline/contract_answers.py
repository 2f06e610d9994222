"""Answers questions for contracts from the manifests that the source gave. Asks the source nothing itself.

The manifests are the ones that pinning asks for as well, by the same questions, so that none is requested twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DocumentError, MismatchError
from d8_installer.model.contract_lookup import children_to_read, contract_in
from d8_installer.model.oci import ImageIndex, parse_manifest
from d8_installer.model.reference import PLUGIN_ROOT
from d8_installer.model.resolution import ContractOf, ManifestOf
from d8_installer.model.source import ManifestBytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from d8_installer.model.contract import Contract
    from d8_installer.model.oci import Descriptor, ImageManifest
    from d8_installer.model.resolution import Question


def top_of(question: ContractOf) -> ManifestOf:
    """Return the question for the manifest that the version's tag means."""
    return ManifestOf(image=question.image, ref=question.tag)


def builds_of(question: ContractOf, known: Mapping[Question, object]) -> Iterator[ManifestOf]:
    """Yield the questions for the builds that may carry the contract, if the index does not."""
    top = _parsed(known.get(top_of(question)))
    for child in _builds(question, top) if isinstance(top, ImageIndex) else ():
        yield _of_build(question, child)


def contract_of(question: ContractOf, known: Mapping[Question, object]) -> Contract | D8Error | None:
    """Return the contract, None without one, or the error of one that cannot be read.

    A manifest that cannot be read is no error here: pinning the version says why.
    """
    top = _parsed(known.get(top_of(question)))
    if top is None:
        return None
    builds = {}
    for child in _builds(question, top) if isinstance(top, ImageIndex) else ():
        answer = known.get(_of_build(question, child))
        build = _parsed(answer)
        if build is not None and isinstance(answer, ManifestBytes) and answer.digest == child.digest:
            builds[child.digest] = build
    name = question.image.removeprefix(PLUGIN_ROOT)
    try:
        return contract_in(top, builds, name, question.tag)
    except DocumentError as error:
        others = f"`d8-installer versions {name}`"
        hint = f"ask the publisher of {name} for a repaired contract, or name another version: {others}"
        return error.within(f"{name} {question.tag}", hint=error.hint or hint)


def _parsed(answer: object) -> ImageIndex | ImageManifest | None:
    try:
        return parse_manifest(answer.raw) if isinstance(answer, ManifestBytes) else None
    except MismatchError:
        return None


def _builds(question: ContractOf, top: ImageIndex) -> list[Descriptor]:
    wanted = set(children_to_read(top))
    platforms = top.platforms if question.platforms is None else question.platforms
    children = (top.child_for(platform) for platform in platforms) if wanted else ()
    return [child for child in children if child is not None and child.digest in wanted and not child.is_index]


def _of_build(question: ContractOf, child: Descriptor) -> ManifestOf:
    return ManifestOf(image=question.image, ref=str(child.digest), size=child.size)

"""Which contract an image carries: in the annotation ``contract`` of the index, else of its children (rpp.md §5.1).

The children that carry one must agree; those without one do not count, such as attestations. The Go tool looks at the
first child only, whatever that is (``compat="go"``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.contract import contract_of_annotation
from d8_installer.model.oci import ImageIndex
from d8_installer.model.platform import Platform
from d8_installer.model.value import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.model.contract import Contract
    from d8_installer.model.digest import Digest
    from d8_installer.model.oci import Descriptor, ImageManifest
    from d8_installer.model.version import Compat

CONTRACT_ANNOTATION = "contract"
_ATTESTATION = Platform("unknown", "unknown")


def children_to_read(top: ImageIndex | ImageManifest, *, compat: Compat = "d8") -> tuple[Digest, ...]:
    """Return the digests of the children whose documents ``contract_in`` needs, none if *top* itself says it."""
    if not isinstance(top, ImageIndex) or _annotation(top):
        return ()
    if compat == "go":
        return tuple(child.digest for child in top.children[:1])
    return tuple(dict.fromkeys(child.digest for child in _builds(top)))


def contract_in(
    top: ImageIndex | ImageManifest,
    children: Mapping[Digest, ImageIndex | ImageManifest],
    name: str,
    version: str,
    *,
    compat: Compat = "d8",
) -> Contract | None:
    """Return the contract of the image *name*, whose tag *version* means *top*; None if it has none.

    *children* has the documents of ``children_to_read``, or of those of them that matter. A malformed contract, or two
    that differ, is a DocumentError.
    "d8" calls the contract by the name of the image, whatever the document says: see ``claimed_name``.
    """
    annotations = [_annotation(top)]
    if not annotations[0]:
        digests = children_to_read(top, compat=compat)
        annotations = [_annotation(children[digest]) for digest in digests if digest in children]
    found = [
        contract_of_annotation(annotation, name, version, compat=compat)
        for annotation in dict.fromkeys(annotations)
        if annotation
    ]
    if any(other != found[0] for other in found):
        raise DocumentError(
            f"the builds of {name} {version} carry contracts that differ",
            hint="the image's author has to publish it again, with one contract on its index",
            code="bad-contract",
        )
    return _named(found[0], name, compat) if found else None


def misnamed(contract: Contract) -> str | None:
    """Return the warning for a contract whose document has another name than the image, else None."""
    if not contract.claimed_name:
        return None
    return f"the contract of {contract.name} {contract.version} calls it {contract.claimed_name[:100]!r}"


def _named(contract: Contract, name: str, compat: Compat) -> Contract:
    if compat == "go" or contract.name == name:
        return contract
    return replace(contract, name=name, claimed_name=contract.name)


def _annotation(document: ImageIndex | ImageManifest) -> str:
    return document.annotations.get(CONTRACT_ANNOTATION, "")


def _builds(index: ImageIndex) -> list[Descriptor]:
    """Return the children that a platform can get: the first of each, as the proxy serves them (rpp.md §2.4)."""
    first: dict[Platform, Descriptor] = {}
    for child in index.children:
        if child.platform is not None and child.platform != _ATTESTATION:
            first.setdefault(child.platform, child)
    return list(first.values())

"""Which child of an index the proxy serves (rpp.md §2.4). Pure: bytes in, Descriptor out.

It differs from ``ImageIndex.child_for``: the proxy compares the index's own spelling with the query's,
case-sensitively, and without a query falls back to what go-containerregistry takes for linux/amd64.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from d8_installer.model.oci import INDEX_TYPES, MANIFEST_TYPES, ImageIndex, parse_manifest
from d8_installer.model.platform import Platform

if TYPE_CHECKING:
    from d8_installer.model.oci import Descriptor
    from d8_installer.model.source import ManifestBytes

DEFAULT_PLATFORM = Platform("linux", "amd64")


def is_index(manifest: ManifestBytes) -> bool:
    """Whether *manifest* is an index or Docker list, by the media type it came with.

    Where that says neither, the content decides; MismatchError if it is none.
    """
    if manifest.media_type in INDEX_TYPES | MANIFEST_TYPES:
        return manifest.media_type in INDEX_TYPES
    return isinstance(parse_manifest(manifest.raw), ImageIndex)


def asked_child(index: ManifestBytes, platform: Platform) -> Descriptor | None:
    """Return the first child with exactly this os and architecture; one without a platform never matches.

    MismatchError if *index* is no index.
    """
    return next((child for child, offered in _children(index) if offered == platform), None)


def default_child(index: ManifestBytes) -> Descriptor | None:
    """Return the first child for linux/amd64; one without a platform is taken to be that."""
    return next((child for child, offered in _children(index) if offered in (None, DEFAULT_PLATFORM)), None)


def _children(index: ManifestBytes) -> list[tuple[Descriptor, Platform | None]]:
    """Each child with its platform as the document spells it, which Descriptor.platform does not keep."""
    parsed = parse_manifest(index.raw)
    if not isinstance(parsed, ImageIndex):
        return []
    entries = json.loads(index.raw).get("manifests") or []
    return [(child, _spelled(entry.get("platform"))) for child, entry in zip(parsed.children, entries, strict=True)]


def _spelled(entry: object) -> Platform | None:
    """The platform with any text in its parts; None only where the member is missing or null."""
    if entry is None:
        return None
    fields = entry if isinstance(entry, dict) else {}
    return Platform(str(fields.get("os") or ""), str(fields.get("architecture") or ""))

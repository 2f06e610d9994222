"""The child of an index that the proxy serves (rpp.md §2.4). No I/O.

It differs from ``ImageIndex.child_for``: the proxy compares the index's spelling with the query's, case-sensitively,
and without a query takes the child that go-containerregistry takes for linux/amd64.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, MismatchError
from d8_installer.model.digest import Digest
from d8_installer.model.oci import INDEX_TYPES, MANIFEST_TYPES, ImageIndex, parse_manifest
from d8_installer.model.platform import Platform
from d8_installer.registry.go_json import member

if TYPE_CHECKING:
    from d8_installer.model.source import ManifestBytes

DEFAULT_PLATFORM = Platform("linux", "amd64")


def is_index(manifest: ManifestBytes) -> bool:
    """Whether *manifest* is an index or Docker list, by the media type that it came with.

    For any other media type the content decides; MismatchError if it is not a manifest at all.
    """
    if manifest.media_type in INDEX_TYPES | MANIFEST_TYPES:
        return manifest.media_type in INDEX_TYPES
    return isinstance(parse_manifest(manifest.raw), ImageIndex)


def asked_child(index: ManifestBytes, platform: Platform) -> Digest | None:
    """Return the first child with exactly this os and architecture; a child without a platform never matches.

    A document without a list of children has none (rpp.md §18.4). MismatchError if it is not a document at all, or the
    child has no sha256 digest.
    """
    return _digest(next((entry for entry in _entries(index) if _spelled(entry.get("platform")) == platform), None))


def default_child(index: ManifestBytes) -> Digest | None:
    """Return the first child for linux/amd64, or without a platform. Raises the same errors as ``asked_child``."""
    wanted = (None, DEFAULT_PLATFORM)
    return _digest(next((entry for entry in _entries(index) if _spelled(entry.get("platform")) in wanted), None))


def _entries(index: ManifestBytes) -> list[dict[str, object]]:
    """Return the entries of *index* as Go reads them: no field is checked that is not needed."""
    try:
        document = json.loads(index.raw)
        entries = member(document, "manifests") or []
    except (ValueError, RecursionError, AttributeError) as error:
        raise MismatchError("this index is not a JSON object") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise MismatchError("the children of this index are not a list of objects")
    return entries


def _digest(entry: dict[str, object] | None) -> Digest | None:
    try:
        return None if entry is None else Digest.parse(entry.get("digest"))
    except DocumentError as error:
        raise MismatchError(f"the index names no sha256 digest for its child: {error}") from error


def _spelled(entry: object) -> Platform | None:
    """Return the platform with any text in its parts; None only if the member is missing or null."""
    if entry is None:
        return None
    fields = entry if isinstance(entry, dict) else {}
    return Platform(str(fields.get("os") or ""), str(fields.get("architecture") or ""))

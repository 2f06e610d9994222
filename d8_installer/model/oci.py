"""The values of the OCI image-spec that are read: Descriptor, ImageIndex, ImageManifest, and Docker's equivalents.

The JSON is hostile. Its size is limited by the code that fetches it; counts and types are checked here, and unknown
members are ignored, as the specification asks (image-spec, considerations.md#extensibility).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, MismatchError
from d8_installer.model.digest import Digest
from d8_installer.model.platform import Platform
from d8_installer.model.value import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX_TYPES = frozenset([OCI_INDEX, DOCKER_LIST])
MANIFEST_TYPES = frozenset([OCI_MANIFEST, DOCKER_MANIFEST])

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"

MAX_MANIFEST_BYTES = 1 << 20
"""The size in bytes up to which a manifest is read (rpp.md §4.2, Caps)."""
_FOREIGN = r"(?!sha256:)[a-z0-9]{1,32}(?:[+._-][a-z0-9]{1,32}){0,4}:[a-zA-Z0-9=_-]+"
"""Matches a digest of another algorithm (image-spec, descriptor.md#digests)."""
_MAX_ENTRIES = 1024
_MAX_BYTES = 1 << 62


class Descriptor(Struct, frozen=True, kw_only=True):
    """One entry of a manifest: the type of the bytes, their digest and their number (descriptor.md).

    ``platform`` is None if it is missing, or not in Go's plain spelling (then no real platform can match it).
    """

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_index(self) -> bool:
        """Whether this child is itself an index (or Docker's manifest list)."""
        return self.media_type in INDEX_TYPES


class ImageManifest(Struct, frozen=True, kw_only=True):
    """One build of an image: its layers, lowest first (manifest.md).

    ``depth`` is the number of layers in the document; ``layers`` leaves out lower ones whose digest is not a sha256.
    """

    media_type: str
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    depth: int = 0


class ImageIndex(Struct, frozen=True, kw_only=True):
    """The multi-platform list of children, in the order of the document (image-index.md).

    ``foreign`` has, for each child whose digest is not a sha256, its platform and the digest's algorithm.
    """

    media_type: str
    children: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    foreign: tuple[tuple[Platform | None, str], ...] = ()

    def child_for(self, platform: Platform) -> Descriptor | None:
        """Return the first child with the same os and architecture, as the proxy serves it (rpp.md §2.4), or None.

        Variant, os.version and features are not compared. A child without a platform never matches.
        """
        return next((child for child in self.children if child.platform == platform), None)

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms on offer, sorted, each once, without attestations (``unknown-unknown``)."""
        found = {child.platform for child in self.children if child.platform is not None}
        return tuple(sorted(found - {Platform("unknown", "unknown")}))


def parse_manifest(raw: bytes) -> ImageIndex | ImageManifest:
    """Read an OCI index or manifest, or Docker's equivalent, from bytes; anything else is a MismatchError.

    ``mediaType`` decides which it is. If that is absent, as the image-spec allows, the list in the document decides; a
    document with both lists is refused as ambiguous.
    """
    document = _json_object(raw)
    media_type = document.get("mediaType")
    has_index, has_image = "manifests" in document, "layers" in document
    if media_type is None and has_index != has_image:
        media_type = OCI_INDEX if has_index else OCI_MANIFEST
    media_type = str(media_type)
    try:
        if media_type in INDEX_TYPES and not has_image:
            return _index(media_type, document)
        if media_type in MANIFEST_TYPES and not has_index:
            return _manifest(media_type, document)
    except DocumentError as error:
        raise MismatchError(f"this is not a valid image manifest: {error}", code="not-a-manifest") from error
    raise MismatchError(
        f"this is neither an image index nor an image manifest (mediaType {media_type[:100]!r})",
        hint="check that the endpoint is a registry-packages-proxy and not a login page or another service",
        code="not-a-manifest",
    )


def _index(media_type: str, document: Mapping[str, object]) -> ImageIndex:
    entries = _descriptors(document, "manifests")
    usable = tuple(entry for entry in entries if isinstance(entry, Descriptor))
    foreign = tuple((entry.platform, entry.algorithm) for entry in entries if isinstance(entry, _Foreign))
    return ImageIndex(media_type=media_type, children=usable, annotations=_annotations(document), foreign=foreign)


def _manifest(media_type: str, document: Mapping[str, object]) -> ImageManifest:
    # Only the last layer is used, and no config: a digest of another algorithm elsewhere does no harm.
    config = None if document.get("config") is None else _descriptor(document["config"], "config")
    layers = _descriptors(document, "layers")
    if layers and isinstance(layers[-1], _Foreign):
        raise DocumentError(
            f"{layers[-1].digest[:100]!r} is not a digest that can be used: only sha256 is supported",
            key=f"layers[{len(layers) - 1}].digest",
        )
    usable = tuple(layer for layer in layers if isinstance(layer, Descriptor))
    known = config if isinstance(config, Descriptor) else None
    return ImageManifest(
        media_type=media_type, config=known, layers=usable, annotations=_annotations(document), depth=len(layers)
    )


def _json_object(raw: bytes) -> dict[str, object]:
    if len(raw) > MAX_MANIFEST_BYTES:
        raise MismatchError(
            f"this manifest has {len(raw)} bytes; at most {MAX_MANIFEST_BYTES} are read", code="not-a-manifest"
        )
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise MismatchError(
            "this manifest is not JSON",
            hint="check that the endpoint is a registry-packages-proxy and not a login page or another service",
            code="not-a-manifest",
        ) from error
    if not isinstance(document, dict):
        raise MismatchError("this manifest is JSON, but not an object", code="not-a-manifest")
    return document


class _Foreign(Struct, frozen=True):
    """An entry whose digest is not a sha256, so that its bytes cannot be verified."""

    platform: Platform | None
    digest: str

    @property
    def algorithm(self) -> str:
        """The digest's algorithm."""
        return self.digest.partition(":")[0]


def _descriptors(document: Mapping[str, object], key: str) -> tuple[Descriptor | _Foreign, ...]:
    entries = document.get(key)
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise DocumentError("must be a list", key=key)
    if len(entries) > _MAX_ENTRIES:
        raise DocumentError(f"has {len(entries)} entries; at most {_MAX_ENTRIES} are read", key=key)
    return tuple(_descriptor(entry, f"{key}[{n}]") for n, entry in enumerate(entries))


def _descriptor(entry: object, key: str) -> Descriptor | _Foreign:
    if not isinstance(entry, dict):
        raise DocumentError("must be an object", key=key)
    size, media_type = entry.get("size"), entry.get("mediaType")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < _MAX_BYTES:
        raise DocumentError("must be a number of bytes", key=f"{key}.size")
    if not isinstance(media_type, str):
        raise DocumentError("must be text", key=f"{key}.mediaType")
    try:
        digest = Digest.parse(entry.get("digest"))
    except DocumentError as error:
        text = str(entry.get("digest"))
        if re.fullmatch(_FOREIGN, text):
            return _Foreign(_platform(entry.get("platform")), text)
        raise error.at(key=f"{key}.digest") from error
    return Descriptor(
        media_type=media_type,
        digest=digest,
        size=size,
        platform=_platform(entry.get("platform")),
        annotations=_annotations(entry),
    )


def _platform(entry: object) -> Platform | None:
    if not isinstance(entry, dict):
        return None
    try:
        return Platform.parse(f"{entry.get('os')}-{entry.get('architecture')}")
    except DocumentError:
        return None


def _annotations(document: Mapping[str, object]) -> Mapping[str, str]:
    entries = document.get("annotations")
    if not isinstance(entries, dict):
        return {}
    return {key: value for key, value in entries.items() if isinstance(value, str)}

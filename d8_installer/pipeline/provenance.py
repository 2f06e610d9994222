"""Provenance: the proof that a layer is what an image and a platform lead to, index → child → layer.

A hash of the layer is not enough: a lock may have been edited so that a version's name stands for other bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from d8_installer.errors import MismatchError, NotFoundError
from d8_installer.model.oci import ImageIndex, ImageManifest, parse_manifest

if TYPE_CHECKING:
    from d8_installer.model.digest import Digest
    from d8_installer.model.source import LayerRequest, ManifestBytes


class Manifests(Protocol):
    """The part of a Source that a proof needs."""

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest that *ref* names."""


def prove(manifests: Manifests, request: LayerRequest) -> ImageManifest:
    """Check that the locked index names the locked child, and the child the locked layer; return the child.

    Raise MismatchError where one does not lead to the next, and whatever the source raises.
    """
    if request.index is not None and request.platform is not None:
        index = _manifest(manifests, request, request.index)
        child = index.child_for(request.platform) if isinstance(index, ImageIndex) else None
        if child is None or child.digest != request.child:
            raise _broken(request, f"the index {request.index} has no child {request.child} for {request.platform}")
    manifest = _manifest(manifests, request, request.child)
    if isinstance(manifest, ImageManifest) and manifest.layers:
        last = manifest.layers[-1]
        if (last.digest, last.size) == (request.layer, request.size):
            return manifest
    raise _broken(request, f"the child {request.child} does not end in the layer {request.layer}")


def _manifest(manifests: Manifests, request: LayerRequest, digest: Digest) -> ImageIndex | ImageManifest:
    try:
        answer = manifests.manifest(request.image, str(digest))
    except NotFoundError as error:
        raise NotFoundError(
            f"{request.image}:{request.tag} as locked is gone: {error}", hint=error.hint, code="locked-bytes-gone"
        ) from error
    try:
        answer.require(digest)
    except MismatchError as error:
        raise _broken(request, error.message) from error
    return parse_manifest(answer.raw)


def _broken(request: LayerRequest, problem: str) -> MismatchError:
    return MismatchError(
        f"{request.image}:{request.tag}: {problem}",
        hint="if the lock was edited by hand, restore it from git; else the source is damaged: try another one",
        code="lock-contradicted",
    )

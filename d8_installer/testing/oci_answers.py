"""The fault server's right answers as an OCI registry (distribution-spec), with ranges of blobs."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, NotFoundError
from d8_installer.model.oci import ImageIndex, parse_manifest
from d8_installer.model.source import LayerRequest
from d8_installer.testing.replies import Reply, Resource, Seen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.oci import ImageManifest
    from d8_installer.model.source import ManifestBytes, Source

_ROUTE = re.compile(r"/v2/(?:[^?]*?/)?(deckhouse-cli(?:/plugins/[a-z0-9-]+)?)/(tags|manifests|blobs)/([^/?]+)")
_RANGE = re.compile(r"bytes=([0-9]{1,12})-")


class OciWire:
    """A Wire: a registry without authorization. If *ranges* is False, it sends whole blobs even for a range."""

    def __init__(self, *, ranges: bool = True) -> None:
        self.ranges = ranges
        self._lock = threading.Lock()
        self._blobs: dict[tuple[str, str], LayerRequest] = {}

    def resource(self, target: str) -> Resource:
        """Return the resource that the target names."""
        match = _ROUTE.match(target)
        if match is None:
            return "other"
        if match[2] == "manifests":
            return "child" if match[3].startswith("sha256:") else "index"
        return "tags" if match[2] == "tags" else "layer"

    def reply(self, source: Source, request: Seen, *, ignores_platform: bool) -> Reply:  # noqa: ARG002 - RPP's alone
        """Answer as the distribution-spec says."""
        match = _ROUTE.match(request.target)
        if match is None or request.method not in ("GET", "HEAD"):
            return _error(request, 404, "UNSUPPORTED")
        try:
            if match[2] == "tags":
                return _json(request, {"name": match[1], "tags": list(source.tags(match[1]))})
            if match[2] == "manifests":
                return _manifest(request, source.manifest(match[1], match[3]))
            return self._blob(request, source, match[1], match[3])
        except D8Error as error:
            return _error(request, 404 if isinstance(error, NotFoundError) else 502, "MANIFEST_UNKNOWN")

    def _blob(self, request: Seen, source: Source, image: str, digest: str) -> Reply:
        with source.layer(self._find(source, image, digest)) as chunks:
            body = b"".join(chunks)
        etag = f'"{digest}"'
        headers = {"content-type": "application/octet-stream", "accept-ranges": "bytes", "etag": etag}
        match = _RANGE.fullmatch(request.headers.get("range", ""))
        if match is None or not self.ranges or request.headers.get("if-range", etag) != etag:
            return Reply.whole(request.resource, 200, headers, body)
        start = int(match[1])
        if start >= len(body):
            return Reply(
                resource=request.resource,
                status=416,
                headers={"content-range": f"bytes */{len(body)}"},
                body=b"",
                length=0,
            )
        headers["content-range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return Reply(
            resource=request.resource, status=206, headers=headers, body=body[start:], length=len(body) - start
        )

    def _find(self, source: Source, image: str, digest: str) -> LayerRequest:
        """Find the request for a blob in the image's manifests: a Source needs all that a lock knows about a layer."""
        with self._lock:
            if (image, digest) not in self._blobs:
                for tag in source.tags(image):
                    self._blobs |= {(image, str(found.layer)): found for found in _layers(source, image, tag)}
            found = self._blobs.get((image, digest))
        if found is None:
            raise NotFoundError(f"{image} has no blob {digest}")
        return found


def _layers(source: Source, image: str, tag: str) -> Iterator[LayerRequest]:
    top = source.manifest(image, tag)
    parsed = parse_manifest(top.raw)
    if not isinstance(parsed, ImageIndex):
        yield from _requests(
            LayerRequest(image=image, tag=tag, platform=None, index=None, child=top.digest, layer=top.digest, size=0),
            parsed,
        )
        return
    for child in parsed.children:
        manifest = parse_manifest(source.manifest(image, str(child.digest)).raw)
        if not isinstance(manifest, ImageIndex):
            yield from _requests(
                LayerRequest(
                    image=image,
                    tag=tag,
                    platform=child.platform,
                    index=top.digest,
                    child=child.digest,
                    layer=child.digest,
                    size=0,
                ),
                manifest,
            )


def _requests(known: LayerRequest, manifest: ImageManifest) -> Iterator[LayerRequest]:
    for layer in manifest.layers:
        yield LayerRequest(
            image=known.image,
            tag=known.tag,
            platform=known.platform,
            index=known.index,
            child=known.child,
            layer=layer.digest,
            size=layer.size,
        )


def _manifest(request: Seen, manifest: ManifestBytes) -> Reply:
    headers = {"content-type": manifest.media_type, "docker-content-digest": str(manifest.digest)}
    return Reply.whole(request.resource, 200, headers, manifest.raw)


def _json(request: Seen, document: object) -> Reply:
    body = json.dumps(document).encode()
    return Reply.whole(request.resource, 200, {"content-type": "application/json"}, body)


def _error(request: Seen, status: int, code: str) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": "as the registry says"}]}).encode()
    return Reply(
        resource=request.resource,
        status=status,
        headers={"content-type": "application/json"},
        body=body,
        length=len(body),
    )

"""Writing to an OCI registry: uploads and manifests (distribution-spec v1.1, Push)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, MismatchError, NotFoundError, TryAgainError
from d8_installer.model.digest import Digest
from d8_installer.model.value import Struct, replace
from d8_installer.registry.oci_registry import ACCEPT, RegistryCall, RegistrySource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from d8_installer.model.source import ManifestBytes
    from d8_installer.registry.oci_registry import Registry
    from d8_installer.registry.stream import Stream

_WITHOUT_HEAD = (400, 405, 501)
"""Statuses of a registry, or of a gateway in front of it, that does not know HEAD."""
_UPLOAD_ID = r"[A-Za-z0-9._=-]{1,200}"
_CHUNK = 256 << 10


class RegistryDestination:
    """A Destination over an OCI registry: each blob is uploaded whole, in one request."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.name = registry.name

    def tag_digest(self, image: str, tag: str) -> Digest | None:
        """Return the digest of the tag as the registry states it, else that of the manifest's bytes; None if absent."""
        call = replace(self._call("HEAD", image, f"manifests/{tag}"), headers=ACCEPT)
        with self._registry.exchange(call) as stream:
            if stream.status == 404:
                return None
            if stream.status not in _WITHOUT_HEAD:
                self._registry.check(call, stream, 200)
        try:
            return Digest.parse(stream.headers.get("docker-content-digest"))
        except DocumentError:
            return self._digest_of_bytes(image, tag)

    def _digest_of_bytes(self, image: str, tag: str) -> Digest | None:
        try:
            return RegistrySource(self._registry).manifest(image, tag).digest
        except NotFoundError:
            return None

    def has_blob(self, image: str, digest: Digest) -> bool:
        """Whether the repository certainly has the blob.

        A refused HEAD (a link that is signed for GET, a registry without HEAD) proves nothing. Uploading a blob that is
        there does no harm, and an upload that is not allowed ends with the registry's own reason.
        """
        call = self._call("HEAD", image, f"blobs/{digest}")
        with self._registry.exchange(call) as stream:
            return stream.status == 200

    def put_blob(self, image: str, digest: Digest, size: int, open_blob: Callable[[], BinaryIO]) -> None:
        """Upload a blob, and start over after a passing fault: a broken upload cannot be continued.

        A token that expires between the two requests of an upload is renewed, and the same upload goes on.
        """
        attempts = self._registry.client.attempts()
        while True:
            try:
                self._upload(image, digest, _Blob(size, open_blob))
            except TryAgainError:
                self._registry.client.wait_or_raise(attempts)
            else:
                return

    def _upload(self, image: str, digest: Digest, blob: _Blob) -> None:
        begin = self._call("POST", image, "blobs/uploads/")
        with self._registry.exchange(begin) as stream:
            self._registry.check(begin, stream, 202)
            location = self._location(begin, stream)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
        url = f"{location}{'&' if '?' in location else '?'}digest={digest}"
        put = RegistryCall("PUT", url, begin.scope, headers, blob.chunks)
        with self._registry.exchange(put) as stream:
            self._registry.check(put, stream, 201, 204)

    def _location(self, begin: RegistryCall, stream: Stream) -> str:
        """Return the URL of the upload; some registries give only its name (docker's API before the spec)."""
        name = stream.headers.get("docker-upload-uuid", "")
        if "location" not in stream.headers and re.fullmatch(_UPLOAD_ID, name, re.ASCII):
            return f"{begin.url}{name}"
        return self._registry.leads_to(stream.url, stream).partition("#")[0]

    def put_manifest(self, image: str, ref: str, manifest: ManifestBytes) -> None:
        """Write a manifest; if the registry then states another digest than the manifest's, raise MismatchError."""
        call = self._call("PUT", image, f"manifests/{ref}")
        call = replace(call, headers={"Content-Type": manifest.media_type}, content=manifest.raw)
        with self._registry.exchange(call) as stream:
            self._registry.check(call, stream, 201)
        named = stream.headers.get("docker-content-digest", str(manifest.digest))
        if named != str(manifest.digest):
            raise MismatchError(f"{self.name}: {image}:{ref} became {named[:100]!r}, not {manifest.digest}")

    def close(self) -> None:
        """Close the connections."""
        self._registry.client.close()

    def _call(self, method: str, image: str, tail: str) -> RegistryCall:
        return self._registry.call(method, image, tail, "pull,push")


class _Blob(Struct, frozen=True):
    """A blob to upload: its size, and a callable that opens it from the beginning."""

    size: int
    open: Callable[[], BinaryIO]

    def chunks(self) -> Iterator[bytes]:
        sent = 0
        with self.open() as file:
            while chunk := file.read(_CHUNK):
                sent += len(chunk)
                if sent > self.size:
                    break
                yield chunk
        if sent != self.size:
            raise MismatchError(f"a blob of {self.size} bytes was announced, and its stream has another length")

"""A Source and Destination in memory, with programmable content and errors, and builders of small images.

Nothing here checks a digest or a grammar, so a test may store content that must be refused.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Literal

from d8_installer.errors import D8Error, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.oci import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST
from d8_installer.model.source import LayerRequest, ManifestBytes
from d8_installer.model.value import Struct, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from d8_installer.model.platform import Platform

Operation = Literal["tags", "manifest", "layer", "tag_digest", "has_blob", "put_blob", "put_manifest"]
CHUNK = 256 * 1024


class SourceCall(Struct, frozen=True):
    """One call that reached the source: operation, image, and tag or digest (empty for ``tags``)."""

    operation: Operation
    image: str
    ref: str = ""


class _Fault(Struct, kw_only=True):
    operation: Operation
    error: D8Error
    image: str | None
    ref: str | None
    times: int | None

    def strikes(self, call: SourceCall) -> bool:
        """Whether *call* must fail; counts ``times`` down."""
        if self.operation != call.operation or self.image not in (None, call.image) or self.ref not in (None, call.ref):
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


class MemoryBody(Struct, kw_only=True):
    """A layer as it would arrive: ``data`` in chunks, and the size that its sender announces.

    ``before_chunk`` is called with the offset of each chunk; it may wait, or raise to cut the transfer.
    """

    data: bytes
    announced: int | None
    path: str | None = None
    chunk: int = CHUNK
    before_chunk: Callable[[int], None] | None = None

    @property
    def size(self) -> int | None:
        """The announced size, which may be wrong on purpose."""
        return self.announced

    def __iter__(self) -> Iterator[bytes]:
        """Yield the data in chunks."""
        for at in range(0, len(self.data), self.chunk):
            if self.before_chunk is not None:
                self.before_chunk(at)
            yield self.data[at : at + self.chunk]


class _Repository(Struct, kw_only=True):
    tags: dict[str, ManifestBytes] = field(default_factory=dict)
    manifests: dict[str, ManifestBytes] = field(default_factory=dict)
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    paths: dict[Digest, str] = field(default_factory=dict)


class MemorySource:
    """Images in a dictionary: a Source and a Destination. Safe for threads.

    ``calls`` lists every call that reached it, ``fail`` makes calls raise, and ``before_chunk`` is passed to each body.
    Absent content is a NotFoundError.
    """

    def __init__(self, name: str = "memory:") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._repositories: dict[str, _Repository] = {}
        self._faults: list[_Fault] = []
        self.calls: list[SourceCall] = []
        self.before_chunk: Callable[[int], None] | None = None
        self.closed = False

    @property
    def name(self) -> str:
        """The name given to the constructor."""
        return self._name

    # --- programming it ---

    def fail(
        self,
        operation: Operation,
        error: D8Error,
        *,
        image: str | None = None,
        ref: str | None = None,
        times: int | None = None,
    ) -> None:
        """Raise *error* from *operation*, for one *image* or *ref* or for all, *times* times or always.

        The ref of a layer or blob is its digest.
        """
        self._faults.append(_Fault(operation=operation, error=error, image=image, ref=ref, times=times))

    def add_tag(self, image: str, tag: str, manifest: ManifestBytes) -> None:
        """Make *tag* name *manifest*, which is then found by its digest too."""
        repository = self._repository(image)
        repository.tags[tag] = repository.manifests[str(manifest.digest)] = manifest

    def add_manifest(self, image: str, manifest: ManifestBytes, ref: str | None = None) -> None:
        """Store *manifest* under its digest, or under the false one *ref*."""
        self._repository(image).manifests[ref or str(manifest.digest)] = manifest

    def remove(self, image: str, *refs: str) -> None:
        """Remove tags, and manifests by their digests. A removed tag's manifest is still found by its digest."""
        repository = self._repository(image)
        for ref in refs:
            repository.tags.pop(ref, None)
            repository.manifests.pop(ref, None)

    def add_blob(self, image: str, data: bytes, *, digest: Digest | None = None, path: str | None = None) -> None:
        """Store a blob under its digest or a false one; *path* is the file that its body claims to be in."""
        key = digest or Digest.of(data)
        self._repository(image).blobs[key] = data
        if path is not None:
            self._repository(image).paths[key] = path

    def add_image(self, image: str, tag: str, layer: bytes, **facts: str) -> ManifestBytes:
        """Store an image of one layer under *tag*, and return its manifest; *facts* are its annotations."""
        manifest = image_manifest([layer], facts)
        self.add_blob(image, layer)
        self.add_tag(image, tag, manifest)
        return manifest

    def add_index(self, image: str, tag: str, layers: Mapping[Platform, bytes]) -> ManifestBytes:
        """Store an image of several platforms, one layer each, under *tag*. Return its index."""
        children = []
        for platform, layer in layers.items():
            child = image_manifest([layer])
            self.add_blob(image, layer)
            self.add_manifest(image, child)
            children.append(child_entry(child, platform))
        index = image_index(children)
        self.add_tag(image, tag, index)
        return index

    def count(self, operation: Operation) -> int:
        """Return the number of calls of *operation*."""
        return sum(call.operation == operation for call in self.calls)

    # --- Source ---

    def tags(self, image: str) -> Sequence[str]:
        """Return the tags, in the order in which they were stored."""
        self._enter(SourceCall("tags", image))
        return tuple(self._existing(image).tags)

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest under a tag or digest."""
        self._enter(SourceCall("manifest", image, ref))
        repository = self._existing(image)
        found = repository.manifests.get(ref) or repository.tags.get(ref)
        if found is None:
            raise NotFoundError(f"{image} has no {ref} in {self._name}")
        return found

    @contextmanager
    def layer(self, request: LayerRequest) -> Iterator[MemoryBody]:
        """Open the blob of the layer's digest; tag and platform are ignored."""
        self._enter(SourceCall("layer", request.image, str(request.layer)))
        repository = self._existing(request.image)
        data = repository.blobs.get(request.layer)
        if data is None:
            raise NotFoundError(f"{request.image} has no blob {request.layer} in {self._name}")
        path = repository.paths.get(request.layer)
        yield MemoryBody(data=data, announced=len(data), path=path, before_chunk=self.before_chunk)

    def close(self) -> None:
        """Set ``closed``."""
        self.closed = True

    # --- Destination ---

    def tag_digest(self, image: str, tag: str) -> Digest | None:
        """Return the digest of the manifest that *tag* names, or None."""
        self._enter(SourceCall("tag_digest", image, tag))
        manifest = self._repository(image).tags.get(tag)
        return None if manifest is None else manifest.digest

    def has_blob(self, image: str, digest: Digest) -> bool:
        """Whether the blob is stored."""
        self._enter(SourceCall("has_blob", image, str(digest)))
        return digest in self._repository(image).blobs

    def put_blob(self, image: str, digest: Digest, size: int, open_blob: Callable[[], BinaryIO]) -> None:
        """Store at most *size* bytes of the blob; they are not checked."""
        self._enter(SourceCall("put_blob", image, str(digest)))
        with open_blob() as stream:
            self._repository(image).blobs[digest] = stream.read(size)

    def put_manifest(self, image: str, ref: str, manifest: ManifestBytes) -> None:
        """Store a manifest under a tag or a digest."""
        self._enter(SourceCall("put_manifest", image, ref))
        if ref.startswith("sha256:"):
            self.add_manifest(image, manifest, ref)
        else:
            self.add_tag(image, ref, manifest)

    def _repository(self, image: str) -> _Repository:
        return self._repositories.setdefault(image, _Repository())

    def _existing(self, image: str) -> _Repository:
        if image not in self._repositories:
            raise NotFoundError(f"no image {image} in {self._name}")
        return self._repositories[image]

    def _enter(self, call: SourceCall) -> None:
        with self._lock:
            self.calls.append(call)
            fault = next((fault for fault in self._faults if fault.strikes(call)), None)
        if fault is not None:
            raise fault.error


# --- building images ------------------------------------------------------------------------------------------


def image_manifest(
    layers: Iterable[bytes],
    annotations: Mapping[str, str] | None = None,
    *,
    media_type: str = OCI_MANIFEST,
    layer_type: str = OCI_LAYER_GZIP,
) -> ManifestBytes:
    """Return an ImageManifest over *layers*, lowest first, with an empty config."""
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _descriptor(OCI_CONFIG, b"{}"),
        "layers": [_descriptor(layer_type, layer) for layer in layers],
    }
    if annotations:
        document["annotations"] = dict(annotations)
    return ManifestBytes(json.dumps(document).encode(), media_type)


def image_index(children: Iterable[Mapping[str, object]], *, media_type: str = OCI_INDEX) -> ManifestBytes:
    """Return an ImageIndex over *children*, which are entries as ``child_entry`` returns them."""
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": [dict(child) for child in children]}
    return ManifestBytes(json.dumps(document).encode(), media_type)


def child_entry(
    child: ManifestBytes, platform: Platform | None = None, variant: str | None = None
) -> dict[str, object]:
    """Return the entry of an index for *child*; without *platform* the member is omitted."""
    entry = _descriptor(child.media_type, child.raw)
    if platform is not None:
        entry["platform"] = {"os": platform.os, "architecture": platform.architecture}
        if variant is not None:
            entry["platform"] = {"os": platform.os, "architecture": platform.architecture, "variant": variant}
    return entry


def _descriptor(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)}

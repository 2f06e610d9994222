"""OCI image layouts on disk, read and written: one layout per repository, at ``DIR/<image>/``.

The format is image-spec's image-layout.md: ``oci-layout``, ``index.json``, ``blobs/sha256/<hex>``; skopeo and we can
read each other's. ``index.json`` is replaced under a lock, so that two publishers do not lose each other's entries.
Nothing here looks into a layer; ``layout_files`` opens and writes.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from d8_installer.errors import AbsentSourceError, ConfigError, DocumentError, MismatchError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.oci import MAX_MANIFEST_BYTES, OCI_INDEX, parse_manifest
from d8_installer.model.reference import is_image_name, is_tag
from d8_installer.model.shell_words import quoted_path
from d8_installer.model.source import ManifestBytes
from d8_installer.model.value import Struct
from d8_installer.registry.layout_files import (
    CHUNK,
    has_bytes,
    locked,
    open_file,
    opened_blob,
    refusals,
    refused,
    status_of,
    write_file,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from d8_installer.model.source import LayerRequest
    from d8_installer.registry.layout_files import FileBody

REF_NAME = "org.opencontainers.image.ref.name"
_SHORT_TAG = "io.deckhouse.image.short_tag"  # `d8 mirror` puts a whole reference into ref.name (rpp.md §15)
_MAX_INDEX_BYTES = 16 << 20


class _Entry(Struct, frozen=True):
    """One entry of ``index.json``: ``document`` as it is in the file, and the parts of it that we use."""

    document: Mapping[str, object]
    tag: str | None
    digest: Digest | None
    media_type: str


class _Index(Struct, frozen=True, kw_only=True):
    """A parsed ``index.json``, and the stamp of the file that it was read from."""

    stamp: Stamp
    entries: tuple[_Entry, ...]
    by_tag: Mapping[str, _Entry]
    media_types: Mapping[Digest, str]


class _Directory:
    """The paths below DIR: the only place where a name from outside becomes a path."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)

    def repository(self, image: str) -> str:
        """Return ``DIR/<image>``. A name outside the grammar is a NotFoundError, so no path leads out of DIR."""
        segments = image.split("/")
        if not all(map(is_image_name, segments)):
            raise NotFoundError(f"{image[:100]!r} is not the name of an image", code="no-such-image")
        return os.path.join(self.root, *segments)

    def blob(self, image: str, digest: Digest) -> str:
        return os.path.join(self.repository(image), "blobs", "sha256", digest.hex)

    def index(self, image: str) -> str:
        return os.path.join(self.repository(image), "index.json")


class LayoutSource:
    """A Source over a directory of OCI layouts; safe for threads. It sees what other processes write there.

    ``index.json`` is parsed once for each (mtime, size, inode). Raises NotFoundError, MismatchError (a broken layout)
    and DiskError.
    """

    def __init__(self, root: str) -> None:
        self._paths = _Directory(root)
        self._indexes: dict[str, _Index] = {}
        self.name = f"oci-layout:{root}"
        if not os.path.isdir(root):
            kind = ConfigError if os.path.exists(root) else AbsentSourceError
            raise kind(
                f"{quoted_path(root)} is not a directory",
                hint="write oci-layout:DIR, the parent of DIR/IMAGE/index.json",
            )

    def tags(self, image: str) -> Sequence[str]:
        """Return the tags of ``index.json``, in its order."""
        return tuple(self._index(image).by_tag)

    def current(self, image: str, tag: str) -> Digest | None:
        """Return the digest that the tag names now, or None; costs one stat of ``index.json``."""
        entry = self._index(image).by_tag.get(tag)
        return None if entry is None else entry.digest

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest that a tag names, or the blob of a digest if it is a manifest."""
        index = self._index(image)
        digest = _digest_of(index, image, ref)
        path = self._paths.blob(image, digest)
        with opened_blob(path, f"{image}: manifest {digest}") as body:
            if body.size > MAX_MANIFEST_BYTES:
                raise MismatchError(
                    f"{image}: manifest {digest} has {body.size} bytes, more than {MAX_MANIFEST_BYTES}",
                    code="wrong-bytes",
                )
            raw = b"".join(body)[:MAX_MANIFEST_BYTES]
        return ManifestBytes(raw, index.media_types.get(digest) or parse_manifest(raw).media_type)

    @contextmanager
    def layer(self, request: LayerRequest) -> Iterator[FileBody]:
        """Open the layer's blob; a size that differs from the requested one is a MismatchError."""
        path = self._paths.blob(request.image, request.layer)
        with opened_blob(path, f"{request.image}: layer {request.layer}") as body:
            if body.size != request.size:
                raise MismatchError(
                    f"{path} has {body.size} bytes, expected {request.size}",
                    hint="publish the image again",
                    code="wrong-bytes",
                )
            yield body

    def layer_size(self, request: LayerRequest) -> int:
        """Return the size of the layer's blob."""
        path = self._paths.blob(request.image, request.layer)
        with opened_blob(path, f"{request.image}: layer {request.layer}") as body:
            return body.size

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def _index(self, image: str) -> _Index:
        path = self._paths.index(image)
        try:
            found = status_of(path)
            known = self._indexes.get(image)
            if known is not None and known.stamp == stamp_of(found):
                return known
            index = _read_index(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(
                f"{self.name} has no image {image}", hint=f"there is no {path}", code="no-such-image"
            ) from error
        except OSError as error:
            raise refused(path, error) from error
        self._indexes[image] = index
        return index


class LayoutDestination:
    """A Destination over a directory of OCI layouts, which are created as needed. Raises DiskError."""

    def __init__(self, root: str) -> None:
        self._paths = _Directory(root)
        self.name = f"oci-layout:{root}"

    def tag_digest(self, image: str, tag: str) -> Digest | None:
        """Return the digest that the tag names in ``index.json`` now, or None."""
        try:
            entry = _read_index(self._paths.index(image)).by_tag.get(tag)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise refused(self._paths.index(image), error) from error
        return entry.digest if entry is not None else None

    def has_blob(self, image: str, digest: Digest) -> bool:
        """Whether the blob's file exists; only complete and verified blobs get their name."""
        return os.path.isfile(self._paths.blob(image, digest))

    def put_blob(self, image: str, digest: Digest, size: int, open_blob: Callable[[], BinaryIO]) -> None:
        """Write a blob; bytes that do not match *digest* and *size* are a MismatchError and get no name."""
        path = self._paths.blob(image, digest)
        with refusals(path), open_blob() as file:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_file(path, iter(lambda: file.read(CHUNK), b""), digest, size)

    def put_manifest(self, image: str, ref: str, manifest: ManifestBytes) -> None:
        """Write a manifest; a tag is added to ``index.json``, where other tags keep their entries."""
        digest = manifest.digest
        if not is_tag(ref) and ref != str(digest):
            raise MismatchError(f"{image}: the manifest for {ref[:100]!r} has the digest {digest}", code="wrong-bytes")
        repository = self._paths.repository(image)
        with refusals(repository):
            os.makedirs(os.path.join(repository, "blobs", "sha256"), exist_ok=True)
            with locked(os.path.join(repository, "oci-layout")):
                write_file(self._paths.blob(image, digest), [manifest.raw], digest, len(manifest.raw))
                _enter(self._paths.index(image), ref if is_tag(ref) else None, manifest)

    def close(self) -> None:
        """Do nothing: no file is held open."""


# -- index.json ------------------------------------------------------------------------------------------


Stamp = tuple[int, int, int]


def stamp_of(found: os.stat_result) -> Stamp:
    """Return what changes when a file is written or replaced: its time of modification, size and inode."""
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read_index(path: str) -> _Index:
    with open_file(path) as file:
        # The stamp is that of the open file: a rename in between must not be cached under the new file's stamp.
        stamp = stamp_of(found := os.fstat(file.fileno()))
        # Python asks the system for all the memory that a read may need.
        raw = file.read(min(found.st_size, _MAX_INDEX_BYTES) + 1)
    entries = _parse_index(raw, path)
    by_tag: dict[str, _Entry] = {}
    for entry in entries:
        if entry.tag is not None and entry.digest is not None:
            by_tag.setdefault(entry.tag, entry)
    return _Index(
        stamp=stamp,
        entries=entries,
        by_tag=by_tag,
        media_types={entry.digest: entry.media_type for entry in entries if entry.digest},
    )


def _parse_index(raw: bytes, path: str) -> tuple[_Entry, ...]:
    try:
        document = json.loads(raw) if len(raw) <= _MAX_INDEX_BYTES else None
    except (ValueError, RecursionError):
        document = None
    entries = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise MismatchError(
            f"{path} is not an image index", hint="write the layout again, or restore the file", code="wrong-bytes"
        )
    return tuple(_entry(entry) for entry in entries if isinstance(entry, dict))


def _entry(document: Mapping[str, object]) -> _Entry:
    annotations = document.get("annotations")
    try:
        digest = Digest.parse(document.get("digest"))
    except DocumentError:  # another algorithm: the entry is kept for others, and not served
        digest = None
    media_type = document.get("mediaType")
    return _Entry(
        document,
        _tag(annotations) if isinstance(annotations, dict) else None,
        digest,
        media_type if isinstance(media_type, str) else "",
    )


def _tag(annotations: Mapping[str, object]) -> str | None:
    """Return the tag: `d8 mirror`'s annotation, else ref.name, which is a tag (skopeo) or ``host/x:tag`` (others)."""
    names = [annotations.get(_SHORT_TAG), annotations.get(REF_NAME)]
    spellings = [name for name in names if isinstance(name, str)]
    spellings += [name.rpartition(":")[2] for name in spellings]
    return next((name for name in spellings if is_tag(name)), None)


def _digest_of(index: _Index, image: str, ref: str) -> Digest:
    entry = index.by_tag.get(ref)
    if entry is not None and entry.digest is not None:
        return entry.digest
    try:
        return Digest.parse(ref)
    except DocumentError as error:
        raise NotFoundError(
            f"{image} has no tag {ref[:130]!r}",
            hint="see its tags: `d8-installer versions NAME`",
            code="no-such-version",
        ) from error


def _enter(path: str, tag: str | None, manifest: ManifestBytes) -> None:
    try:
        entries = list(_read_index(path).entries)
    except FileNotFoundError:
        entries = []
    if tag is not None:
        entries = [entry for entry in entries if entry.tag != tag]
        entries.append(_entry(_descriptor(tag, manifest)))
    entries.sort(key=lambda entry: (entry.tag or "", str(entry.document.get("digest"))))
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry.document for entry in entries]}
    raw = json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
    if not has_bytes(path, raw):
        write_file(path, [raw], Digest.of(raw), len(raw))


def _descriptor(tag: str, manifest: ManifestBytes) -> dict[str, object]:
    return {
        "mediaType": manifest.media_type,
        "digest": str(manifest.digest),
        "size": len(manifest.raw),
        "annotations": {REF_NAME: tag},
    }

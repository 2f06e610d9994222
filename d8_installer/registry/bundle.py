"""Bundles: one file with images, their lock and their manifests, for machines offline (docs/reference/bundle.md).

A bundle is a plain tar, never compressed, so a blob is read at its offset in the file and nothing is unpacked. It holds
one OCI image layout for all images, each blob once. This module has the format and the Source that reads it;
``ops.bundle`` writes bundles. The file may come from anywhere, so every header must be, byte for byte, what we would
have written: nothing is left to interpret. The content is proven by the digests, as with every source.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import sys
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from d8_installer.errors import AbsentSourceError, ConfigError, DiskError, DocumentError, MismatchError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.oci import MAX_MANIFEST_BYTES, OCI_INDEX, parse_manifest
from d8_installer.model.reference import is_image_name, is_tag
from d8_installer.model.shell_words import quoted_path
from d8_installer.model.source import ManifestBytes
from d8_installer.model.value import Struct
from d8_installer.registry.layout_files import MARKER as MARKER
from d8_installer.registry.oci_layout import REF_NAME, stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from d8_installer.model.oci import ImageIndex, ImageManifest
    from d8_installer.model.source import LayerRequest

LAYOUT, INDEX, LOCK, MANIFEST = "oci-layout", "index.json", "d8.lock", "d8.toml"
MAX_MEMBERS = 200_000
"""The most members that are read."""
MAX_INDEX_BYTES = 16 << 20
MAX_LOCK_BYTES = 64 << 20
MAX_MEMBER_BYTES = (1 << 33) - 1
"""The largest size that fits into a tar header."""

_AWAY = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENOTCONN, errno.ESTALE, errno.EIO})
"""Errors of the system for a file on a disk that is not mounted, or no longer."""

_BLOCK = 512
_RECORD = 20 * _BLOCK
_MODE = 0o644
_PIECE = 256 << 10
_NAME = r"oci-layout|index\.json|d8\.lock|d8\.toml|manifests/[a-z0-9][a-z0-9-]{0,79}\.toml|blobs/sha256/[0-9a-f]{64}"
_BROKEN = "make the bundle again: `d8-installer bundle create -o FILE`"
_DAMAGED = "copy the bundle again, or make it again: `d8-installer bundle create -o FILE`"


def blob_name(digest: Digest) -> str:
    """Return the name of a blob's member."""
    return f"blobs/sha256/{digest.hex}"


def manifest_name(requester: str) -> str:
    """Return the name of the member with a requester's manifest; an unsuitable name is a DocumentError."""
    name = f"manifests/{requester}.toml"
    if not re.fullmatch(_NAME, name):
        raise DocumentError(
            f"{requester[:100]!r} cannot be a requester in a bundle", hint="its name is too long", code="bad-name"
        )
    return name


def header(name: str, size: int) -> bytes:
    """Return a member's header, which depends on name and size alone; a member that is too large is a DocumentError."""
    if size > MAX_MEMBER_BYTES:
        raise DocumentError(f"{name} has {size} bytes; a bundle holds members of up to {MAX_MEMBER_BYTES}")
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, _MODE, 0
    return member.tobuf(tarfile.USTAR_FORMAT)


def padding(size: int) -> bytes:
    """Return the zeros that follow a member of *size* bytes, up to the next header."""
    return bytes(-size % _BLOCK)


def end(size: int) -> bytes:
    """Return the end of a bundle of *size* bytes: two empty blocks, padded to a whole record as tar does."""
    return bytes(2 * _BLOCK + -(size + 2 * _BLOCK) % _RECORD)


def index_json(entries: Iterable[tuple[str, str, ManifestBytes]]) -> bytes:
    """Return ``index.json`` for entries of image, tag and manifest, sorted."""
    manifests = [
        {
            "mediaType": parse_manifest(manifest.raw).media_type,
            "digest": str(manifest.digest),
            "size": len(manifest.raw),
            "annotations": {REF_NAME: f"{image}:{tag}"},
        }
        for image, tag, manifest in sorted(entries, key=lambda entry: entry[:2])
    ]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    return json.dumps(document, indent=1).encode() + b"\n"


class _Member(Struct, frozen=True):
    """The offset and size of a member's bytes in the file."""

    start: int
    size: int


class BundleSource:
    """A Source over one bundle; safe for threads. Opening it walks through the file once, header by header.

    Raises AbsentSourceError (no such file), ConfigError (unreadable), MismatchError (not a bundle, or replaced in the
    meantime), NotFoundError and DiskError.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.name = f"bundle:{path}"
        with self._opened() as file:
            self._stamp = stamp_of(os.fstat(file.fileno()))
            self._members = _members(file, path)
        self._images = self._read_index()

    def tags(self, image: str) -> Sequence[str]:
        """Return the tags of *image*, sorted."""
        return tuple(self._image(image))

    def current(self, image: str, tag: str) -> Digest | None:
        """Return the digest that the tag names, or None."""
        return self._image(image).get(tag)

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest that a tag names, or the blob of a digest if it is a manifest."""
        digest = self._image(image).get(ref)
        if digest is None:
            try:
                digest = Digest.parse(ref)
            except DocumentError as error:
                raise NotFoundError(
                    f"{self.name} has no {image}:{ref[:130]}", hint=self._hint(image), code="not-in-bundle"
                ) from error
        raw = self._document(blob_name(digest), MAX_MANIFEST_BYTES)
        if Digest.of(raw) != digest:
            raise MismatchError(
                f"{self.name}: the blob {digest} is damaged: it is {Digest.of(raw)}",
                hint=_DAMAGED,
                code="damaged-bundle",
            )
        return ManifestBytes(raw, _parsed(raw, f"{self.name}: the blob {digest}").media_type)

    @contextmanager
    def layer(self, request: LayerRequest) -> Iterator[MemberBody]:
        """Open the layer's blob; a size that differs from the requested one is a MismatchError."""
        member = self._layer(request)
        if member.size != request.size:
            raise MismatchError(
                f"{self.name}: {request.layer} has {member.size} bytes, expected {request.size}",
                hint=_DAMAGED,
                code="damaged-bundle",
            )
        with self._unchanged() as file:
            file.seek(member.start)
            yield MemberBody(file, member.size, self._path)

    def layer_size(self, request: LayerRequest) -> int | None:
        """Return the size of the layer's blob."""
        return self._layer(request).size

    def lock_text(self) -> bytes:
        """Return the bundle's ``d8.lock``."""
        return self._document(LOCK, MAX_LOCK_BYTES)

    def manifest_text(self) -> bytes | None:
        """Return the ``d8.toml`` of the profile that the bundle was made from, or None if there was none."""
        return self._document(MANIFEST, MAX_MANIFEST_BYTES) if MANIFEST in self._members else None

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def _layer(self, request: LayerRequest) -> _Member:
        self._image(request.image)
        member = self._members.get(blob_name(request.layer))
        if member is None:
            raise NotFoundError(
                f"{self.name} has no layer {request.layer} of {request.image}:{request.tag} for {request.platform}",
                hint="make the bundle for this platform as well: `d8-installer bundle create --platform P -o FILE`",
                code="not-in-bundle",
            )
        return member

    def _image(self, image: str) -> Mapping[str, Digest]:
        tags = self._images.get(image)
        if tags is None:
            raise NotFoundError(
                f"{self.name} has no image {image[:100]!r}", hint="see what was locked for it", code="not-in-bundle"
            )
        return tags

    def _hint(self, image: str) -> str:
        return f"it has {', '.join(self._image(image))}"

    def _document(self, name: str, limit: int) -> bytes:
        member = self._members.get(name)
        if member is None:
            raise NotFoundError(f"{self.name} has no {name}", hint=_BROKEN, code="not-in-bundle")
        if member.size > limit:
            raise MismatchError(
                f"{self.name}: {name} has {member.size} bytes, more than {limit}", hint=_BROKEN, code="damaged-bundle"
            )
        with self._unchanged() as file:
            file.seek(member.start)
            return b"".join(MemberBody(file, member.size, self._path))

    def _read_index(self) -> Mapping[str, Mapping[str, Digest]]:
        if self._document(LAYOUT, len(MARKER)) != MARKER:
            raise MismatchError(
                f"{self.name} is not an OCI layout of version 1.0.0", hint=_BROKEN, code="damaged-bundle"
            )
        try:
            document = json.loads(self._document(INDEX, MAX_INDEX_BYTES))
            found: dict[str, dict[str, Digest]] = {}
            for entry in document["manifests"]:
                image, _, tag = entry["annotations"][REF_NAME].rpartition(":")
                if is_tag(tag) and all(map(is_image_name, image.split("/"))):
                    found.setdefault(image, {})[tag] = Digest.parse(entry["digest"])
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, DocumentError) as error:
            raise MismatchError(
                f"{self.name}: its {INDEX} is not an image index", hint=_BROKEN, code="damaged-bundle"
            ) from error
        return found

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            file = open(self._path, "rb", opener=_open_without_waiting)  # noqa: SIM115 - closed below; only its opening is ours
        except OSError as error:
            kind = AbsentSourceError if _is_away(error, self._path) else ConfigError
            # Windows refuses a directory without saying why.
            reason = "is a directory" if os.path.isdir(self._path) else (error.strerror or "unknown").lower()
            raise kind(
                f"{quoted_path(self._path)} cannot be read: {reason}",
                hint="write bundle:FILE, a file that `d8-installer bundle create` made",
            ) from error
        with file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(
                    f"{quoted_path(self._path)} is not a regular file", hint="write bundle:FILE", code="bad-address"
                )
            yield file

    @contextmanager
    def _unchanged(self) -> Iterator[BinaryIO]:
        with self._opened() as file:
            if stamp_of(os.fstat(file.fileno())) != self._stamp:
                raise MismatchError(
                    f"{self.name} changed while it was read", hint="type the same command again", code="damaged-bundle"
                )
            yield file


class MemberBody:
    """A blob inside a bundle. It is a Body (``model.source``) without ``path``: no file holds the blob alone."""

    path: str | None = None

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file = file
        self._name = name
        self.size = size

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes; a read that fails is a DiskError."""
        left = self.size
        while left:
            try:
                piece = self._file.read(min(left, _PIECE))
            except OSError as error:
                raise DiskError(
                    f"cannot read {self._name}: {(error.strerror or 'unknown').lower()}", hint=_DAMAGED
                ) from error
            if not piece:
                raise MismatchError(f"{self._name} ends too early", hint=_DAMAGED, code="damaged-bundle")
            left -= len(piece)
            yield piece


def _is_away(error: OSError, path: str) -> bool:
    """Whether the file or its disk is not there. Windows's number for a disk is lost where Python opens a file."""
    return not os.path.exists(path) if sys.platform == "win32" else error.errno in _AWAY


def _parsed(raw: bytes, what: str) -> ImageIndex | ImageManifest:
    try:
        return parse_manifest(raw)
    except MismatchError as error:
        raise error.within(f"{what} is not a manifest", hint=_BROKEN) from error


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; do not wait for the writer of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _members(file: BinaryIO, path: str) -> dict[str, _Member]:
    """Read all headers; a header that we would not have written is a MismatchError."""
    length = os.fstat(file.fileno()).st_size
    found: dict[str, _Member] = {}
    at = 0
    while (raw := _block(file, at, path)) != bytes(_BLOCK):
        member = _parse_header(raw, path)
        at += _BLOCK
        if member.name in found:
            raise MismatchError(
                f"{path} is not a bundle: it has {member.name} twice", hint=_BROKEN, code="damaged-bundle"
            )
        if len(found) >= MAX_MEMBERS:
            raise MismatchError(
                f"{path} is not a bundle: it has more than {MAX_MEMBERS} members", hint=_BROKEN, code="damaged-bundle"
            )
        if at + member.size > length:
            raise MismatchError(
                f"{path} is cut: it ends in the middle of {member.name}", hint=_DAMAGED, code="damaged-bundle"
            )
        found[member.name] = _Member(at, member.size)
        at += member.size + -member.size % _BLOCK
    _check_end(file, at, path)
    return found


def _check_end(file: BinaryIO, at: int, path: str) -> None:
    """Raise MismatchError unless exactly our own end follows the last member: else the file was cut or extended."""
    expected = end(at)
    file.seek(at)
    found = file.read(len(expected) + 1)
    if found == expected:
        return
    if len(found) < len(expected):
        raise MismatchError(
            f"{path} is cut: its end lacks {len(expected) - len(found)} bytes", hint=_DAMAGED, code="damaged-bundle"
        )
    raise MismatchError(
        f"{path} is not as it was made: something follows its last member", hint=_DAMAGED, code="damaged-bundle"
    )


def _block(file: BinaryIO, at: int, path: str) -> bytes:
    try:
        file.seek(at)
        raw = file.read(_BLOCK)
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise DiskError(f"cannot read {path}: {reason}", hint=_DAMAGED) from error
    if len(raw) != _BLOCK:
        raise MismatchError(f"{path} is not a bundle, or was cut: it has no end", hint=_DAMAGED, code="damaged-bundle")
    return raw


def _parse_header(raw: bytes, path: str) -> tarfile.TarInfo:
    try:
        member = tarfile.TarInfo.frombuf(raw, "ascii", "strict")
        is_sized = 0 <= member.size <= MAX_MEMBER_BYTES
        if re.fullmatch(_NAME, member.name) and is_sized and header(member.name, member.size) == raw:
            return member
    except (tarfile.HeaderError, ValueError):
        pass  # not a header of ours
    raise MismatchError(f"{path} is not a bundle of d8-installer", hint=_BROKEN, code="damaged-bundle")

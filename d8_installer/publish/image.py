"""Building an image: executables in, the bytes of layers, configs, ImageManifests and the ImageIndex out.

This module collects and checks the files before anything is pushed. The result depends only on the input: not on the
clock, owners or file modes. ``push`` writes the image to a destination.

Layers are compressed with gzip by zlib at level 6. isal is several times as fast, but its output differs between
processors and is a tenth larger, while a layer is built once and fetched many times. The output of zlib has not changed
in many years. With a Python that is linked to zlib-ng the layer's digest differs, and the diff_id is the same.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
import tarfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from d8_installer.errors import DiskError, DocumentError, MismatchError, UsageError
from d8_installer.model.contract_lookup import CONTRACT_ANNOTATION
from d8_installer.model.digest import Digest
from d8_installer.model.executable import HEAD_BYTES, check_executable, identify
from d8_installer.model.oci import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST
from d8_installer.model.plurals import sized
from d8_installer.model.reference import is_tag, parse_binary_name, parse_member_name
from d8_installer.model.source import ManifestBytes
from d8_installer.model.value import Struct, field
from d8_installer.model.version import Version
from d8_installer.model.windows_names import clashes, windows_fault
from d8_installer.store.unpack import MAX_FILE_BYTES, MAX_WALK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from d8_installer.model.contract import Contract
    from d8_installer.model.platform import Platform
    from d8_installer.model.reference import ImageName

CREATED_ANNOTATION = "org.opencontainers.image.created"
VERSION_ANNOTATION = "org.opencontainers.image.version"
TITLE_ANNOTATION = "org.opencontainers.image.title"

_COPY = 1 << 20
_GZIP_LEVEL = 6
_MODE = 0o755
_LAST_SECOND = 253_402_300_799  # the end of the year 9999


class ImageOptions(Struct, frozen=True):
    """How to publish: whether a tag may get other bytes, SOURCE_DATE_EPOCH in seconds, and what the index carries.

    That is more annotations, and the contract of the plugin. In a ``dry_run``, nothing is written to the destination.
    """

    replace: bool = False
    epoch: int | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    contract: Contract | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.epoch is not None and not 0 <= self.epoch <= _LAST_SECOND:
            raise UsageError(
                f"SOURCE_DATE_EPOCH {self.epoch} is not a date",
                hint="set it to seconds since 1970, or unset it",
                code="bad-build-input",
            )


class BuiltLayer(Struct, frozen=True, kw_only=True):
    """A layer in a temporary file; ``diff_id`` is the digest of its tar archive."""

    path: str
    digest: Digest
    size: int
    diff_id: Digest


class BuiltChild(Struct, frozen=True, kw_only=True):
    """The image of one platform: layer, config and ImageManifest."""

    platform: Platform
    layer: BuiltLayer
    config: bytes
    manifest: ManifestBytes


class BuiltImage(Struct, frozen=True):
    """The complete image, with children sorted by platform."""

    index: ManifestBytes
    children: tuple[BuiltChild, ...]


def check_tag(tag: str) -> None:
    """Raise a UsageError unless the tag can be requested and is a version (rpp.md §4.1, §6.1)."""
    if not is_tag(tag) or Version.try_parse(tag) is None:
        raise UsageError(
            f"{tag[:100]!r} is not a version that can be a tag",
            hint="write a SemVer version without build metadata, such as v1.4.2 or v1.5.0-rc.1",
            code="bad-build-input",
        )


def _check_image(image: ImageName) -> None:
    """Raise a UsageError for a name that no binary may have: an installed binary gets the name of its image."""
    binary = image.default_binary[0]
    try:
        parse_binary_name(binary)
    except DocumentError as error:
        raise UsageError(
            f"no image can be published as {binary!r}, because its binary gets that name, and {error.problem}",
            hint="publish it under another name",
            code="bad-build-input",
        ) from error


def build_image(
    builds: Sequence[tuple[Platform, str]], image: ImageName, tag: str, folder: str, options: ImageOptions
) -> BuiltImage:
    """Build the image of *builds*, pairs of a platform and a file or directory; layers go to *folder*.

    Everything is checked before the first byte is written. Raises UsageError for paths and tags that cannot be
    published, MismatchError for an executable that is not for its platform, DiskError.
    """
    check_tag(tag)
    _check_image(image)
    platforms = [platform for platform, _ in builds]
    doubled = next((f" ({one} is there twice)" for one in platforms if platforms.count(one) > 1), "")
    if not platforms or doubled:
        raise UsageError(
            f"each platform must be given once, and at least one{doubled}",
            hint="write each as OS-ARCH=PATH, such as linux-amd64=build/tool",
            code="bad-build-input",
        )
    contents = [(platform, _members(path, image, platform)) for platform, path in sorted(builds)]
    children = tuple(_child(platform, members, folder, options) for platform, members in contents)
    return BuiltImage(_index(children, image, tag, options), children)


# -- what goes in --------------------------------------------------------------------------------------------


class _Member(Struct, frozen=True):
    name: str
    path: str
    size: int


def _members(path: str, image: ImageName, platform: Platform) -> tuple[_Member, ...]:
    """Return the files to archive, checked and sorted by name."""
    default = image.default_binary[1]
    try:
        files = list(_files(path)) if os.path.isdir(path) else [(default, path)]
        if platform.os == "windows":
            _check_windows(files)
        members = sorted((_member(name, file, platform, name == default) for name, file in files), key=lambda m: m.name)
    except OSError as error:
        raise UsageError(
            f"cannot read {error.filename or path}: {error.strerror}", hint="check the path", code="bad-build-input"
        ) from error
    names = [member.name for member in members]
    if doubles := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(
            f"{path} holds two files named {doubles[0]}",
            hint="an image's files are found by base name: rename one",
            code="bad-build-input",
        )
    if default not in names:
        named = f"rename {default}.exe to {default}: " if f"{default}.exe" in names else ""
        raise UsageError(
            f"{path} holds no file named {default}",
            hint=f"{named}clients place this file by default; name the main program {default}",
            code="bad-build-input",
        )
    if sum(tarfile.BLOCKSIZE * 2 + member.size for member in members) > MAX_WALK_BYTES:
        raise UsageError(
            f"{path} holds more than {sized(MAX_WALK_BYTES)}",
            hint="clients refuse so large an image",
            code="bad-build-input",
        )
    return tuple(members)


def _check_windows(files: Sequence[tuple[str, str]]) -> None:
    """Raise a UsageError for a file that Windows could not hold beside the others, or at all.

    No file is opened before that: on Windows, ``aux.txt`` opens the device.
    """
    for name, path in files:
        if fault := windows_fault(name):
            raise UsageError(
                f"{path}: its name {fault}",
                hint="rename it, or leave it out of the Windows build",
                code="bad-build-input",
            )
    for first, name in clashes(name for name, _ in sorted(files)):
        raise UsageError(
            f"{first} and {name} of the Windows build are one file on Windows, which ignores case",
            hint="rename one",
            code="bad-build-input",
        )


def _files(folder: str) -> Iterator[tuple[str, str]]:
    """Yield the base name and path of every file below *folder*; a link or device is a UsageError."""
    with os.scandir(folder) as listed:
        entries = list(listed)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        elif entry.is_file(follow_symlinks=False):
            yield entry.name, entry.path
        else:
            raise UsageError(
                f"{entry.path} is neither a file nor a directory",
                hint="put a copy of the file there",
                code="bad-build-input",
            )


def _member(name: str, path: str, platform: Platform, is_default: bool) -> _Member:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(
            f"{path} is neither a file nor a directory",
            hint="give an executable or a directory",
            code="bad-build-input",
        )
    if status.st_size > MAX_FILE_BYTES:
        raise UsageError(
            f"{path} has more than {sized(MAX_FILE_BYTES)}",
            hint="clients refuse so large a file",
            code="bad-build-input",
        )
    _check_name(name, path)
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    # A directory may contain other files, such as a licence or completions.
    if is_default or identify(head) is not None:
        _check_head(head, platform, path)
    return _Member(name, path, status.st_size)


def _check_name(name: str, path: str) -> None:
    try:
        parse_member_name(name)
        _header(name, 0)
    except (DocumentError, ValueError) as error:
        raise UsageError(
            f"{path!r} has a name that no image can hold",
            hint="use at most 100 bytes of UTF-8, no control characters",
            code="bad-build-input",
        ) from error


def _check_head(head: bytes, platform: Platform, path: str) -> None:
    try:
        check_executable(head, platform, path)
    except MismatchError as error:
        hint = "check which platform the file was built for"
        if identify(head) is None:
            hint = "name a program: an executable that a compiler made, or a script that begins with #!"
        raise MismatchError(error.message, hint=hint, code="wrong-executable") from error


# -- one platform --------------------------------------------------------------------------------------------


def _child(platform: Platform, members: Sequence[_Member], folder: str, options: ImageOptions) -> BuiltChild:
    layer = _write_layer(members, os.path.join(folder, f"{platform}.tar.gz"))
    config: dict[str, object] = {
        "architecture": platform.architecture,
        "os": platform.os,
        "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]},
    }
    if options.epoch is not None:
        config["created"] = _created(options.epoch)
    raw = _json(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor(OCI_CONFIG, Digest.of(raw), len(raw)),
        "layers": [_descriptor(OCI_LAYER_GZIP, layer.digest, layer.size)],
    }
    return BuiltChild(platform=platform, layer=layer, config=raw, manifest=ManifestBytes(_json(manifest), OCI_MANIFEST))


def _created(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Hashing:
    """A file for writing that hashes and counts the bytes."""

    def __init__(self, file: _Writable) -> None:
        self._file = file
        self._hasher = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hasher.update(data)
        self.size += len(data)
        self._file.write(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def digest(self) -> Digest:
        return Digest(self._hasher.hexdigest())


class _Writable(Protocol):
    def write(self, data: bytes, /) -> object: ...

    def flush(self) -> object: ...


def _write_layer(members: Sequence[_Member], path: str) -> BuiltLayer:
    """Archive, compress, hash and write the members in one pass."""
    try:
        with open(path, "xb") as file:
            stored = _Hashing(file)
            # Without these gzip would write the current time and the file's name.
            with gzip.GzipFile("", "wb", _GZIP_LEVEL, stored, mtime=0) as packed:
                archived = _Hashing(packed)
                for member in members:
                    _archive(member, archived)
                archived.write(bytes(2 * tarfile.BLOCKSIZE))
    except OSError as error:
        raise DiskError(
            f"cannot write the layer: {error.strerror or error}", hint="check the space in the temporary directory"
        ) from error
    return BuiltLayer(path=path, digest=stored.digest, size=stored.size, diff_id=archived.digest)


def _archive(member: _Member, archive: _Hashing) -> None:
    archive.write(_header(member.name, member.size))
    left = member.size
    for chunk in _chunks(member):
        left -= len(chunk)
        archive.write(chunk)
    if left:
        raise UsageError(f"{member.path} changed while it was read", hint="publish again", code="bad-build-input")
    archive.write(bytes(-member.size % tarfile.BLOCKSIZE))


def _chunks(member: _Member) -> Iterator[bytes]:
    try:
        with open(member.path, "rb") as file:
            while chunk := file.read(_COPY):
                yield chunk
    except OSError as error:
        raise UsageError(
            f"cannot read {member.path}: {error.strerror}", hint="check the path", code="bad-build-input"
        ) from error


def _header(name: str, size: int) -> bytes:
    """Return a POSIX ustar header without owner and time, with mode 0755; ValueError for a name that does not fit."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, _MODE
    return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")


# -- the documents -------------------------------------------------------------------------------------------


def _index(children: Sequence[BuiltChild], image: ImageName, tag: str, options: ImageOptions) -> ManifestBytes:
    entries = []
    for child in children:
        entry = _descriptor(OCI_MANIFEST, child.manifest.digest, len(child.manifest.raw))
        platform = {"architecture": child.platform.architecture, "os": child.platform.os}
        entries.append({**entry, "platform": platform})
    annotations = {**options.annotations, VERSION_ANNOTATION: tag, TITLE_ANNOTATION: image.short}
    if options.contract is not None:
        annotations[CONTRACT_ANNOTATION] = options.contract.annotation()
    if options.epoch is not None:
        annotations.setdefault(CREATED_ANNOTATION, _created(options.epoch))
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, "annotations": annotations}
    return ManifestBytes(_json(index), OCI_INDEX)


def _descriptor(media_type: str, digest: Digest, size: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(digest), "size": size}


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

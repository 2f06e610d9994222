"""``bundle create``: writes the locked images, their lock and their manifests to one file, the same bytes each time.

Each layer is verified while it streams into the file. Layers always come from the source: the store keeps only
executables.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, MismatchError, NotFoundError, TryAgainError
from d8_installer.model.digest import Digest
from d8_installer.model.lock import ANY_PLATFORM, platform_of
from d8_installer.model.platform import typed_platform
from d8_installer.model.value import Struct, replace
from d8_installer.ops.output_file import output_file
from d8_installer.pipeline import provenance
from d8_installer.pipeline.pool import workers
from d8_installer.pipeline.relock import refuse_stale
from d8_installer.pipeline.requesters import gather
from d8_installer.pipeline.tag_digests import LockedTags
from d8_installer.pipeline.unmet import raised, refuse_unmet
from d8_installer.registry import bundle as form
from d8_installer.store import fs, status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from d8_installer.model.lock import Lock, LockedImage, Pin
    from d8_installer.model.platform import Platform
    from d8_installer.model.source import LayerRequest, ManifestBytes
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.provenance import Manifests
    from d8_installer.pipeline.requesters import Requesters
    from d8_installer.pipeline.session import Session

_TRIES = 3
_MANIFEST_LIMIT = 4 << 20


class BundleResult(Struct, frozen=True, kw_only=True):
    """A bundle that was written: its file, its digest and bytes, and what it contains.

    In a ``dry_run`` no layer is fetched, so the digest is not known. ``changed`` is then True: whether the file that is
    there has the same bytes is not known either.
    """

    file: str
    changed: bool
    digest: Digest | None
    size: int
    images: int
    layers: int
    platforms: tuple[str, ...]
    dry_run: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {
            "changed": self.changed,
            "dry_run": self.dry_run,
            "file": self.file,
            "digest": None if self.digest is None else str(self.digest),
            "size": self.size,
            "images": self.images,
            "layers": self.layers,
            "platforms": list(self.platforms),
        }


def create(
    session: Session,
    output: str,
    platforms: Iterable[str] = (),
    given: tuple[str, ...] = (),
    *,
    dry_run: bool = False,
) -> BundleResult:
    """Write what the profile's lock pins to *output*, for *platforms* or for all. The lock must be current.

    The file appears complete, in one rename, or not at all. If the lock is stale, raise StaleLockError; if an image is
    not locked for a platform, raise NotFoundError.
    """
    session = session.held_by("bundle")
    profile = session.profiles.find()
    path = output_file(session, profile, output, "tools.bundle")
    session.profiles.refuse_foreign(session.scope.home.root)
    workspace = session.profiles.read(profile)
    requesters = gather(session, workspace, given)
    refuse_stale(workspace, requesters.wanted(workspace.locked))
    chosen = tuple(sorted({typed_platform(text) for text in platforms}))
    layers = _layers(workspace.locked, chosen)
    refuse_unmet(session, workspace.locked, workspace.locked.images, raised)
    if not dry_run:
        note = f"the store keeps executables, not layers: fetching {len(layers)} from {session.source.name}"
        session.reporter.note(note)
    tags = LockedTags(session, session.source)
    documents = {form.LAYOUT: form.MARKER, **_manifests(session, workspace.locked, tags)}
    documents |= {form.LOCK: workspace.lock_text.encode(), **_texts(workspace, requesters)}
    result = _planned(
        path, workspace.locked, chosen, size=_size(documents, layers), layers=len(layers), dry_run=dry_run
    )
    return result if dry_run else _written(session, result, documents, layers, tags)


def _planned(
    path: str, lock: Lock, chosen: tuple[Platform, ...], *, size: int, layers: int, dry_run: bool
) -> BundleResult:
    """Return the result as far as it is known before a layer is fetched."""
    locked = {platform for image in lock.images for platform, _ in image.platforms}
    return BundleResult(
        file=path,
        changed=True,
        digest=None,
        size=size,
        images=len(lock.images),
        layers=layers,
        platforms=tuple(sorted({str(platform) for platform in chosen} or locked)),
        dry_run=dry_run,
    )


def _written(
    session: Session,
    planned: BundleResult,
    documents: Mapping[str, bytes],
    layers: Sequence[LayerRequest],
    tags: LockedTags,
) -> BundleResult:
    """Write the bundle, and return what was planned with the file's size and digest."""
    path = planned.file
    with status.readable_by_all(wanted=session.scope.is_global):
        session.profiles.prepare_home()
    with session.store.partial_layers.only_fetcher(Digest.of(path.encode("utf-8", "surrogateescape")), _refuse_twice):
        fs.sweep(*os.path.split(path))
        with fs.replacing(path) as file:
            writer = _Writer(session, file, tags)
            for name, content in sorted(documents.items(), key=_order):
                writer.document(name, content)
            for request in layers:
                writer.layer(request)
            writer.end()
            changed = not _has_bytes(path, writer)
    return replace(planned, changed=changed, digest=Digest(writer.hasher.hexdigest()), size=writer.size)


def _has_bytes(path: str, writer: _Writer) -> bool:
    """Whether the file that is to be replaced has the same bytes already."""
    if fs.file_size(path) != writer.size:
        return False
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == writer.hasher.hexdigest()


def _size(documents: Mapping[str, bytes], layers: Iterable[LayerRequest]) -> int:
    """Return the bytes of the bundle, which follow from those of its members."""
    members = [(name, len(content)) for name, content in documents.items()]
    members += [(form.blob_name(one.layer), one.size) for one in layers]
    size = sum(len(form.header(name, length)) + length + len(form.padding(length)) for name, length in members)
    return size + len(form.end(size))


def _refuse_twice() -> None:
    raise TryAgainError(
        "another d8-installer is writing this bundle", hint="type the same command again later", code="home-busy"
    )


def _order(entry: tuple[str, bytes]) -> tuple[bool, str]:
    """Sort the documents before the blobs, and both by name."""
    return entry[0].startswith("blobs/"), entry[0]


def _layers(lock: Lock, platforms: tuple[Platform, ...]) -> list[LayerRequest]:
    """Return each locked layer once, by digest."""
    found: dict[Digest, LayerRequest] = {}
    for image in lock.images:
        for key, pin in _pins(image, platforms):
            found.setdefault(pin.layer, image.layer_request(platform_of(key)))
    return [found[digest] for digest in sorted(found, key=str)]


def _pins(image: LockedImage, platforms: tuple[Platform, ...]) -> Iterator[tuple[str, Pin]]:
    if not platforms:
        yield from image.platforms
        return
    pins = dict(image.platforms)
    for platform in platforms:
        key = ANY_PLATFORM if ANY_PLATFORM in pins else str(platform)
        if key in pins:
            yield key, pins[key]
        elif not image.optional:
            raise NotFoundError(
                f"{image.name} {image.version} is not locked for {platform}",
                hint=f"it is locked for {', '.join(pins)}; see `d8-installer lock --platform {platform}`",
                code="no-build-for-platform",
            )


class _KeepingManifests(Struct, frozen=True):
    """Keeps every manifest that ``provenance.prove`` asks for, by its digest."""

    source: Manifests
    found: dict[str, ManifestBytes]

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest. It is asked for only once."""
        known = self.found.get(ref)
        if known is None:
            known = self.found[ref] = self.source.manifest(image, ref)
        return known


def _manifests(session: Session, lock: Lock, tags: LockedTags) -> dict[str, bytes]:
    """Return ``index.json`` and the manifests of all locked platforms, so that the bundle yields the same lock."""
    found: dict[str, ManifestBytes] = {}

    def prove(image: LockedImage) -> None:
        for request in image.layer_requests():
            provenance.prove(_KeepingManifests(tags.manifests_for(request), found), request)

    with workers(session.scope.options.connections) as pool:
        pool.map(prove, lock.images)
    named = [(image.name.path, image.version, found[str(image.top)]) for image in lock.images]
    blobs = {form.blob_name(answer.digest): answer.raw for answer in found.values()}
    return {form.INDEX: form.index_json(named), **blobs}


def _texts(workspace: Workspace, requesters: Requesters) -> Mapping[str, bytes]:
    """Return the texts of the manifests: the profile's own and those of the plugins."""
    texts = {form.MANIFEST: workspace.manifest_text.encode()} if requesters.own is not None else {}
    for plugin in requesters.plugins:
        raw = fs.read(plugin.file, limit=_MANIFEST_LIMIT)
        if raw is None:
            raise DiskError(f"{plugin.file} is gone", hint="type the same command again", code="program-gone")
        texts[form.manifest_name(plugin.name)] = raw
    return texts


class _TagAloneError(MismatchError):
    """The bytes are not the locked ones, and only a tag led to them."""


class _Writer:
    """Writes the members of the archive one after the other, and hashes the whole file."""

    def __init__(self, session: Session, file: BinaryIO, tags: LockedTags) -> None:
        self._session = session
        self._file = file
        self._tags = tags
        self.hasher = hashlib.sha256()
        self.size = 0

    def document(self, name: str, content: bytes) -> None:
        """Write a member with this *content*."""
        self._write(form.header(name, len(content)) + content + form.padding(len(content)))

    def layer(self, request: LayerRequest) -> None:
        """Write a layer while it arrives, and verify it. An interrupted transfer starts over, a few times."""
        self._write(form.header(form.blob_name(request.layer), request.size))
        start, hasher_at_start = self.size, self.hasher.copy()
        tries = 0
        while True:
            try:
                self._stream(request)
                break
            except TryAgainError as error:
                tries += 1
                if tries == _TRIES:
                    raise
                self._session.reporter.detail(f"{error}; fetching it again")
            except _TagAloneError:
                request = replace(request, by_digest=True)
            self.size, self.hasher = start, hasher_at_start.copy()
            self._file.seek(self.size)
        if request.by_digest:
            self._tags.tell_of_other_bytes(request)
        self._write(form.padding(request.size))

    def end(self) -> None:
        """Write the end of the archive."""
        self._write(form.end(self.size))

    def _stream(self, request: LayerRequest) -> None:
        what = f"{request.image.rpartition('/')[2]} {request.tag}"
        task = self._session.reporter.task(what, request.size)
        proof, size, is_whole = hashlib.sha256(), 0, False
        try:
            with self._session.source.layer(request) as body:
                kind = _TagAloneError if self._tags.is_by_tag(request, body) else MismatchError
                for chunk in body:
                    size += len(chunk)
                    if size > request.size:
                        break
                    proof.update(chunk)
                    self._write(chunk)
                    task.advance(len(chunk))
                if (size, proof.hexdigest()) != (request.size, request.layer.hex):
                    raise kind(
                        f"{what}: {self._session.source.name} gives other bytes than {request.layer}",
                        hint="use a source that still has the locked bytes, or lock again",
                        code="wrong-bytes",
                    )
            is_whole = True
        finally:
            task.finish(is_whole=is_whole)

    def _write(self, data: bytes) -> None:
        fs.write(self._file, data)
        self.hasher.update(data)
        self.size += len(data)

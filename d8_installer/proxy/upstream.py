"""The registry behind the proxy: roots, tags, resolved packages and remembered manifests.

This module asks a Source in the order of rpp.md §2.4 to §2.6, and blocks while it does. ``answers`` has the statuses
and bodies, ``handler`` the threads, ``cache`` the layers' bytes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from d8_installer.errors import D8Error, DocumentError, MismatchError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.oci import ImageManifest, parse_manifest
from d8_installer.model.reference import is_image_name, is_tag
from d8_installer.model.source import LayerRequest, TagsAtHand
from d8_installer.model.value import Struct
from d8_installer.proxy.children import asked_child, default_child, is_index
from d8_installer.proxy.roots import RootProbe
from d8_installer.registry.manifest_cache import ManifestCache
from d8_installer.registry.oci_address import OCI_SCHEMES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from d8_installer.model.platform import Platform
    from d8_installer.model.source import ManifestBytes, Source

MAX_NESTING = 4
MAX_REMEMBERED_BYTES = 32 << 20

# Only a registry has editions. A proxy, a layout or a bundle is one root.
_PROBED = tuple(f"{scheme}://" for scheme in OCI_SCHEMES)

_REPOSITORY = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-./")
"""The characters that go-containerregistry accepts in a repository's name (rpp.md §2.2)."""

T = TypeVar("T")


class Resolved(Struct, frozen=True, kw_only=True):
    """A version that was found: the digest for the ETag, the tag's manifest, and the root that has it."""

    root: str
    image: str
    tag: str
    platform: Platform | None
    digest: Digest
    manifest: ManifestBytes

    @property
    def index(self) -> Digest | None:
        """The digest of the tag's index; None if the tag names a single ImageManifest."""
        return self.manifest.digest if is_index(self.manifest) else None


class Package(Struct, frozen=True):
    """One layer to serve: the request for the source of *root*, and the manifest digest to announce."""

    root: str
    digest: Digest
    request: LayerRequest


class Upstream:
    """One registry behind the proxy, for several threads. All methods may block, except ``remembered`` and ``at_hand``.

    *registry* returns the configured root as a source's URL, such as ``oci://host/path/ee``. It is called for each
    request, and raises ConfigError if no root is configured. *open_source* opens one root.
    """

    def __init__(self, registry: Callable[[], str], open_source: Callable[[str], Source]) -> None:
        self._registry = registry
        self._open_source = open_source
        self._lock = threading.Lock()
        self._sources: dict[str, Source] = {}
        self._at_hand: dict[str, TagsAtHand] = {}
        self._manifests = ManifestCache(MAX_REMEMBERED_BYTES)
        self.probe = RootProbe()

    def tags(self, image: str) -> Sequence[str]:
        """Return every tag of *image* (R1). Raises the source's errors; NotFoundError if no root has the image."""
        return self._probe(image, lambda source, _: source.tags(image))

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest under a tag or digest (R3); a digest's content is verified and remembered."""
        if is_digest(ref):
            digest = _digest(image, ref)
            return self._probe(image, lambda source, root: self._by_digest(source, root, image, digest))
        return self._probe(image, lambda source, _: self._by_tag(source, image, _tag(image, ref)))

    def remembered(self, image: str, ref: str) -> ManifestBytes | None:
        """Return the manifest of a digest or tag from memory, without blocking, or None.

        A tag's manifest can be returned only if the source is local, and so tells at once which digest the tag means.
        """
        known = self._manifests.get(image, ref)
        if known is not None or not self._at_hand:
            return known
        try:
            source = self._at_hand.get(self._registry())
            digest = source.current(image, ref) if source is not None else None
        except D8Error:
            return None  # the full question meets the same fault, and answers it
        return None if digest is None else self._manifests.get(image, str(digest))

    def resolve(self, image: str, tag: str, platform: Platform | None) -> Resolved:
        """Find the manifest digest that *tag* means on *platform* (rpp.md §2.4). The registry is asked each time.

        *tag* may be the digest of a child or index, which the registry accepts in its place (rpp.md §18.1).
        NotFoundError if it is missing or its index has no child for the platform.
        """
        return self._probe(image, lambda source, root: self._resolve(source, root, image, tag, platform))

    def package(self, resolved: Resolved) -> Package:
        """Find the layer to serve: the last one of the resolved manifest, from the root that resolved the tag.

        NotFoundError if a manifest has vanished since; MismatchError if there is no image or layer in it.
        """
        source = self._source(resolved.root)
        manifest = resolved.manifest
        if manifest.digest != resolved.digest:
            manifest = self._by_digest(source, resolved.root, resolved.image, resolved.digest)
        return _package(resolved, self._image(source, resolved, manifest))

    def at_hand(self, image: str, tag: str, platform: Platform | None) -> Package | None:
        """Return the layer to serve if the source is local and its manifests are in memory, without blocking.

        None is no answer: ``resolve`` and ``package`` then find the layer, or the error.
        """
        try:
            root = self._registry()
            manifest = self.remembered(image, tag) if root in self._at_hand else None
            resolved = None if manifest is None else _resolved(root, image, tag, manifest, platform)
            if resolved is None:
                return None
            child = self._manifests.get(image, str(resolved.digest))
            parsed = None if child is None or is_index(child) else parse_manifest(child.raw)
            return _package(resolved, parsed) if isinstance(parsed, ImageManifest) else None
        except D8Error:
            return None

    def source(self, package: Package) -> Source:
        """Return the source that *package* was found in."""
        return self._source(package.root)

    def close(self) -> None:
        """Close every source that was opened."""
        with self._lock:
            sources, self._sources = self._sources, {}
        for source in sources.values():
            source.close()

    def _image(self, source: Source, resolved: Resolved, manifest: ManifestBytes) -> ImageManifest:
        """Follow nested indexes to an ImageManifest; the inner choice ignores the asked platform (rpp.md §2.4)."""
        for _ in range(MAX_NESTING):
            if not is_index(manifest):
                parsed = parse_manifest(manifest.raw)
                if isinstance(parsed, ImageManifest):
                    return parsed
            child = default_child(manifest)
            if child is None:
                raise MismatchError(f"{resolved.image}:{resolved.tag} has no child for linux/amd64")
            manifest = self._by_digest(source, resolved.root, resolved.image, child)
        raise MismatchError(f"{resolved.image}:{resolved.tag} nests more than {MAX_NESTING} indexes")

    def _resolve(self, source: Source, root: str, image: str, tag: str, platform: Platform | None) -> Resolved:
        if is_digest(tag):
            manifest = self._by_digest(source, root, image, _digest(image, tag))
        else:
            manifest = self._by_tag(source, image, _tag(image, tag))
        return _resolved(root, image, tag, manifest, platform)

    def _by_tag(self, source: Source, image: str, tag: str) -> ManifestBytes:
        manifest = source.manifest(image, tag)
        if isinstance(source, TagsAtHand):
            self._manifests.add(image, manifest)
        return manifest

    def _by_digest(self, source: Source, root: str, image: str, digest: Digest) -> ManifestBytes:
        known = self._manifests.get(image, str(digest))
        if known is not None:
            return known
        manifest = source.manifest(image, str(digest))
        try:
            manifest.require(digest)
        except MismatchError as error:
            raise error.within(f"{root}: {image}") from error
        return self._manifests.add(image, manifest)

    def _probe(self, image: str, ask: Callable[[Source, str], T]) -> T:
        repository = self._registry()
        _check_repository(image)
        if not repository.startswith(_PROBED):
            return ask(self._source(repository), repository)
        scheme, _, path = repository.partition("://")
        return self.probe.run(path, lambda root: ask(self._source(f"{scheme}://{root}"), f"{scheme}://{root}"))

    def _source(self, root: str) -> Source:
        with self._lock:
            if root not in self._sources:
                source = self._sources[root] = self._open_source(root)
                if isinstance(source, TagsAtHand):
                    self._at_hand[root] = source
            return self._sources[root]


def _resolved(root: str, image: str, tag: str, manifest: ManifestBytes, platform: Platform | None) -> Resolved:
    """Choose the child for *platform*; NotFoundError if the index has none."""
    digest: Digest | None = manifest.digest
    if platform is not None and is_index(manifest):
        digest = asked_child(manifest, platform)
    if digest is None:
        raise NotFoundError(f"{image}:{tag} has no child for {platform}")
    return Resolved(root=root, image=image, tag=tag, platform=platform, digest=digest, manifest=manifest)


def _package(resolved: Resolved, image: ImageManifest) -> Package:
    if not image.layers:
        raise MismatchError(f"{resolved.image}:{resolved.tag} has no layers")
    layer = image.layers[-1]
    request = LayerRequest(
        image=resolved.image,
        tag=resolved.tag,
        platform=resolved.platform if resolved.index else None,
        index=resolved.index,
        # This is the digest that another proxy upstream would announce for this request.
        child=resolved.digest,
        layer=layer.digest,
        size=layer.size,
        by_digest=is_digest(resolved.tag),
    )
    return Package(resolved.root, resolved.digest, request)


def _check_repository(image: str) -> None:
    """Fail as the original does for a name that no registry has, without passing it to a source (rpp.md §2.2).

    MismatchError where the original cannot build the repository's name, NotFoundError where the registry answers 404.
    """
    if not image or not _REPOSITORY.issuperset(image):
        raise MismatchError(f"{image[:100]!r} cannot be a repository")
    if not is_image_name(image.rpartition("/")[2]):
        raise NotFoundError(f"{image[:100]!r} is not an image name")


def is_digest(ref: str) -> bool:
    """Whether the original takes *ref* for a digest, valid or not."""
    return ref.startswith("sha256:") or "@" in ref


def _digest(image: str, ref: str) -> Digest:
    """Return *ref* as a digest; NotFoundError if no registry can have it (rpp.md §18.4)."""
    try:
        return Digest.parse(ref)
    except DocumentError as error:
        raise NotFoundError(f"{image} has no {ref[:100]!r}") from error


def _tag(image: str, tag: str) -> str:
    """Return *tag*; NotFoundError if no registry can have it."""
    if not is_tag(tag):
        raise NotFoundError(f"{image} has no tag {tag[:100]!r}")
    return tag

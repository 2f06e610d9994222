"""The contract of every Source, as tests to inherit, and the sample image that the tests ask for.

In a test module, with pytest (which this file does not import)::

    class TestMySource(SourceContract):
        @pytest.fixture
        def source(self, sample: Sample) -> Source:
            sample.publish(MyDestination(...))
            return MySource(...)

and a fixture ``sample`` that returns ``Sample.make("name")``. A failed expectation is an AssertionError.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, MismatchError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.oci import OCI_INDEX, OCI_MANIFEST
from d8_installer.model.platform import Platform
from d8_installer.model.reference import PLUGIN_ROOT
from d8_installer.model.source import AllByDigest, LayerRequest, ManifestBytes
from d8_installer.model.value import Struct, replace
from d8_installer.testing.memory import child_entry, image_index, image_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d8_installer.model.source import Destination, Source

PLATFORMS = (Platform("linux", "amd64"), Platform("linux", "arm64"), Platform("darwin", "arm64"))
_CONFIG = b"{}"
_UNKNOWN = Digest("0" * 64)
_HOSTILE_IMAGES = ("../outside", "deckhouse-cli/plugins/..", "/etc", "deckhouse-cli//plugins/x", "A\nB", "%2e%2e", "")
_HOSTILE_REFS = ("../../blobs", "v1/../v2", "", "sha256:xyz", "a b", "\x00", "%2e%2e", "v" * 129)


class Sample(Struct, frozen=True, kw_only=True):
    """An image with two tags: an index of three platforms, and a single ImageManifest.

    ``children`` and ``layers`` have an entry for each of PLATFORMS; a layer is a gzip tar with the one file ``plugin``.
    """

    image: str
    tag: str
    single_tag: str
    index: ManifestBytes
    children: Mapping[Platform, ManifestBytes]
    layers: Mapping[Platform, bytes]

    @classmethod
    def make(cls, name: str, size: int = 600_000) -> Sample:
        """Build the sample; *size* is the approximate size of a layer in bytes, which do not compress."""
        layers = {platform: _layer(f"{name} for {platform}".encode(), size) for platform in PLATFORMS}
        children = {platform: image_manifest([layer], {"made.for": name}) for platform, layer in layers.items()}
        index = image_index([child_entry(child, platform) for platform, child in children.items()])
        return cls(
            image=PLUGIN_ROOT + name, tag="v1.2.3", single_tag="v1.0.0", index=index, children=children, layers=layers
        )

    @property
    def single(self) -> ManifestBytes:
        """The ImageManifest of ``single_tag``, which is that of the first platform."""
        return self.children[PLATFORMS[0]]

    def publish(self, destination: Destination) -> None:
        """Write the sample to *destination*: blobs, then children, then tags."""
        for blob in (_CONFIG, *self.layers.values()):
            destination.put_blob(self.image, Digest.of(blob), len(blob), _reader(blob))
        for child in self.children.values():
            destination.put_manifest(self.image, str(child.digest), child)
        destination.put_manifest(self.image, self.single_tag, self.single)
        destination.put_manifest(self.image, self.tag, self.index)

    def request(self, platform: Platform) -> LayerRequest:
        """Return the request for the layer of one platform."""
        layer = self.layers[platform]
        child = self.children[platform].digest
        return LayerRequest(
            image=self.image,
            tag=self.tag,
            platform=platform,
            index=self.index.digest,
            child=child,
            layer=Digest.of(layer),
            size=len(layer),
        )


def _reader(blob: bytes) -> Callable[[], io.BytesIO]:
    return lambda: io.BytesIO(blob)


def _layer(seed: bytes, size: int) -> bytes:
    """Return a gzip tar with the one file ``plugin``; equal seeds give equal bytes."""
    content = b"#!/bin/sh\n" + b"".join(
        Digest.of(seed + bytes([n % 256, n // 256])).hex.encode() for n in range(size // 36)
    )
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("plugin")
        member.size, member.mode = len(content), 0o755
        archive.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), compresslevel=1, mtime=0)


def expect(truth: object, what: str) -> None:
    """Raise AssertionError with the text *what* unless *truth* is true."""
    if not truth:
        raise AssertionError(what)


def expect_raises(kind: type[D8Error] | tuple[type[D8Error], ...], action: Callable[[], object], what: str) -> D8Error:
    """Run *action* and return the error of *kind* that it raises; AssertionError if it raises nothing."""
    try:
        action()
    except kind as error:
        return error
    raise AssertionError(f"{what}: nothing was raised")


def read_layer(source: Source, request: LayerRequest) -> bytes:
    """Return the bytes of the whole layer."""
    with source.layer(request) as body:
        return b"".join(body)


class SourceContract:
    """The tests of a Source. Subclasses define the fixtures ``source`` and ``sample`` (published in it)."""

    def test_the_name_is_plain_text(self, source: Source) -> None:
        expect(source.name and source.name.isprintable(), "a source has a name that can be shown")

    def test_all_tags_are_listed(self, source: Source, sample: Sample) -> None:
        expect({sample.tag, sample.single_tag} <= set(source.tags(sample.image)), "both tags are listed")

    def test_a_manifest_comes_verbatim(self, source: Source, sample: Sample) -> None:
        expect(source.manifest(sample.image, sample.tag) == ManifestBytes(sample.index.raw, OCI_INDEX), "the index")
        single = source.manifest(sample.image, sample.single_tag)
        expect(single == ManifestBytes(sample.single.raw, OCI_MANIFEST), "the single manifest")

    def test_a_manifest_is_found_by_digest(self, source: Source, sample: Sample) -> None:
        for manifest in (sample.index, *sample.children.values()):
            got = source.manifest(sample.image, str(manifest.digest))
            expect(got == manifest, f"{manifest.digest} is {got.digest} ({got.media_type})")

    def test_each_platform_has_its_layer(self, source: Source, sample: Sample) -> None:
        for platform, layer in sample.layers.items():
            expect(read_layer(source, sample.request(platform)) == layer, f"the layer for {platform}")

    def test_a_single_manifests_layer_needs_no_platform(self, source: Source, sample: Sample) -> None:
        request = replace(sample.request(PLATFORMS[0]), tag=sample.single_tag, platform=None, index=None)
        expect(read_layer(source, request) == sample.layers[PLATFORMS[0]], "the single manifest's layer")

    def test_a_body_describes_itself_correctly(self, source: Source, sample: Sample) -> None:
        request = sample.request(PLATFORMS[0])
        with source.layer(request) as body:
            expect(body.size in (None, request.size), f"size is {body.size}")
            chunks = list(body)
            expect(max(map(len, chunks)) <= 256 << 10, "chunks are small")
            if body.path is not None:
                with open(body.path, "rb") as file:
                    expect(file.read() == b"".join(chunks), "path is the file that was read")

    def test_a_transfer_may_be_abandoned(self, source: Source, sample: Sample) -> None:
        for platform in (*PLATFORMS, *PLATFORMS):
            with source.layer(sample.request(platform)) as body:
                next(iter(body))
        expect(
            read_layer(source, sample.request(PLATFORMS[0])) == sample.layers[PLATFORMS[0]], "the source still works"
        )

    def test_absent_content_is_not_found(self, source: Source, sample: Sample) -> None:
        expect_raises(NotFoundError, lambda: source.tags(PLUGIN_ROOT + "no-such-image"), "tags of no image")
        expect_raises(
            NotFoundError, lambda: source.manifest(PLUGIN_ROOT + "no-such-image", "v1"), "manifest of no image"
        )
        expect_raises(NotFoundError, lambda: source.manifest(sample.image, "v9.9.9"), "manifest of no tag")
        expect_raises(NotFoundError, lambda: source.manifest(sample.image, str(_UNKNOWN)), "manifest of no digest")

    def test_an_absent_layer_is_refused(self, source: Source, sample: Sample) -> None:
        """A source by digest does not find it. A source by tag may send the tag's bytes; their hash shows it."""
        request = replace(sample.request(PLATFORMS[0]), layer=_UNKNOWN, child=_UNKNOWN)
        try:
            got = read_layer(source, request)
        except (NotFoundError, MismatchError):
            return
        expect(Digest.of(got) == Digest.of(sample.layers[PLATFORMS[0]]), "a source by tag serves the tag")

    def test_a_layer_of_another_size_is_a_mismatch(self, source: Source, sample: Sample) -> None:
        request = sample.request(PLATFORMS[0])
        expect_raises(
            MismatchError, lambda: read_layer(source, replace(request, size=request.size + 1)), "a wrong size"
        )

    def test_the_size_is_known_without_a_transfer(self, source: Source, sample: Sample) -> None:
        """For sources that declare the ability (``AllByDigest``)."""
        if not isinstance(source, AllByDigest):
            return
        expect(source.manifest(sample.image, str(sample.index.digest)).digest == sample.index.digest, "the index")
        request = sample.request(PLATFORMS[0])
        # The size is the blob's own, whatever was requested.
        for asked in (request, replace(request, size=request.size + 1, tag="v9.9.9")):
            expect(source.layer_size(asked) in (None, request.size), "the layer's size")
        absent = replace(request, layer=_UNKNOWN, child=_UNKNOWN)
        expect_raises(NotFoundError, lambda: source.layer_size(absent), "the size of no layer")

    def test_hostile_names_are_refused(self, source: Source, sample: Sample) -> None:
        for image in _HOSTILE_IMAGES:
            expect_raises(D8Error, partial(source.tags, image), f"tags of {image!r}")
            expect_raises(D8Error, partial(source.manifest, image, "v1"), f"{image!r}")
        for ref in _HOSTILE_REFS:
            expect_raises(D8Error, partial(source.manifest, sample.image, ref), f"{ref!r}")

    def test_many_threads_may_ask_at_once(self, source: Source, sample: Sample) -> None:
        with ThreadPoolExecutor(8) as pool:
            layers = list(pool.map(lambda platform: read_layer(source, sample.request(platform)), PLATFORMS * 4))
            tags = list(pool.map(source.tags, [sample.image] * 8))
        expect(layers == [sample.layers[platform] for platform in PLATFORMS * 4], "layers from threads")
        expect(all(one == tags[0] for one in tags), "tags from threads")

"""What the tests of publishing share: executables for three platforms, and a Destination that records."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

from d8_installer.errors import TryAgainError
from d8_installer.model.digest import Digest
from d8_installer.model.platform import Platform
from d8_installer.model.reference import ImageName
from d8_installer.publish.image import ImageOptions
from d8_installer.publish.push import publish

if TYPE_CHECKING:
    from collections.abc import Callable

    from d8_installer.model.source import ManifestBytes

STRONGHOLD = ImageName("stronghold")
AMD64, ARM64, DARWIN = Platform("linux", "amd64"), Platform("linux", "arm64"), Platform("darwin", "arm64")
CONTENT = {
    AMD64: b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, 62) + b"amd64" * 500,
    ARM64: b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, 183) + b"arm64" * 500,
    DARWIN: struct.pack("<IIII", 0xFEEDFACF, 0x0100_000C, 0, 2) + b"mac" * 500,
}
TAG = "v1.4.2"


class Recorder:
    """A Destination that keeps what it is given, in order; ``failing`` is the write that fails."""

    name = "recorder"

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.writes: list[str] = []
        self.blobs: dict[Digest, bytes] = {}
        self.manifests: dict[str, ManifestBytes] = {}

    def tag_digest(self, image: str, tag: str) -> Digest | None:
        return self.manifests[tag].digest if tag in self.manifests else None

    def has_blob(self, image: str, digest: Digest) -> bool:
        return digest in self.blobs

    def put_blob(self, image: str, digest: Digest, size: int, open_blob: Callable[[], BinaryIO]) -> None:
        with open_blob() as first, open_blob() as again:
            self.blobs[digest] = first.read()
            assert again.read() == self.blobs[digest]
        assert (Digest.of(self.blobs[digest]), len(self.blobs[digest])) == (digest, size)
        self._note("blob")

    def put_manifest(self, image: str, ref: str, manifest: ManifestBytes) -> None:
        kind = "tag" if ref == TAG else "child"
        self._note(kind)
        self.manifests[ref] = manifest

    def close(self) -> None:
        pass

    def _note(self, kind: str) -> None:
        if kind == self.failing:
            raise TryAgainError("the registry is busy")
        self.writes.append(kind)


def pushed(builds: list[tuple[Platform, str]], image: ImageName = STRONGHOLD) -> Recorder:
    recorder = Recorder()
    publish(builds, image, TAG, recorder, ImageOptions())
    return recorder

"""Contracts cost no request of their own: what a lock asks a source for is what it asked for before there were any."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import DocumentError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.resolution import Trust
from d8_installer.model.source import ManifestBytes
from d8_installer.pipeline.driver import Known, drive
from d8_installer.resolve.choose import resolve
from d8_installer.resolve.pin import pin
from tests.resolve.asking import requirement, want
from tests.strategies import LINUX, LINUX_ARM, MAC, Catalogue, image_index, image_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.model.lock import Lock
    from d8_installer.model.platform import Platform
    from d8_installer.model.resolution import Wanted

PATH = "deckhouse-cli/plugins/a"
EVERY = (LINUX, LINUX_ARM, MAC)


def annotation(**needs: str) -> dict[str, str]:
    plugins = {"mandatory": [{"name": name, "constraint": constraint} for name, constraint in needs.items()]}
    document = {"name": "a", "version": "v1.0.0", "requirements": {"plugins": plugins}}
    return {"contract": base64.b64encode(json.dumps(document).encode()).decode()}


class Shelf:
    """A source that notes what it is asked for."""

    name = "shelf"

    def __init__(self) -> None:
        self.catalogue = Catalogue()
        self.asked: list[str] = []
        self.children: dict[Platform, str] = {}

    def put(self, index: dict[str, str], builds: dict[Platform, dict[str, str]]) -> None:
        """Publish v1.0.0 of ``a``, with annotations of the index and of its builds."""
        entries = []
        for platform, more in builds.items():
            raw = image_manifest(str(platform).encode())
            entry = self.catalogue.child("a", annotated(raw, more), platform)
            self.children[platform] = str(entry["digest"])
            entries.append(entry)
        self.catalogue.put("a", "v1.0.0", annotated(image_index(entries), index))

    def tags(self, image: str) -> list[str]:
        self.asked.append("tags")
        if image not in self.catalogue.tagged:
            raise NotFoundError(f"no image {image}")
        return list(self.catalogue.tagged[image])

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        self.asked.append(ref)
        raw = self.catalogue.tagged[image].get(ref) or self.catalogue.blobs[image, ref]
        return ManifestBytes(raw, "")

    def layer(self, *_: object) -> None:
        raise AssertionError("no layer is asked for")

    def close(self) -> None:
        """Close nothing."""

    def lock(self, wanted: Wanted) -> Lock:
        known: Known = {}
        resolution = drive(resolve(wanted), lambda: self, 3, known)  # type: ignore[arg-type, return-value]
        return drive(pin(resolution, wanted, Trust({})), lambda: self, 3, known)  # type: ignore[arg-type, return-value]


def annotated(raw: bytes, annotations: dict[str, str]) -> bytes:
    return json.dumps({**json.loads(raw), "annotations": annotations}).encode() if annotations else raw


@pytest.mark.parametrize("platforms", [None, (LINUX,), (LINUX, MAC)])
@pytest.mark.parametrize("where", ["nowhere", "index", "builds"])
def test_nothing_is_asked_for_beside_what_is_pinned(platforms: Sequence[Platform] | None, where: str) -> None:
    shelf = Shelf()
    of_builds = annotation() if where == "builds" else {}
    shelf.put(annotation() if where == "index" else {}, dict.fromkeys(EVERY, of_builds))
    lock = shelf.lock(want(requirement("a", platforms=platforms)))
    pinned = [shelf.children[platform] for platform in platforms or EVERY]
    assert sorted(shelf.asked) == sorted(["tags", "v1.0.0", *pinned])
    (image,) = lock.images
    assert (image.contract is not None) == (where != "nowhere")
    shelf.asked.clear()
    assert shelf.lock(want(requirement("a", platforms=platforms), locked=lock)) == lock
    assert shelf.asked == []


def test_the_contract_of_a_build_is_that_of_the_version() -> None:
    shelf = Shelf()
    shelf.put({}, {LINUX: {}, MAC: annotation(b=">=1")})
    shelf.catalogue.publish("b", "v1.0.0", on=[LINUX, MAC])
    lock = shelf.lock(want("a"))
    assert [str(image.name) for image in lock.images] == ["a", "b"]
    assert lock.images[0].needs == (("b", ">=1"),)


def test_builds_that_disagree_are_an_error() -> None:
    shelf = Shelf()
    shelf.put({}, {LINUX: annotation(b=">=2"), MAC: annotation(b=">=1")})
    with pytest.raises(DocumentError, match="contracts that differ"):
        shelf.lock(want("a"))


def test_an_attestation_is_not_asked_for() -> None:
    shelf = Shelf()
    shelf.put({}, {LINUX: annotation()})
    raw = json.loads(shelf.catalogue.tagged[PATH]["v1.0.0"])
    more = {
        **raw["manifests"][0],
        "digest": str(Digest("5" * 64)),
        "platform": {"os": "unknown", "architecture": "unknown"},
    }
    shelf.catalogue.put("a", "v1.0.0", json.dumps({**raw, "manifests": [more, *raw["manifests"]]}).encode())
    lock = shelf.lock(want(requirement("a", platforms=(LINUX,))))
    assert lock.images[0].contract is not None
    assert str(Digest("5" * 64)) not in shelf.asked

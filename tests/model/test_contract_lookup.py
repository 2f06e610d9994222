"""Which contract an image carries: the index first, else builds that agree (rpp.md §5.1)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import DocumentError
from d8_installer.model.contract_lookup import children_to_read, contract_in, misnamed
from d8_installer.model.oci import parse_manifest
from d8_installer.model.platform import Platform
from d8_installer.testing.memory import child_entry, image_index, image_manifest
from tests.strategies import LINUX, LINUX_ARM

if TYPE_CHECKING:
    from d8_installer.model.contract import Contract
    from d8_installer.model.digest import Digest
    from d8_installer.model.oci import ImageIndex, ImageManifest
    from d8_installer.model.version import Compat

ATTESTATION = Platform("unknown", "unknown")


def annotated(**members: object) -> dict[str, str]:
    return {"contract": base64.b64encode(json.dumps(members).encode()).decode()}


class Image:
    """An index whose children carry annotations, and what was asked for."""

    def __init__(self, *children: tuple[Platform | None, dict[str, str]], top: dict[str, str] | None = None) -> None:
        builds = [image_manifest([str(number).encode()], notes) for number, (_, notes) in enumerate(children)]
        entries = [child_entry(build, platform) for build, (platform, _) in zip(builds, children, strict=True)]
        index = json.loads(image_index(entries).raw) | {"annotations": top or {}}
        self.top = parse_manifest(json.dumps(index).encode())
        self.children = {build.digest: parse_manifest(build.raw) for build in builds}
        self.order = [build.digest for build in builds]

    def asked(self, compat: Compat = "d8") -> list[int]:
        return [self.order.index(digest) for digest in children_to_read(self.top, compat=compat)]

    def contract(self, compat: Compat = "d8") -> Contract | None:
        asked: dict[Digest, ImageIndex | ImageManifest] = {
            digest: self.children[digest] for digest in children_to_read(self.top, compat=compat)
        }
        return contract_in(self.top, asked, "beta", "v1", compat=compat)


def test_the_annotation_of_the_index_wins_and_no_child_is_asked_for() -> None:
    image = Image((LINUX, annotated(description="child")), top=annotated(description="index"))
    assert image.asked() == []
    assert image.contract() == image.contract("go")
    assert (found := image.contract()) is not None
    assert (found.name, found.version, found.description) == ("beta", "v1", "index")


def test_an_attestation_that_comes_first_hides_nothing() -> None:
    image = Image((ATTESTATION, {}), (LINUX, annotated(description="d")), (LINUX, {}), (LINUX_ARM, {}))
    assert image.asked() == [1, 3]
    assert (found := image.contract()) is not None
    assert found.description == "d"
    assert image.asked("go") == [0]
    assert image.contract("go") is None


def test_builds_must_agree_as_values_and_not_as_bytes() -> None:
    spelled = {"contract": base64.b64encode(b"description: d\nenv: []\n").decode()}
    assert Image((LINUX, annotated(description="d")), (LINUX_ARM, spelled)).contract() is not None
    differing = Image((LINUX, annotated(description="d")), (LINUX_ARM, annotated(description="e")))
    with pytest.raises(DocumentError, match="the builds of beta v1 carry contracts that differ"):
        differing.contract()
    assert (found := differing.contract("go")) is not None
    assert found.description == "d"


def test_an_empty_annotation_counts_as_none() -> None:
    image = Image((LINUX, annotated(description="d")), top={"contract": ""})
    assert (found := image.contract()) is not None
    assert found.description == "d"


def test_a_single_manifest_may_carry_one() -> None:
    notes = annotated(description="d")
    single = parse_manifest(image_manifest([b"x"], notes).raw)
    assert (found := contract_in(single, {}, "beta", "v1")) is not None
    assert found.description == "d"
    assert contract_in(parse_manifest(image_manifest([b"x"]).raw), {}, "beta", "v1") is None


def test_the_name_of_the_image_is_used_and_the_other_one_is_told() -> None:
    image = Image((LINUX, {}), top=annotated(name="gamma"))
    assert (found := image.contract()) is not None
    assert found.name == "beta"
    assert misnamed(found) == "the contract of beta v1 calls it 'gamma'"
    assert '"name": "beta"' in found.render()
    assert (go := image.contract("go")) is not None
    assert go.name == "gamma"
    assert misnamed(go) is None

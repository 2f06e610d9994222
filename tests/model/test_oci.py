"""OCI's documents from hostile hands: a value or a MismatchError, and unknown members do not matter."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import MismatchError
from d8_installer.model.digest import Digest
from d8_installer.model.oci import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    MAX_MANIFEST_BYTES,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
    ImageIndex,
    ImageManifest,
    parse_manifest,
)
from d8_installer.model.platform import Platform
from tests.reaching import reached, reaches
from tests.strategies import (
    LINUX,
    MAC,
    WINDOWS,
    any_bytes,
    descriptor,
    digests,
    image_index,
    image_manifest,
    json_values,
    platform_entry,
    platforms,
    steady,
)

ENTRY = descriptor(b"x")
UNKNOWN = Platform("unknown", "unknown")


def parse(document: object) -> ImageIndex | ImageManifest:
    return parse_manifest(json.dumps(document).encode())


def parse_index(*entries: dict[str, object]) -> ImageIndex:
    index = parse_manifest(image_index(entries))
    assert isinstance(index, ImageIndex)
    return index


# -- what is read --------------------------------------------------------------------------------------------


@steady
@given(st.lists(st.tuples(digests, st.integers(0, (1 << 62) - 1), platforms | st.none()), max_size=4))
def test_an_index_says_its_children_in_their_order(children: list[tuple[Digest, int, Platform | None]]) -> None:
    entries = [
        descriptor(b"", digest=str(digest), size=size, platform=platform and platform_entry(platform))
        for digest, size, platform in children
    ]
    index = parse_index(*entries)
    assert index.children == tuple(
        Descriptor(media_type=OCI_MANIFEST, digest=digest, size=size, platform=platform)
        for digest, size, platform in children
    )
    assert index.platforms == tuple(sorted({platform for _, _, platform in children if platform}))
    for platform in (LINUX, MAC, WINDOWS):
        firsts = [child for child in index.children if child.platform == platform]
        assert index.child_for(platform) == (firsts[0] if firsts else None)


def test_a_manifest_says_its_layers() -> None:
    manifest = parse_manifest(image_manifest(b"low", b"high"))
    assert isinstance(manifest, ImageManifest)
    assert manifest.layers == tuple(
        Descriptor(media_type=OCI_LAYER_GZIP, digest=Digest.of(d), size=len(d)) for d in (b"low", b"high")
    )
    assert manifest.config is not None
    assert manifest.config.digest == Digest.of(b"{}")


@pytest.mark.parametrize("media_type", [None, OCI_INDEX, DOCKER_LIST])
@pytest.mark.parametrize("rest", [{"manifests": []}, {"manifests": None}, {"manifests": [ENTRY], "config": ENTRY}])
def test_indexes(media_type: str | None, rest: dict[str, object]) -> None:
    document = rest if media_type is None else {"mediaType": media_type, **rest}
    index = parse(document)
    assert isinstance(index, ImageIndex)
    assert index.media_type == (media_type or OCI_INDEX)


@pytest.mark.parametrize("media_type", [None, OCI_MANIFEST, DOCKER_MANIFEST])
@pytest.mark.parametrize("rest", [{"layers": []}, {"layers": [ENTRY], "config": ENTRY}, {"layers": [], "config": None}])
def test_manifests(media_type: str | None, rest: dict[str, object]) -> None:
    document = rest if media_type is None else {"mediaType": media_type, **rest}
    manifest = parse(document)
    assert isinstance(manifest, ImageManifest)
    assert manifest.media_type == (media_type or OCI_MANIFEST)
    assert (manifest.config is None) == (not rest.get("config"))


@pytest.mark.parametrize("media_type", [OCI_INDEX, OCI_MANIFEST])
def test_lists_may_fail_where_the_type_is_said(media_type: str) -> None:
    assert parse({"mediaType": media_type}).media_type == media_type


def test_annotations_are_text_or_nothing() -> None:
    annotations = {"contract": "e30=", "number": 3, "nothing": None}
    index = parse({"manifests": [{**ENTRY, "annotations": annotations}], "annotations": annotations})
    assert isinstance(index, ImageIndex)
    assert index.annotations == index.children[0].annotations == {"contract": "e30="}
    assert parse({"layers": [], "annotations": ["x"]}).annotations == {}


@steady
@given(st.dictionaries(st.text(max_size=5).map(lambda key: f"x{key}"), json_values, max_size=3))
def test_unknown_members_do_not_matter(more: dict[str, object]) -> None:
    assert parse({**more, "manifests": [{**more, **ENTRY}]}) == parse({"manifests": [ENTRY]})


@pytest.mark.parametrize(
    "platform",
    [
        None,
        {},
        "linux-amd64",
        [],
        {"os": "linux"},
        {"os": "Linux", "architecture": "amd64"},
        {"os": None},
        {"os": "a-b", "architecture": "c"},
        {"os": ["linux"], "architecture": "amd64"},
    ],
)
def test_a_child_without_a_plain_platform_matches_nothing(platform: object) -> None:
    index = parse_index(descriptor(b"x", platform=platform))
    assert (index.children[0].platform, index.platforms) == (None, ())


def test_attestations_are_no_platform() -> None:
    index = parse_index(descriptor(b"x", platform=platform_entry(UNKNOWN)))
    assert index.platforms == ()


def test_variants_are_not_compared() -> None:
    variant = {"os": "linux", "architecture": "arm", "variant": "v7", "os.version": "1", "os.features": ["x"]}
    assert parse_index(descriptor(b"x", platform=variant)).platforms == (Platform("linux", "arm"),)


@pytest.mark.parametrize(("media_type", "nested"), [(OCI_INDEX, True), (DOCKER_LIST, True), (OCI_MANIFEST, False)])
def test_nested_indexes_are_known(media_type: str, nested: bool) -> None:
    assert parse_index(descriptor(b"x", mediaType=media_type)).children[0].is_index is nested


# -- what is not ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "neither an image index nor an image manifest"),
        ([], "is JSON, but not an object"),
        ("x", "is JSON, but not an object"),
        ({"manifests": [], "layers": []}, "neither"),
        ({"mediaType": OCI_INDEX, "manifests": [], "layers": []}, "neither"),
        ({"mediaType": OCI_MANIFEST, "manifests": [], "layers": []}, "neither"),
        ({"mediaType": OCI_MANIFEST, "manifests": []}, "neither"),
        ({"mediaType": "text/html", "layers": []}, "neither"),
        ({"mediaType": ["x"], "layers": []}, "neither"),
        ({"mediaType": {}, "manifests": []}, "neither"),
        ({"manifests": {}}, "manifests: must be a list"),
        ({"manifests": [3]}, r"manifests\[0\]: must be an object"),
        ({"manifests": [ENTRY, {**ENTRY, "size": "1"}]}, r"manifests\[1\]\.size: must be a number of bytes"),
        ({"layers": [{**ENTRY, "size": -1}]}, r"layers\[0\]\.size: must be"),
        ({"layers": [{**ENTRY, "size": True}]}, r"layers\[0\]\.size: must be"),
        ({"layers": [{**ENTRY, "size": 1.0}]}, r"layers\[0\]\.size: must be"),
        ({"layers": [{**ENTRY, "size": 1 << 62}]}, r"layers\[0\]\.size: must be"),
        ({"layers": [{**ENTRY, "mediaType": None}]}, r"layers\[0\]\.mediaType: must be text"),
        ({"layers": [{**ENTRY, "digest": "sha512:" + "a" * 128}]}, r"layers\[0\]\.digest: .* is not a digest"),
        ({"layers": [{**ENTRY, "digest": None}]}, r"layers\[0\]\.digest: 'None' is not a digest"),
        ({"layers": [], "config": {}}, r"config\.size"),
        ({"manifests": [ENTRY] * 1025}, "manifests: has 1025 entries; at most 1024"),
    ],
)
def test_refusals(document: object, message: str) -> None:
    with pytest.raises(MismatchError, match=message):
        parse(document)


@pytest.mark.parametrize("raw", [b"<html>", b"", b"\xff\xfe", b"{", b"[" * 5000, b'{"a":' * 5000, b"1" * 5000])
def test_no_json(raw: bytes) -> None:
    with pytest.raises(MismatchError, match="this manifest is") as caught:
        parse_manifest(raw)
    assert len(caught.value.message) < 300


def test_a_manifest_has_at_most_a_mebibyte() -> None:
    raw = image_manifest(b"x")
    padded = raw + b" " * (MAX_MANIFEST_BYTES - len(raw))
    assert parse_manifest(padded) == parse_manifest(raw)
    with pytest.raises(MismatchError, match="at most 1048576 are read"):
        parse_manifest(padded + b" ")


@steady
@given(any_bytes | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(MismatchError):
        parse_manifest(raw)


@reaches("read", "refused")
@steady
@given(st.sampled_from([image_manifest(b"a", b"b"), image_index([ENTRY, ENTRY])]), st.data())
def test_any_changed_value_is_read_or_refused(raw: bytes, data: st.DataObject) -> None:
    document = json.loads(raw)
    entries = document.get("manifests") or [*document["layers"], document["config"]]
    holder = data.draw(st.sampled_from([document, *entries]))
    holder[data.draw(st.sampled_from(sorted(holder)))] = data.draw(json_values)
    try:
        assert parse(document).media_type
        reached("read")
    except MismatchError as error:
        reached("refused")
        assert len(error.message) < 600


@pytest.mark.parametrize(
    "raw",
    [b'{"manifests": [' + b"{}," * 300_000 + b"{}]}", b'{"x": "' + b"\\n" * 500_000 + b'"}', b"[" * MAX_MANIFEST_BYTES],
    ids=range(3),
)
def test_a_mebibyte_is_refused_soon(raw: bytes) -> None:
    started = time.process_time()
    with pytest.raises(MismatchError):
        parse_manifest(raw)
    assert time.process_time() - started < 2


def test_only_the_last_layer_needs_a_sha256_digest() -> None:
    """Configs and lower layers are never fetched."""
    foreign = {**ENTRY, "digest": f"sha512:{'a' * 128}"}
    found = parse_manifest(json.dumps({"layers": [foreign, ENTRY], "config": foreign}).encode())
    assert isinstance(found, ImageManifest)
    assert (found.config, len(found.layers), found.depth) == (None, 1, 2)
    with pytest.raises(MismatchError, match="only sha256 is supported"):
        parse_manifest(json.dumps({"layers": [ENTRY, foreign]}).encode())

"""OCI layouts: what is written can be read, by us and by skopeo; nothing is lost, nothing escapes."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import d8_installer
from d8_installer.errors import ConfigError, D8Error, DiskError, MismatchError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.oci import OCI_MANIFEST
from d8_installer.model.source import ManifestBytes
from d8_installer.registry.oci_layout import REF_NAME, LayoutDestination, LayoutSource
from d8_installer.testing.contract import PLATFORMS, Sample, SourceContract, read_layer
from d8_installer.testing.memory import image_manifest
from tests.reaching import reached, reaches, spoilt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from d8_installer.model.source import Source
    from d8_installer.testing.docker_registry import RunningRegistry

ROOT = os.path.dirname(os.path.dirname(d8_installer.__file__))
IMAGE = "deckhouse-cli/plugins/x"


def opener(data: bytes) -> Callable[[], io.BytesIO]:
    return lambda: io.BytesIO(data)


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def sample() -> Sample:
    return Sample.make("layout")


class TestContract(SourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path, sample: Sample) -> Source:
        sample.publish(LayoutDestination(str(tmp_path)))
        return LayoutSource(str(tmp_path))


def test_a_layout_is_what_the_image_spec_says(tmp_path: Path, sample: Sample) -> None:
    sample.publish(LayoutDestination(str(tmp_path)))
    repository = tmp_path / sample.image
    assert json.loads((repository / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((repository / "index.json").read_bytes())
    assert [entry["annotations"][REF_NAME] for entry in index["manifests"]] == ["v1.0.0", "v1.2.3"]
    assert {entry["size"] for entry in index["manifests"]} == {len(sample.single.raw), len(sample.index.raw)}
    blobs = list((repository / "blobs" / "sha256").iterdir())
    assert all(Digest.of(blob.read_bytes()).hex == blob.name for blob in blobs)
    assert len(blobs) == 1 + 3 + 3 + 1


def test_publishing_again_changes_no_byte(tmp_path: Path, sample: Sample) -> None:
    sample.publish(LayoutDestination(str(tmp_path)))
    before, written = tree(tmp_path), (tmp_path / sample.image / "index.json").stat().st_mtime_ns
    sample.publish(LayoutDestination(str(tmp_path)))
    assert tree(tmp_path) == before
    assert (tmp_path / sample.image / "index.json").stat().st_mtime_ns == written


@settings(deadline=None, max_examples=30)
@given(
    tags=st.lists(st.from_regex(r"\A[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}\Z"), min_size=1, max_size=6, unique=True),
    blobs=st.lists(st.binary(max_size=50), max_size=4),
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, tags: list[str], blobs: list[bytes]) -> None:
    root = str(tmp_path_factory.mktemp("layout"))
    destination = LayoutDestination(root)
    manifests = {tag: image_manifest(blobs, {"tag": tag}) for tag in tags}
    for blob in blobs:
        destination.put_blob(IMAGE, Digest.of(blob), len(blob), opener(blob))
        assert destination.has_blob(IMAGE, Digest.of(blob))
    for tag, manifest in manifests.items():
        assert destination.tag_digest(IMAGE, tag) is None
        destination.put_manifest(IMAGE, tag, manifest)
    source = LayoutSource(root)
    assert list(source.tags(IMAGE)) == sorted(tags)
    for tag, manifest in manifests.items():
        assert source.manifest(IMAGE, tag) == source.manifest(IMAGE, str(manifest.digest)) == manifest
        assert destination.tag_digest(IMAGE, tag) == manifest.digest


def test_a_moved_tag_is_seen_at_once_and_leaves_the_others(tmp_path: Path, sample: Sample) -> None:
    destination = LayoutDestination(str(tmp_path))
    sample.publish(destination)
    source = LayoutSource(str(tmp_path))
    assert source.manifest(sample.image, sample.tag) == sample.index
    destination.put_manifest(sample.image, sample.tag, sample.single)
    assert source.manifest(sample.image, sample.tag) == sample.single
    assert list(source.tags(sample.image)) == [sample.single_tag, sample.tag]


def test_an_unchanged_index_is_parsed_once(tmp_path: Path, sample: Sample) -> None:
    sample.publish(LayoutDestination(str(tmp_path)))
    source = LayoutSource(str(tmp_path))
    source.tags(sample.image)
    index = tmp_path / sample.image / "index.json"
    before = index.stat()
    # The same file, size and time with other bytes can be told apart only by reading it.
    index.write_bytes(b"?" * before.st_size)
    os.utime(index, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert sample.tag in source.tags(sample.image)
    os.utime(index, ns=(before.st_atime_ns, before.st_mtime_ns + 100))  # NTFS counts in 100 ns
    with pytest.raises(MismatchError):
        source.tags(sample.image)


def test_two_publishers_lose_nothing(tmp_path: Path) -> None:
    def publish(number: int) -> None:
        LayoutDestination(str(tmp_path)).put_manifest(IMAGE, f"v{number}", image_manifest([], {"n": str(number)}))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(publish, range(40)))
    assert set(LayoutSource(str(tmp_path)).tags(IMAGE)) == {f"v{number}" for number in range(40)}


PUBLISHER = """
import sys
from d8_installer.registry.oci_layout import LayoutDestination
from d8_installer.testing.memory import image_manifest
for n in range(15):
    tag = f"v{n}-{sys.argv[2]}"
    LayoutDestination(sys.argv[1]).put_manifest("deckhouse-cli", tag, image_manifest([], {"tag": tag}))
"""


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PUBLISHER, str(tmp_path)]
    publishers = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("a", "b", "c")]
    assert [publisher.wait(60) for publisher in publishers] == [0, 0, 0]
    assert len(LayoutSource(str(tmp_path)).tags("deckhouse-cli")) == 45


def test_a_reader_sees_only_whole_indexes(tmp_path: Path) -> None:
    destination, done = LayoutDestination(str(tmp_path)), threading.Event()
    destination.put_manifest(IMAGE, "v", image_manifest([]))
    source = LayoutSource(str(tmp_path))
    pause = 0.02 if os.name == "nt" else 0  # a file that is always open can never be replaced there

    def publish() -> None:
        for number in range(40):
            destination.put_manifest(IMAGE, f"v{number}", image_manifest([], {"n": str(number)}))
        done.set()

    with ThreadPoolExecutor(1) as pool:
        publishing = pool.submit(publish)
        while not done.wait(pause) and not publishing.done():
            assert "v" in source.tags(IMAGE)
        publishing.result()


@pytest.mark.parametrize("claimed", [(b"other", 5), (b"right", 4), (b"right", 6)])
def test_wrong_bytes_get_no_name(tmp_path: Path, claimed: tuple[bytes, int]) -> None:
    destination = LayoutDestination(str(tmp_path))
    with pytest.raises(MismatchError, match="5 bytes"):
        destination.put_blob(IMAGE, Digest.of(claimed[0]), claimed[1], opener(b"right"))
    assert tree(tmp_path) == {}
    assert not destination.has_blob(IMAGE, Digest.of(claimed[0]))


def test_a_manifest_under_a_false_digest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MismatchError):
        LayoutDestination(str(tmp_path)).put_manifest(IMAGE, f"sha256:{'0' * 64}", image_manifest([]))


def test_an_interrupted_write_leaves_no_file(tmp_path: Path) -> None:
    class Interrupting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        LayoutDestination(str(tmp_path)).put_blob(IMAGE, Digest.of(b""), 0, Interrupting)
    assert tree(tmp_path) == {}


def test_a_full_disk_is_a_disk_error(tmp_path: Path) -> None:
    class Full(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DiskError, match="no space left"):
        LayoutDestination(str(tmp_path)).put_blob(IMAGE, Digest.of(b""), 0, Full)


def test_a_file_in_the_way_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "deckhouse-cli").write_text("in the way")
    with pytest.raises(DiskError) as caught:
        LayoutDestination(str(tmp_path)).put_manifest(IMAGE, "v1", image_manifest([]))
    assert caught.value.hint
    with pytest.raises(NotFoundError):
        LayoutSource(str(tmp_path)).tags(IMAGE)


@pytest.mark.parametrize("image", ["../x", "..", "", "/", "a/../../x", "a//b", "a\x00b", "A", "a\\b"])
def test_a_hostile_image_touches_nothing(tmp_path: Path, image: str) -> None:
    root = tmp_path / "inside"
    root.mkdir()
    destination = LayoutDestination(str(root))
    with pytest.raises(NotFoundError):
        destination.put_manifest(image, "v1", image_manifest([]))
    with pytest.raises(NotFoundError):
        destination.put_blob(image, Digest.of(b""), 0, opener(b""))
    assert list(tmp_path.rglob("*")) == [root]


def test_a_blob_that_is_a_link_is_not_followed(tmp_path: Path, sample: Sample) -> None:
    root = tmp_path / "layout"
    sample.publish(LayoutDestination(str(root)))
    secret = tmp_path / "secret"
    request = sample.request(PLATFORMS[0])
    blob = root / sample.image / "blobs" / "sha256" / request.layer.hex
    blob.rename(secret)
    blob.symlink_to(secret)
    with pytest.raises(NotFoundError):
        read_layer(LayoutSource(str(root)), request)


def test_no_directory_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        LayoutSource(str(tmp_path / "nowhere"))
    assert caught.value.hint


TWO_TAGS = json.dumps({
    "schemaVersion": 2,
    "manifests": [
        {"mediaType": OCI_MANIFEST, "digest": f"sha256:{n * 64}", "size": 2, "annotations": {REF_NAME: f"v{n}"}}
        for n in "12"
    ],
}).encode()  # fmt: skip


@reaches("tags", "refused")
@given(raw=st.binary(max_size=200) | spoilt([TWO_TAGS]) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["manifests", "digest", "mediaType", "annotations", REF_NAME]), inner, max_size=4),
    max_leaves=20,
).map(lambda document: json.dumps(document).encode()))  # fmt: skip
def test_any_index_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    root = tmp_path_factory.mktemp("layout")
    (root / "x").mkdir()
    (root / "x" / "index.json").write_bytes(raw)
    source = LayoutSource(str(root))
    try:
        tags = source.tags("x")
    except D8Error:
        reached("refused")
        return
    reached("tags" if tags else "no tags")
    for tag in tags:
        with suppress(D8Error):
            source.manifest("x", tag)


@pytest.mark.parametrize(
    ("annotations", "tags"),
    [
        ({REF_NAME: "v1"}, ["v1"]),
        ({REF_NAME: "registry.example:5000/deckhouse-cli/plugins/x:v1"}, ["v1"]),
        ({REF_NAME: "registry.example/x:v2", "io.deckhouse.image.short_tag": "v1"}, ["v1"]),
        ({"io.containerd.image.name": "x:v1", REF_NAME: "v1"}, ["v1"]),
        ({REF_NAME: "not a tag"}, []),
        ({REF_NAME: 7}, []),
        ({}, []),
        (None, []),
    ],
)
def test_tags_as_others_spell_them(tmp_path: Path, annotations: dict[str, object] | None, tags: list[str]) -> None:
    manifest = image_manifest([])
    LayoutDestination(str(tmp_path)).put_manifest(IMAGE, str(manifest.digest), manifest)
    entry = {"mediaType": OCI_MANIFEST, "digest": str(manifest.digest), "size": 1, "annotations": annotations}
    (tmp_path / IMAGE / "index.json").write_text(json.dumps({"manifests": [entry]}))
    source = LayoutSource(str(tmp_path))
    assert list(source.tags(IMAGE)) == tags
    assert all(source.manifest(IMAGE, tag) == manifest for tag in tags)


def test_entries_of_others_are_kept(tmp_path: Path) -> None:
    strange = {"mediaType": "text/plain", "digest": f"sha512:{'a' * 128}", "size": 3, "x-unknown": [1]}
    repository = tmp_path / IMAGE
    repository.mkdir(parents=True)
    (repository / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [strange]}))
    LayoutDestination(str(tmp_path)).put_manifest(IMAGE, "v1", image_manifest([]))
    assert strange in json.loads((repository / "index.json").read_bytes())["manifests"]
    assert list(LayoutSource(str(tmp_path)).tags(IMAGE)) == ["v1"]


def test_a_blob_that_is_no_manifest_is_none(tmp_path: Path) -> None:
    destination = LayoutDestination(str(tmp_path))
    destination.put_manifest(IMAGE, "v1", image_manifest([]))
    destination.put_blob(IMAGE, Digest.of(b"{}"), 2, opener(b"{}"))
    with pytest.raises(MismatchError):
        LayoutSource(str(tmp_path)).manifest(IMAGE, str(Digest.of(b"{}")))
    big = ManifestBytes(b" " * (1 << 20) + b"{}", OCI_MANIFEST)
    destination.put_manifest(IMAGE, "v2", big)
    with pytest.raises(MismatchError, match="more than"):
        LayoutSource(str(tmp_path)).manifest(IMAGE, "v2")


def skopeo(*arguments: str) -> bytes:
    program = shutil.which("skopeo")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("skopeo is not on PATH")
        pytest.skip("skopeo is not on PATH")
    done = subprocess.run([program, *arguments], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.registry
def test_skopeo_writes_what_we_read(tmp_path: Path, registry: RunningRegistry) -> None:
    sample = Sample.make("skopeo-writes", size=1000)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    sample.publish(LayoutDestination(str(ours)))
    (theirs / sample.image).parent.mkdir(parents=True)
    remote = f"docker://{registry.host}/{sample.image}:{sample.tag}"
    skopeo("copy", "--all", "--dest-tls-verify=false", f"oci:{ours}/{sample.image}:{sample.tag}", remote)
    assert skopeo("inspect", "--raw", "--tls-verify=false", remote) == sample.index.raw
    skopeo("copy", "--all", "--src-tls-verify=false", remote, f"oci:{theirs}/{sample.image}:{sample.tag}")
    source = LayoutSource(str(theirs))
    assert list(source.tags(sample.image)) == [sample.tag]
    assert source.manifest(sample.image, sample.tag) == sample.index
    for platform, layer in sample.layers.items():
        assert read_layer(source, sample.request(platform)) == layer


def test_skopeo_and_we_take_turns_in_one_layout(tmp_path: Path) -> None:
    sample = Sample.make("turns", size=1000)
    here = f"oci:{tmp_path}/{sample.image}"
    sample.publish(LayoutDestination(str(tmp_path)))
    assert skopeo("inspect", "--raw", f"{here}:{sample.tag}") == sample.index.raw
    skopeo("copy", "--all", f"{here}:{sample.tag}", f"{here}:v2")
    sample.publish(LayoutDestination(str(tmp_path)))
    assert set(LayoutSource(str(tmp_path)).tags(sample.image)) == {sample.tag, sample.single_tag, "v2"}
    assert skopeo("inspect", "--raw", f"{here}:v2") == sample.index.raw

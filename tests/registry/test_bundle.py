"""Bundle files: a Source as any other, and nothing else than what we write is read."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d8_installer.errors import ConfigError, D8Error, MismatchError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.registry import bundle as form
from d8_installer.registry.bundle import BundleSource
from d8_installer.testing.contract import PLATFORMS, Sample, SourceContract, read_layer
from tests.forms import examples
from tests.reaching import reached, reaches

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from d8_installer.model.source import Source


@pytest.fixture
def sample() -> Sample:
    return Sample.make("bundled")


def members(sample: Sample) -> dict[str, bytes]:
    manifests = [sample.index, *sample.children.values()]
    tops = [(sample.image, sample.tag, sample.index), (sample.image, sample.single_tag, sample.single)]
    blobs = [manifest.raw for manifest in manifests] + list(sample.layers.values())
    return {
        form.LAYOUT: form.MARKER,
        form.INDEX: form.index_json(tops),
        form.LOCK: b"lock_version = 1\nimages = []\n",
        **{form.blob_name(Digest.of(blob)): blob for blob in blobs},
    }


def packed(content: Mapping[str, bytes]) -> bytes:
    raw = b"".join(form.header(name, len(data)) + data + form.padding(len(data)) for name, data in content.items())
    return raw + form.end(len(raw))


def saved(path: Path, raw: bytes) -> BundleSource:
    path.write_bytes(raw)
    return BundleSource(str(path))


class TestContract(SourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path, sample: Sample) -> Source:
        return saved(tmp_path / "b", packed(members(sample)))


def test_any_tar_reads_it_and_finds_an_oci_layout(tmp_path: Path, sample: Sample) -> None:
    raw = packed(members(sample))
    assert len(raw) % 10240 == 0
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        assert archive.getnames() == list(members(sample))
        assert {(m.mode, m.uid, m.gid, m.mtime, m.isreg()) for m in archive} == {(0o644, 0, 0, 0, True)}


def test_what_is_missing_is_named(tmp_path: Path, sample: Sample) -> None:
    content = members(sample)
    del content[form.blob_name(Digest.of(sample.layers[PLATFORMS[1]]))]
    source = saved(tmp_path / "b", packed(content))
    assert read_layer(source, sample.request(PLATFORMS[0])) == sample.layers[PLATFORMS[0]]
    with pytest.raises(NotFoundError, match=r"no layer .* for linux-arm64") as error:
        read_layer(source, sample.request(PLATFORMS[1]))
    assert "--platform" in (error.value.hint or "")
    with pytest.raises(ConfigError, match="no such file"):
        BundleSource(str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="directory"):
        BundleSource(str(tmp_path))


def foreign(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "", mode: int = 0o644) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname, member.mode = kind, size, link, mode
    return member.tobuf(tarfile.GNU_FORMAT)


HOSTILE = {
    "empty": b"",
    "short": b"x" * 100,
    "noise": bytes(range(256)) * 4,
    "no end": packed({form.LAYOUT: form.MARKER})[:1024],
    "nothing in it": form.end(0),
    "another tar": foreign("oci-layout") + form.end(512),
    "a path": form.header("../outside", 0) + form.end(512),
    "an absolute path": form.header("/etc/passwd", 0) + form.end(512),
    "a name of ours, more behind it": form.header("index.json/x", 0) + form.end(512),
    "a link": foreign("d8.lock", tarfile.SYMTYPE, link="/etc/passwd") + form.end(512),
    "a directory": foreign("blobs/", tarfile.DIRTYPE) + form.end(512),
    "executable": foreign("d8.lock", mode=0o755) + form.end(512),
    "twice": packed({form.LAYOUT: form.MARKER})[:1024] + packed({form.LAYOUT: form.MARKER}),
    "longer than the file": form.header("d8.lock", 1 << 32) + form.end(512),
    "bad sum": b"oci-layouX" + form.header("oci-layout", 0)[10:] + form.end(512),
    "another layout": packed({form.LAYOUT: b'{"imageLayoutVersion":"2.0.0"}', form.INDEX: b"{}"}),
    "no index": packed({form.LAYOUT: form.MARKER}),
    "index is not an index": packed({form.LAYOUT: form.MARKER, form.INDEX: b"[1, 2"}),
    "index of another shape": packed({form.LAYOUT: form.MARKER, form.INDEX: b'{"manifests": [{"annotations": 3}]}'}),
    "deep": packed({form.LAYOUT: form.MARKER, form.INDEX: b"[" * 100_000}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises((MismatchError, NotFoundError)) as error:
        saved(tmp_path / "b", HOSTILE[name])
    assert error.value.hint


def one_error(raw: bytes, path: Path) -> MismatchError:
    with pytest.raises(MismatchError) as error:
        saved(path, raw)
    return error.value


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, sample: Sample) -> None:
    """One cause in each message: a bundle that was cut is copied anew, another tar was never one."""
    whole, file = packed(members(sample)), tmp_path / "b"
    twice = packed({form.LAYOUT: form.MARKER})[:1024] + packed({form.LAYOUT: form.MARKER})
    assert str(one_error(twice, file)).endswith("is not a bundle: it has oci-layout twice")
    assert str(one_error(form.header("d8.lock", 1 << 32) + form.end(512), file)).endswith("in the middle of d8.lock")
    for less in (1, 512, 1024, 9000):
        error = one_error(whole[:-less], file)
        assert "is cut" in str(error) or "a cut one" in str(error)
        assert "copy the bundle again" in (error.hint or "")
    for more in (b"\0", b"\0" * 10240, b"x", whole):
        assert "something follows" in str(one_error(whole + more, file))
    assert "something follows" in str(one_error(whole[:-1] + b"x", file))


def test_a_damaged_manifest_is_the_bundles_fault(tmp_path: Path, sample: Sample) -> None:
    content = members(sample)
    name = form.blob_name(sample.index.digest)
    source = saved(tmp_path / "b", packed(content | {name: b"<html>".ljust(len(content[name]))}))
    for ref in (sample.tag, str(sample.index.digest)):
        with pytest.raises(MismatchError, match=r"b: the blob sha256:\w+ is damaged") as error:
            source.manifest(sample.image, ref)
        assert "copy the bundle again" in (error.value.hint or "")


@pytest.mark.skipif(os.name != "posix", reason="makes a pipe")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="not a regular file"):
        BundleSource(str(tmp_path / "pipe"))


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: Sample) -> None:
    monkeypatch.setattr(form, "MAX_MEMBERS", 3)
    with pytest.raises(MismatchError):
        saved(tmp_path / "b", packed(members(sample)))


def test_a_file_that_changes_is_noticed(tmp_path: Path, sample: Sample) -> None:
    source = saved(tmp_path / "b", packed(members(sample)))
    os.utime(tmp_path / "b", ns=(1, 1))
    with pytest.raises(MismatchError, match="changed"):
        source.manifest(sample.image, sample.tag)


SMALL = Sample.make("small", size=200)
WHOLE = packed(members(SMALL))


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, len(WHOLE) * 8 - 1))
def test_a_flipped_bit_is_refused_or_changes_a_blob_or_nothing(tmp_path: Path, bit: int) -> None:
    raw = bytearray(WHOLE)
    raw[bit // 8] ^= 1 << bit % 8
    try:
        source = saved(tmp_path / "b", bytes(raw))
        answers = [source.manifest(SMALL.image, str(m.digest)) for m in (SMALL.index, *SMALL.children.values())]
        layers = {platform: read_layer(source, SMALL.request(platform)) for platform in PLATFORMS}
        top = source.manifest(SMALL.image, SMALL.tag)
    except D8Error:
        return
    asked = [SMALL.index, *SMALL.children.values()]
    right = [answer.digest == one.digest for answer, one in zip(answers, asked, strict=True)]
    wrong = right.count(False) + sum(layers[p] != SMALL.layers[p] for p in PLATFORMS)
    assert wrong <= 1, "one bit, one blob, which its digest betrays"
    assert wrong == 1 or top == SMALL.index


@reaches("a manifest", "refused")
@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=2048), st.integers(0, len(WHOLE)))
def test_anything_is_a_source_or_an_error(tmp_path: Path, noise: bytes, at: int) -> None:
    for raw in (noise, WHOLE[:at], WHOLE[:at] + noise + WHOLE[at + len(noise) :]):
        try:
            found = saved(tmp_path / "b", raw).manifest(SMALL.image, SMALL.tag)
        except D8Error:
            reached("refused")
            continue
        reached("a manifest")
        assert found.raw

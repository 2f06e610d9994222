"""An image is the same bytes for the same input, holds what clients look for, and is pushed tag last."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import MismatchError, UsageError
from d8_installer.model.digest import Digest
from d8_installer.model.oci import OCI_CONFIG, OCI_LAYER_GZIP, Descriptor, ImageIndex, ImageManifest, parse_manifest
from d8_installer.model.platform import Platform
from d8_installer.model.reference import CLI_IMAGE, ImageName
from d8_installer.publish import image as image_module
from d8_installer.publish.image import ImageOptions, build_image
from d8_installer.publish.push import publish
from d8_installer.registry.oci_layout import LayoutDestination, LayoutSource
from d8_installer.store.unpack import Layer, unpack
from tests.images import windows_program
from tests.store.layers import Kept

if TYPE_CHECKING:
    from pathlib import Path

    from d8_installer.model.source import ManifestBytes
from tests.publish.recorder import AMD64, ARM64, CONTENT, DARWIN, STRONGHOLD, TAG, Recorder, pushed

WINDOWS = Platform("windows", "amd64")


def folder_of(tmp_path: Path, **files: bytes) -> str:
    root = tmp_path / "folder"
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return str(root)


def built_in(folder: Path, builds: list[tuple[Platform, str]], options: ImageOptions | None = None) -> ManifestBytes:
    folder.mkdir()
    return build_image(builds, STRONGHOLD, TAG, str(folder), options or ImageOptions()).index


def archive_of(recorder: Recorder, platform: Platform) -> tarfile.TarFile:
    index = parse_manifest(recorder.manifests[TAG].raw)
    assert isinstance(index, ImageIndex)
    child = index.child_for(platform)
    assert child is not None
    manifest = parse_manifest(recorder.manifests[str(child.digest)].raw)
    assert isinstance(manifest, ImageManifest)
    return tarfile.open(fileobj=io.BytesIO(gzip.decompress(recorder.blobs[manifest.layers[-1].digest])))


# -- the documents ---------------------------------------------------------------------------------------


def test_the_documents_say_what_the_bytes_are(builds: list[tuple[Platform, str]]) -> None:
    recorder = pushed(builds)
    index = parse_manifest(recorder.manifests[TAG].raw)
    assert isinstance(index, ImageIndex)
    assert [child.platform for child in index.children] == sorted(CONTENT)
    assert index.annotations == {
        "org.opencontainers.image.title": "stronghold",
        "org.opencontainers.image.version": TAG,
    }
    for child in index.children:
        raw = recorder.manifests[str(child.digest)].raw
        assert (child.digest, child.size) == (Digest.of(raw), len(raw))
        manifest = parse_manifest(raw)
        assert isinstance(manifest, ImageManifest)
        assert manifest.config is not None
        check_child(recorder, child, manifest.config, manifest.layers)


def check_child(recorder: Recorder, child: Descriptor, config: Descriptor, layers: tuple[Descriptor, ...]) -> None:
    [layer] = layers
    assert (config.media_type, layer.media_type) == (OCI_CONFIG, OCI_LAYER_GZIP)
    raw = gzip.decompress(recorder.blobs[layer.digest])
    assert child.platform is not None
    assert json.loads(recorder.blobs[config.digest]) == {
        "os": child.platform.os,
        "architecture": child.platform.architecture,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(raw).hexdigest()}"]},
    }
    assert (config.size, layer.size) == (len(recorder.blobs[config.digest]), len(recorder.blobs[layer.digest]))


def test_clients_find_the_executable(builds: list[tuple[Platform, str]]) -> None:
    recorder = pushed(builds)
    for platform, content in CONTENT.items():
        [member] = archive_of(recorder, platform).getmembers()
        assert (member.name, member.mode, member.mtime, member.type) == ("plugin", 0o755, 0, tarfile.REGTYPE)
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
        assert any(content[:24] in gzip.decompress(blob) for blob in recorder.blobs.values() if blob[:1] == b"\x1f")


def test_deckhouse_cli_calls_its_file_d8(builds: list[tuple[Platform, str]]) -> None:
    recorder = pushed(builds, ImageName(CLI_IMAGE))
    assert archive_of(recorder, AMD64).getnames() == ["d8"]


def test_the_whole_way_through_a_layout(builds: list[tuple[Platform, str]], tmp_path: Path) -> None:
    destination = LayoutDestination(str(tmp_path / "layout"))
    published = publish(builds, STRONGHOLD, TAG, destination, ImageOptions())
    again = publish(builds, STRONGHOLD, TAG, destination, ImageOptions())
    assert (published.changed, again.changed, again.index) == (True, False, published.index)
    source = LayoutSource(str(tmp_path / "layout"))
    assert list(source.tags(STRONGHOLD.path)) == [TAG]
    assert source.manifest(STRONGHOLD.path, TAG).digest == published.index
    for child in published.children:
        manifest = parse_manifest(source.manifest(STRONGHOLD.path, str(child.child)).raw)
        assert isinstance(manifest, ImageManifest)
        assert manifest.layers[-1].digest == child.layer
        blob = tmp_path / "layout" / STRONGHOLD.path / "blobs" / "sha256" / child.layer.hex
        file = Kept()
        unpack([blob.read_bytes()], Layer(child.layer, child.size), frozenset({"plugin"}), lambda _: file)  # noqa: B023
        assert file.content == CONTENT[child.platform]


# -- the same bytes --------------------------------------------------------------------------------------


def test_the_same_input_is_the_same_bytes_whatever_its_order_names_times_and_modes(
    builds: list[tuple[Platform, str]], tmp_path: Path
) -> None:
    first = built_in(tmp_path / "one", builds)
    moved = []
    for number, (platform, path) in enumerate(reversed(builds)):
        new = f"{path}-{number}"
        os.link(path, new)
        os.utime(new, (number, number))
        os.chmod(new, 0o600 + number)
        moved.append((platform, new))
    assert built_in(tmp_path / "two", moved) == first


def test_the_bytes_are_pinned(builds: list[tuple[Platform, str]], tmp_path: Path) -> None:
    # Published tags must stay publishable by later versions of ours: a change here needs a reason.
    (tmp_path / "one").mkdir()
    built = build_image(builds, STRONGHOLD, TAG, str(tmp_path / "one"), ImageOptions())
    assert [child.layer.diff_id.short for child in built.children] == PINNED_DIFF_IDS
    with open(built.children[0].layer.path, "rb") as file:
        assert file.read(10) == bytes.fromhex("1f8b08000000000000ff")


PINNED_DIFF_IDS = ["e80eefd74f81", "63f2e2531053", "9cff31c6c0b3"]


@pytest.mark.parametrize("python", ["python3.12", "python3.13", "python3.14"])
def test_other_pythons_build_the_same_layer(python: str, builds: list[tuple[Platform, str]], tmp_path: Path) -> None:
    program = (
        "import sys; from d8_installer.publish.image import *; from d8_installer.model.platform import Platform;"
        "from d8_installer.model.reference import ImageName; import zlib;"
        "builds = [(Platform.parse(p), f) for p, f in (a.split('=') for a in sys.argv[2:])];"
        "built = build_image(builds, ImageName('stronghold'), 'v1.4.2', sys.argv[1], ImageOptions());"
        "print(zlib.ZLIB_RUNTIME_VERSION, built.index.digest)"
    )
    (tmp_path / "theirs").mkdir()
    arguments = [str(tmp_path / "theirs"), *(f"{platform}={path}" for platform, path in builds)]
    try:
        done = subprocess.run([python, "-c", program, *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"no {python}")
    if done.returncode:
        pytest.skip(f"no working {python}: {done.stderr[-200:]}")
    version, digest = done.stdout.split()
    if "ng" in version:
        pytest.skip("zlib-ng compresses to other bytes")
    assert digest == str(built_in(tmp_path / "ours", builds).digest)


def test_a_date_is_in_the_image_only_if_one_is_given(builds: list[tuple[Platform, str]], tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    built = build_image(builds, STRONGHOLD, TAG, str(tmp_path / "one"), ImageOptions(epoch=86_400))
    assert json.loads(built.children[0].config)["created"] == "1970-01-02T00:00:00Z"
    for epoch in (-1, 10**12):
        with pytest.raises(UsageError, match="is not a date"):
            ImageOptions(epoch=epoch)


def test_annotations_are_added_but_not_replaced(builds: list[tuple[Platform, str]], tmp_path: Path) -> None:
    options = ImageOptions(annotations={"contract": "e30=", "org.opencontainers.image.version": "lie"})
    index = parse_manifest(built_in(tmp_path / "one", builds, options).raw)
    assert (index.annotations["contract"], index.annotations["org.opencontainers.image.version"]) == ("e30=", TAG)


# -- directories -----------------------------------------------------------------------------------------


def test_a_directory_gives_all_its_files_by_base_name(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, plugin=CONTENT[AMD64], share__LICENSE=b"text", bin__extra=CONTENT[AMD64])
    names = archive_of(pushed([(AMD64, folder)]), AMD64).getnames()
    assert names == ["LICENSE", "extra", "plugin"]


REFUSED_FOLDERS = {
    "no default": ({"other": CONTENT[AMD64]}, UsageError, "holds no file named plugin"),
    "two of a name": ({"plugin": CONTENT[AMD64], "a__x": b"", "b__x": b""}, UsageError, "two files named x"),
    "another platform's": ({"plugin": CONTENT[AMD64], "x": CONTENT[DARWIN]}, MismatchError, "Mach-O"),
    "text as default": ({"plugin": b"text"}, MismatchError, "not an executable"),
    "long name": ({"plugin": CONTENT[AMD64], "n" * 101: b""}, UsageError, "no image can hold"),
}
if os.name == "posix":  # others cannot make such a file
    line_end = {"plugin": CONTENT[AMD64], "a\nb": b""}
    REFUSED_FOLDERS["control character"] = (line_end, UsageError, "no image can hold")


@pytest.mark.parametrize(("files", "error", "message"), REFUSED_FOLDERS.values(), ids=REFUSED_FOLDERS)
def test_a_directory_that_clients_could_not_use_is_refused(
    files: dict[str, bytes], error: type[Exception], message: str, tmp_path: Path
) -> None:
    recorder = Recorder()
    with pytest.raises(error, match=message):
        publish([(AMD64, folder_of(tmp_path, **files))], STRONGHOLD, TAG, recorder, ImageOptions())
    assert recorder.writes == []


@pytest.mark.skipif(os.name == "nt", reason="makes links and pipes")
def test_links_and_pipes_are_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, plugin=CONTENT[AMD64])
    link, pipe = os.path.join(folder, "link"), str(tmp_path / "pipe")
    os.symlink("plugin", link)
    os.mkfifo(pipe)
    for path in (folder, pipe, str(tmp_path / "missing")):
        with pytest.raises(UsageError) as caught:
            pushed([(AMD64, path)])
        assert caught.value.hint
    os.unlink(link)
    os.symlink(folder, str(tmp_path / "named"))
    assert archive_of(pushed([(AMD64, str(tmp_path / "named"))]), AMD64).getnames() == ["plugin"]


# -- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["latest", "", "v1.4.2+build", "v1.x", "1.2.3/..", "v" * 200])
def test_tags_that_are_no_versions_are_refused(tag: str, builds: list[tuple[Platform, str]]) -> None:
    recorder = Recorder()
    with pytest.raises(UsageError, match="is not a version that can be a tag"):
        publish(builds, STRONGHOLD, tag, recorder, ImageOptions())
    assert recorder.writes == []


def test_an_executable_for_another_platform_is_refused_before_anything_is_pushed(
    builds: list[tuple[Platform, str]],
) -> None:
    recorder = Recorder()
    (_, amd64), (_, arm64), _ = builds
    with pytest.raises(MismatchError, match="is an ELF executable for arm64, not for linux-amd64"):
        publish([(ARM64, amd64), (AMD64, arm64)], STRONGHOLD, TAG, recorder, ImageOptions())
    assert recorder.writes == []


def test_each_platform_is_given_once(builds: list[tuple[Platform, str]]) -> None:
    for wrong in ([], [*builds, builds[0]]):
        with pytest.raises(UsageError, match="each platform must be given once") as caught:
            pushed(wrong)
        assert (f"({builds[0][0]} is there twice)" in caught.value.message) == bool(wrong)


def test_a_file_that_is_no_program_at_all_is_told_from_one_for_another_platform(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("echo hello\n")
    with pytest.raises(MismatchError) as caught:
        pushed([(AMD64, str(tmp_path / "tool"))])
    assert "a script that begins with #!" in (caught.value.hint or "")


def test_what_clients_would_refuse_is_refused(
    builds: list[tuple[Platform, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_module, "MAX_WALK_BYTES", 2000)
    with pytest.raises(UsageError, match=r"holds more than 2\.0 kB"):
        pushed(builds)
    monkeypatch.setattr(image_module, "MAX_FILE_BYTES", 1000)
    with pytest.raises(UsageError, match=r"has more than 1\.0 kB"):
        pushed(builds)


def test_a_file_that_changes_meanwhile_is_refused(
    builds: list[tuple[Platform, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    header = image_module._header

    def and_append(name: str, size: int) -> bytes:
        with open(builds[0][1], "ab") as file:
            file.write(b"more")
        return header(name, size)

    monkeypatch.setattr(image_module, "_header", and_append)
    with pytest.raises(UsageError, match="changed while it was read"):
        pushed(builds)


# -- what Windows cannot hold --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nul", "con", "com1.tool", "a" * 65])
def test_an_image_whose_binary_could_not_have_its_name_is_refused(
    name: str, builds: list[tuple[Platform, str]], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no image can be published as") as caught:
        build_image(builds, ImageName(name), TAG, str(tmp_path), ImageOptions())
    assert caught.value.hint == "publish it under another name"


@pytest.mark.skipif(sys.platform == "win32", reason="no such file can be made there")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("aux.txt", r"aux\.txt: its name is a device name on Windows"),
        ("notes.", r"notes\.: its name ends with a dot or a space"),
        ("a:b", "a:b: its name has ':', which no file name"),
        ("PLUGIN", "PLUGIN and plugin of the Windows build are one file on Windows"),
    ],
)
def test_a_file_that_windows_cannot_hold_is_refused_in_its_build_only(tmp_path: Path, name: str, problem: str) -> None:
    folder = folder_of(tmp_path, plugin=windows_program("x"), **{name: b"text"})
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match=problem):
        build_image([(WINDOWS, folder)], STRONGHOLD, TAG, str(tmp_path / "out"), ImageOptions())
    assert not any((tmp_path / "out").iterdir())
    linux = folder_of(tmp_path / "linux", plugin=CONTENT[AMD64], **{name: b"text"})
    build_image([(AMD64, linux)], STRONGHOLD, TAG, str(tmp_path / "out"), ImageOptions())

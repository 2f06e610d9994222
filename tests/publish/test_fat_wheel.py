"""Fat wheels: an executable for one platform in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.command import run
from tests.images import add_image, script, windows_program
from tests.publish.wheeling import STEM, a_home, made, some_images, wheel
from tests.publish.wheels import (
    ENTRY,
    INFO,
    MANIFEST,
    METADATA,
    NAME,
    SCRIPTS,
    contents,
    elf,
    mach,
    manifest,
    modes,
    package,
    record_of,
    save,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> str:
    return a_home(tmp_path)


@pytest.fixture
def images(tmp_path: Path) -> str:
    return some_images(tmp_path)


# -- fat -----------------------------------------------------------------------------------------------------


def test_fat_makes_a_wheel_for_each_platform_from_one_host(tmp_path: Path, home: str, images: str) -> None:
    path, out, again = save(tmp_path / "in", package()), tmp_path / "out", tmp_path / "again"
    done = wheel(home, path, "--mode", "fat", "--platform", "all", "-o", str(out), source=images)
    assert done.code == 0, done
    assert "freebsd-amd64: it is skipped" in done.err
    expected = {
        "macosx_12_0_arm64": ("demo", mach("arm64", (12, 0))),
        "manylinux_2_17_x86_64.musllinux_1_1_x86_64": ("demo", elf()),
        "manylinux_2_28_aarch64": ("demo", elf("arm64", "/lib/ld-linux-aarch64.so.1", ["libc.so.6"], ["GLIBC_2.28"])),
        "win_amd64": ("demo.exe", windows_program("demo")),
    }
    assert made(out) == [f"{STEM}{tag}.whl" for tag in sorted(expected)]
    for tag, (name, build) in expected.items():
        file = str(out / f"{STEM}{tag}.whl")
        files = contents(file)
        assert files[f"{SCRIPTS}/{name}"] == build
        assert modes(file)[f"{SCRIPTS}/{name}"] == 0o755
        assert files[f"{INFO}/METADATA"] == METADATA
        assert f"{INFO}/entry_points.txt" not in files
        assert files.pop(f"{INFO}/RECORD") == record_of(files)
        lines = files[f"{INFO}/WHEEL"].decode().splitlines()
        assert [line for line in lines if line.startswith("Tag")] == [f"Tag: py3-none-{t}" for t in tag.split(".")]
    assert wheel(home, path, "--mode", "fat", "--platform", "all", "-o", str(again), source=images).code == 0
    assert all((out / name).read_bytes() == (again / name).read_bytes() for name in made(out))


def test_a_fat_wheel_of_a_thin_one_has_nothing_of_ours(tmp_path: Path, home: str, images: str) -> None:
    thin, direct, out = tmp_path / "thin", tmp_path / "direct", tmp_path / "out"
    path = save(tmp_path / "in", package())
    assert wheel(home, path, "-o", str(thin)).code == 0
    fat = ("--mode", "fat", "--platform", "linux-amd64")
    assert wheel(home, path, *fat, "-o", str(direct), source=images).code == 0
    for name in made(thin):
        assert wheel(home, str(thin / name), *fat, "-o", str(out), source=images).code == 0
        assert [(out / one).read_bytes() for one in made(out)] == [(direct / one).read_bytes() for one in made(direct)]


def test_code_hooks_and_a_range_of_the_authors_keep_the_requirement(tmp_path: Path, home: str, images: str) -> None:
    fat = ("--mode", "fat", "--platform", "linux-amd64", "-o", str(tmp_path))
    hooks = ENTRY + b"[d8_installer.hooks]\ndemo = d8_plug_demo\n"
    ranged = METADATA.replace(b"rich>=13", b"d8_installer >= 0.1")
    for number, files in enumerate([package(entry_points=hooks), package(METADATA=ranged)]):
        thin = tmp_path / str(number)
        assert wheel(home, save(tmp_path / "in", files), "-o", str(thin)).code == 0
        assert wheel(home, str(thin / NAME), *fat, source=images).code == 0
        metadata = contents(str(tmp_path / f"{STEM}manylinux_2_17_x86_64.musllinux_1_1_x86_64.whl"))[f"{INFO}/METADATA"]
        assert metadata.count(b"d8-installer\n") + metadata.count(b"d8_installer >= 0.1\n") == 1


def test_a_wheel_that_was_never_thin_keeps_its_requirements(tmp_path: Path, home: str, images: str) -> None:
    bare = METADATA.replace(b"rich>=13", b"d8-installer")
    fat = ("--mode", "fat", "--platform", "linux-amd64", "-o", str(tmp_path / "out"))
    assert wheel(home, save(tmp_path / "in", package(METADATA=bare)), *fat, source=images).code == 0
    (name,) = made(tmp_path / "out")
    assert contents(str(tmp_path / "out" / name))[f"{INFO}/METADATA"] == bare


def test_fat_for_a_platform_that_an_image_lacks(tmp_path: Path, home: str, images: str) -> None:
    options = ("--mode", "fat", "--platform", "linux-s390x", "-o", str(tmp_path / "out"))
    done = wheel(home, save(tmp_path / "in", package()), *options, source=images)
    assert done.code == 69, done
    assert "has no build for linux-s390x" in done.err
    optional = package(manifest({"name": "demo", "optional": True}))
    done = wheel(home, save(tmp_path / "in", optional), *options, source=images)
    assert done.code == 69, done
    assert "declares no binary that is available for linux-s390x" in done.err
    assert not (tmp_path / "out").exists()


def test_an_optional_image_is_left_out_where_it_is_not_to_be_had(tmp_path: Path, home: str, images: str) -> None:
    add_image(images.removeprefix("oci-layout:"), "more", "v1.0.0", {"linux-amd64": elf()})
    files = package(manifest({"name": "demo"}, {"name": "more", "optional": True}))
    options = ("--mode", "fat", "--platform", "all", "-o", str(tmp_path / "out"))
    assert wheel(home, save(tmp_path / "in", files), *options, source=images).code == 0
    found = {
        name: [n for n in contents(str(tmp_path / "out" / name)) if SCRIPTS in n] for name in made(tmp_path / "out")
    }
    assert [len(scripts) for scripts in found.values()] == [1, 2, 1, 1]


def test_an_image_that_says_no_platform_wants_one_typed(tmp_path: Path, home: str) -> None:
    root = str(tmp_path / "images")
    add_image(root, "demo", "v1.0.0", {"any": script("demo")})
    path = save(tmp_path / "in", package())
    done = wheel(home, path, "--mode", "fat", "--platform", "all", source=f"oci-layout:{root}")
    assert done.code == 2, done
    assert "--platform" in done.err
    done = wheel(home, path, "--mode", "fat", "--platform", "darwin-amd64", source=f"oci-layout:{root}")
    assert done.code == 0, done


def test_a_lock_decides_and_a_stale_one_is_refused(tmp_path: Path, home: str, images: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "d8.toml").write_bytes(MANIFEST)
    assert run("lock", home=home, cwd=str(project), env={"D8_RPP_ENDPOINT": images}).code == 0
    lock = (project / "d8.lock").read_bytes()
    add_image(images.removeprefix("oci-layout:"), "demo", "v1.3.0", {"linux-amd64": script("newer")})
    fat = ("--mode", "fat", "--platform", "linux-amd64")
    file = f"{STEM}manylinux_2_17_x86_64.musllinux_1_1_x86_64.whl"

    def built(files: Mapping[str, bytes], *options: str) -> bytes:
        done = wheel(home, save(tmp_path / "in", files), *fat, *options, "-o", str(tmp_path / "out"), source=images)
        assert done.code == 0, done
        return contents(str(tmp_path / "out" / file))[f"{SCRIPTS}/demo"]

    assert built(package()) == script("newer")
    assert built(package(), "--lock", str(project / "d8.lock")) == elf()
    assert built({**package(), "d8_plug_demo/d8.lock": lock}) == elf()
    add_image(images.removeprefix("oci-layout:"), "other", "v1.0.0", {"linux-amd64": elf()})
    (project / "d8.toml").write_bytes(manifest({"name": "demo"}, {"name": "other"}))
    assert run("lock", home=home, cwd=str(project), env={"D8_RPP_ENDPOINT": images}).code == 0
    ours, theirs = (project / "d8.lock").read_text().split('name = "other"')
    plugins = theirs.replace('"d8.toml" = ', "d8-plug-other = ")
    (project / "d8.lock").write_text(f'{ours}name = "other"{plugins}')
    assert built(package(), "--lock", str(project / "d8.lock")) == elf()
    changed = package(manifest({"name": "demo", "version": ">=1.0"}))
    done = wheel(home, save(tmp_path / "in", {**changed, "d8_plug_demo/d8.lock": lock}), *fat, source=images)
    assert done.code == 65, done
    assert "d8_plug_demo/d8.lock is stale" in done.err

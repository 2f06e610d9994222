"""The build hook for Hatch: real hatchling builds, the wheels that `d8-installer wheel` would make of a bare one."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.manifest import Manifest
from d8_installer.plugin.launcher import launcher, read_launcher
from tests.command import Completed, ended, run
from tests.images import add_image, executable, executables, host_platform
from tests.publish.wheels import MANIFEST, contents, manifest, modes

if TYPE_CHECKING:
    from pathlib import Path

NAME = "d8_plug_demo-1.0-py3-none-any.whl"
INFO = "d8_plug_demo-1.0.dist-info"
SCRIPTS = "d8_plug_demo-1.0.data/scripts"
PROJECT = """\
[build-system]
requires = ["hatchling", "d8-installer"]
build-backend = "hatchling.build"

[project]
name = "d8-plug-demo"
version = "1.0"
requires-python = ">=3.11"
"""
HOOK = "[tool.hatch.build.hooks.d8]\n"
ENTRIES = '[project.entry-points."d8_installer.manifests"]\n'
PACKAGE = "src/d8_plug_demo"
OFFLINE = {"D8_OFFLINE": "1"}


class Project:
    """A plugin's work tree."""

    def __init__(self, directory: Path, *parts: str) -> None:
        self.directory = directory / "project"
        self.home = str(directory / "home")
        os.makedirs(self.home)
        self.write(f"{PACKAGE}/__init__.py", b"")
        self.write(f"{PACKAGE}/d8.toml", MANIFEST)
        self.write("pyproject.toml", "\n".join([PROJECT, *(parts or [HOOK])]).encode())

    def write(self, name: str, data: bytes) -> None:
        """Write one file of it."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def pip(self, *arguments: str, **env: str) -> Completed:
        """Run the tests' own pip, without any index."""
        options = ("--no-deps", "--no-index", "--no-build-isolation", "-q", "--disable-pip-version-check")
        return ended([sys.executable, "-m", "pip", *arguments, *options], home=self.home, env=env)

    def build(self, out: Path, source: str = "", **env: str) -> list[str]:
        """Build a wheel into *out* with pip, from *source* (default: the work tree); return what lies there."""
        done = self.pip("wheel", source or str(self.directory), "-w", str(out), **env)
        assert done.code == 0, done
        return sorted(path.name for path in out.iterdir())

    def refused(self, *arguments: str, **env: str) -> str:
        """Build with hatchling itself, which must fail with words and not with a traceback; return what it said."""
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", *arguments]
        done = ended(command, home=self.home, cwd=str(self.directory), env=env)
        assert done.code == 1, done
        assert "Traceback" not in done.err
        return done.err


@pytest.fixture
def images(tmp_path: Path) -> dict[str, str]:
    """Return the variables that lead to a source with the image ``demo``."""
    add_image(str(tmp_path / "images"), "demo", "v1.0.0", executables("demo"))
    return {"D8_RPP_ENDPOINT": f"oci-layout:{tmp_path / 'images'}"}


def files_of(path: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(str(path)).items() if not name.endswith("/RECORD")}


def test_a_thin_wheel_is_what_the_command_makes_of_a_bare_one(tmp_path: Path) -> None:
    project = Project(tmp_path)
    out = tmp_path / "out"
    assert project.build(out, **OFFLINE) == [NAME]
    bare = Project(
        tmp_path / "bare", '[project.entry-points."d8_installer.manifests"]\nd8_plug_demo = "d8_plug_demo:d8.toml"'
    )
    bare.build(tmp_path / "in")
    assert run("wheel", str(tmp_path / "in" / NAME), home=bare.home).code == 0
    assert files_of(out / NAME) == files_of(tmp_path / "in" / NAME)
    assert modes(str(out / NAME))[f"{SCRIPTS}/demo"] == 0o755
    request = Manifest.parse(MANIFEST, "").requests[0]
    assert contents(str(out / NAME))[f"{SCRIPTS}/demo"] == launcher("demo", request.hash).encode()


def test_the_variable_gives_the_windows_wheel(tmp_path: Path) -> None:
    project, out = Project(tmp_path), tmp_path / "out"
    windows = NAME.replace("any", "win_arm64")
    assert project.build(out, D8_WHEEL_PLATFORM="windows-arm64", **OFFLINE) == [windows]
    project.build(out, **OFFLINE)
    assert run("wheel", str(out / NAME), "-o", str(tmp_path / "set"), home=project.home).code == 0
    assert files_of(out / windows) == files_of(tmp_path / "set" / windows)


def test_a_fat_wheel_names_no_manifest_even_if_the_author_does(tmp_path: Path, images: dict[str, str]) -> None:
    project = Project(tmp_path, ENTRIES + 'demo = "d8_plug_demo:d8.toml"', HOOK + 'mode = "fat"')
    (name,) = project.build(tmp_path / "out", **images)
    assert f"{INFO}/entry_points.txt" not in files_of(tmp_path / "out" / name)


def test_fat_wheels_of_every_platform_are_the_same_bytes_twice(tmp_path: Path, images: dict[str, str]) -> None:
    project, out = Project(tmp_path, HOOK + 'mode = "fat"'), tmp_path / "out"
    for platform in ("linux-amd64", "darwin-arm64", "windows-amd64"):
        project.build(out, D8_WHEEL_PLATFORM=platform, **images)
    tags = ["macosx_11_0_arm64", "manylinux_2_17_x86_64.musllinux_1_1_x86_64", "win_amd64"]
    built = [out / NAME.replace("any", tag) for tag in tags]
    assert sorted(out.iterdir()) == built
    assert files_of(built[2])[f"{SCRIPTS}/demo.exe"] == executable("windows-amd64", "demo")
    linux = files_of(built[1])
    assert linux[f"{SCRIPTS}/demo"] == executable("linux-amd64", "demo")
    assert f"{INFO}/entry_points.txt" not in linux
    assert b"Requires-Dist" not in linux[f"{INFO}/METADATA"]
    assert b"Root-Is-Purelib: false" in linux[f"{INFO}/WHEEL"]
    project.build(tmp_path / "again", D8_WHEEL_PLATFORM="linux-amd64", **images)
    assert (tmp_path / "again" / built[1].name).read_bytes() == built[1].read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="launchers are for POSIX")
def test_pip_installs_what_it_built_and_the_script_runs(tmp_path: Path, images: dict[str, str]) -> None:
    project, out = Project(tmp_path, HOOK + 'mode = "fat"'), tmp_path / "out"
    (name,) = project.build(out, **images)
    environment = tmp_path / "venv"
    venv.create(environment)
    done = project.pip("--python", str(environment), "install", str(out / name))
    assert done.code == 0, done
    said = subprocess.run([environment / "bin" / "demo", "x"], capture_output=True, text=True, check=True).stdout
    assert said == f"demo {host_platform()} x\n"


@pytest.mark.skipif(os.name != "posix", reason="launchers are for POSIX")
def test_an_editable_install_is_thin_and_fetches_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path, HOOK + 'mode = "fat"', '[tool.hatch.build]\ndev-mode-dirs = ["src"]')
    environment = tmp_path / "venv"
    venv.create(environment)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel:editable"]
    assert ended(command, home=project.home, cwd=str(project.directory), env=OFFLINE).code == 0
    done = project.pip("--python", str(environment), "install", str(project.directory / "dist" / NAME))
    assert done.code == 0, done
    assert read_launcher((environment / "bin" / "demo").read_bytes()) is not None
    (info,) = environment.rglob(INFO)
    assert "demo" in (info / "entry_points.txt").read_text()
    assert "Requires-Dist: d8-installer" in (info / "METADATA").read_text()


def test_a_wheel_of_an_sdist_needs_no_network(tmp_path: Path) -> None:
    project = Project(tmp_path)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path / "sdist")]
    assert ended(command, home=project.home, cwd=str(project.directory)).code == 0
    sdist = tmp_path / "sdist" / "d8_plug_demo-1.0.tar.gz"
    with tarfile.open(sdist) as archive:
        assert f"d8_plug_demo-1.0/{PACKAGE}/d8.toml" in archive.getnames()
    assert project.build(tmp_path / "out", str(sdist), **OFFLINE) == [NAME]
    project.build(tmp_path / "direct", **OFFLINE)
    assert (tmp_path / "out" / NAME).read_bytes() == (tmp_path / "direct" / NAME).read_bytes()


def test_a_manifest_outside_the_package_is_put_into_it(tmp_path: Path) -> None:
    project = Project(tmp_path, HOOK + 'manifest = "tools/d8.toml"')
    os.remove(project.directory / PACKAGE / "d8.toml")
    project.write("tools/d8.toml", MANIFEST)
    project.build(tmp_path / "out", **OFFLINE)
    files = files_of(tmp_path / "out" / NAME)
    assert files["d8_plug_demo/d8.toml"] == MANIFEST
    assert b"d8_plug_demo:d8.toml" in files[f"{INFO}/entry_points.txt"]


def test_the_authors_own_entry_point_and_requirement_stay(tmp_path: Path) -> None:
    own = '[project.entry-points."d8_installer.manifests"]\nmine = "d8_plug_demo:d8.toml"'
    project = Project(tmp_path, 'dependencies = ["d8_installer>=0.1"]', own, HOOK)
    project.build(tmp_path / "out", **OFFLINE)
    files = files_of(tmp_path / "out" / NAME)
    assert files[f"{INFO}/entry_points.txt"] == b"[d8_installer.manifests]\nmine = d8_plug_demo:d8.toml\n"
    assert files[f"{INFO}/METADATA"].count(b"Requires-Dist") == 1


def test_an_author_who_does_not_require_us_is_told_why_to(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    for number, (line, is_told) in enumerate([("", True), ('dependencies = ["d8-installer"]', False)]):
        project = Project(tmp_path / str(number), line, HOOK)
        done = ended(command, home=project.home, cwd=str(project.directory))
        assert done.code == 0, done
        assert ("add d8-installer to [project] dependencies" in done.err) is is_told, done


def test_the_lock_beside_the_manifest_decides(tmp_path: Path, images: dict[str, str]) -> None:
    project = Project(tmp_path, HOOK + 'mode = "fat"')
    package = project.directory / PACKAGE
    assert run("lock", home=project.home, cwd=str(package), env=images).code == 0
    add_image(str(tmp_path / "images"), "demo", "v2.0.0", executables("newer"))
    project.build(tmp_path / "out", D8_WHEEL_PLATFORM="linux-amd64", **images)
    (built,) = (tmp_path / "out").iterdir()
    assert files_of(built)[f"{SCRIPTS}/demo"] == executable("linux-amd64", "demo")
    project.write(f"{PACKAGE}/d8.toml", manifest({"name": "demo", "version": ">=2"}))
    assert "d8.lock is stale" in project.refused(**images)


@pytest.mark.parametrize(
    ("parts", "files", "reason", "hint"),
    [
        ([HOOK + "flavour = 1"], {}, "flavour: is not an option of this hook", "the options are manifest"),
        ([HOOK + "mode = 1"], {}, "mode: must be text in quotes", ""),
        ([HOOK + 'mode = "both"'], {}, "invalid choice: 'both'", "--help"),
        ([HOOK + 'platform = "linux"'], {}, "'linux' is not a platform", "write OS-ARCH"),
        ([HOOK], {"d8.toml": b"schema = 1\n"}, "asks for no image", "add an [[images]] entry"),
        ([HOOK], {"d8.toml": b"schema = [\n"}, "d8.toml:2", "correct it there"),
        ([HOOK], {"sub/d8.toml": MANIFEST}, "have 2 d8.toml", "manifest = "),
        ([HOOK + 'manifest = "gone/d8.toml"'], {}, "there is no manifest", "name the plugin's d8.toml"),
        (["[project.scripts]\ndemo = 'a:b'", HOOK], {}, "is already a script of the wheel (demo)", "another name"),
        (["[project.gui-scripts]\nDemo = 'a:b'", HOOK], {}, "is already a script of the wheel (Demo)", "another name"),
        (
            [HOOK, "[tool.hatch.build.targets.wheel.shared-scripts]\n'pyproject.toml' = 'demo'"],
            {},
            "is already a script of the wheel (demo)",
            "another name",
        ),
        (
            [HOOK],
            {"d8.toml": manifest({"name": "uv"})},
            "images[0].binaries.uv: is a name that no plugin may",
            "another",
        ),
        ([HOOK + 'mode = "fat"'], {}, "no endpoint is set", "config set endpoint"),
        (
            ['[project.entry-points."d8_installer.manifests"]\nx = "requests:d8.toml"', HOOK],
            {},
            "names requests:d8.toml, but the hook's manifest is d8_plug_demo:d8.toml",
            "remove it there",
        ),
    ],
)
def test_a_trap_ends_the_build_with_words(
    tmp_path: Path, parts: list[str], files: dict[str, bytes], reason: str, hint: str
) -> None:
    project = Project(tmp_path, *parts)
    for name, data in files.items():
        project.write(f"{PACKAGE}/{name}", data)
    said = project.refused()
    assert reason in said, said
    assert f"\nhint: {hint}" in said or hint in said
    assert not list(project.directory.rglob("*.whl"))


def test_without_a_manifest_the_build_ends(tmp_path: Path) -> None:
    project = Project(tmp_path)
    os.remove(project.directory / PACKAGE / "d8.toml")
    assert "the wheel's packages have no d8.toml" in project.refused()

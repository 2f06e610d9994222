"""Thin wheels: what the command writes and refuses, and what package managers make of it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import D8Error
from d8_installer.model.manifest import Manifest
from d8_installer.plugin.launcher import launcher, read_launcher
from d8_installer.publish import wheel_metadata
from d8_installer.publish.wheel import open_package, pack
from d8_installer.publish.wheel_parts import flavours, thin_parts
from tests.images import add_image, executable, executables, host_platform
from tests.publish.wheeling import CONSOLE, STEM, a_home, data_of, made, some_images, wheel
from tests.publish.wheels import (
    ENTRY,
    INFO,
    MANIFEST,
    METADATA,
    NAME,
    SCRIPTS,
    contents,
    manifest,
    modes,
    package,
    save,
)
from tests.strategies import steady

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> str:
    return a_home(tmp_path)


@pytest.fixture
def images(tmp_path: Path) -> str:
    return some_images(tmp_path)


# -- thin ----------------------------------------------------------------------------------------------------


def test_thin_makes_the_set_in_one_go(tmp_path: Path, home: str) -> None:
    out = tmp_path / "out"
    data = data_of(wheel(home, save(tmp_path / "in", package()), "-o", str(out), "--json"))
    assert made(out) == [NAME, f"{STEM}win_amd64.whl", f"{STEM}win_arm64.whl"]
    assert [entry["tag"] for entry in data["wheels"]] == ["py3-none-any", "py3-none-win_amd64", "py3-none-win_arm64"]
    request = Manifest.parse(MANIFEST, "").requests[0]
    files = contents(str(out / NAME))
    assert files[f"{SCRIPTS}/demo"] == launcher("demo", request.hash).encode()
    assert modes(str(out / NAME))[f"{SCRIPTS}/demo"] == 0o755
    assert files[f"{INFO}/entry_points.txt"] == ENTRY
    assert files[f"{INFO}/METADATA"] == METADATA.replace(b"rich>=13\n", b"rich>=13\nRequires-Dist: d8-installer\n")
    assert b"Root-Is-Purelib: true\nTag: py3-none-any\n" in files[f"{INFO}/WHEEL"]
    windows = contents(str(out / f"{STEM}win_arm64.whl"))
    assert windows[f"{INFO}/entry_points.txt"] == CONSOLE + ENTRY
    assert b"Root-Is-Purelib: false\nTag: py3-none-win_arm64\n" in windows[f"{INFO}/WHEEL"]
    assert not [name for name in windows if name.startswith(SCRIPTS)]
    assert files["d8_plug_demo/d8.toml"] == windows["d8_plug_demo/d8.toml"] == MANIFEST


def test_every_output_is_an_input_that_gives_the_same_set(tmp_path: Path, home: str) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    assert wheel(home, save(tmp_path / "in", package()), "-o", str(first)).code == 0
    for name in made(first):
        assert wheel(home, str(first / name), "-o", str(second)).code == 0
        assert made(second) == made(first)
        assert all((first / one).read_bytes() == (second / one).read_bytes() for one in made(first)), name


def test_beside_the_input_is_where_it_goes_unless_said_otherwise(tmp_path: Path, home: str) -> None:
    path = save(tmp_path / "in", package())
    assert wheel(home, path, "--platform", "linux-amd64").code == 0
    assert made(tmp_path / "in") == [NAME]
    assert f"{SCRIPTS}/demo" in contents(path)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("d8_plug_demo/aux.py", "'d8_plug_demo/aux.py': that is a device name on Windows"),
        ("d8_plug_demo/nul/x.py", "'d8_plug_demo/nul/x.py': that is a device name on Windows"),
        ("d8_plug_demo/x./y", "that ends with a dot or a space"),
        ("d8_plug_demo/x?", "that has '?'"),
        ("d8_plug_demo/D8.toml", "'d8_plug_demo/D8.toml' and 'd8_plug_demo/d8.toml', which are one file on Windows"),
    ],
)
def test_a_file_that_windows_cannot_hold_is_refused_where_a_wheel_is_for_windows(
    tmp_path: Path, home: str, name: str, problem: str
) -> None:
    path = save(tmp_path / "in", package() | {name: b""})
    done = wheel(home, path, "-o", str(tmp_path / "out"))
    assert done.code == 65, done
    assert problem in done.err
    assert not (tmp_path / "out").exists()
    only_linux = MANIFEST + b'platforms = ["linux-amd64"]\n'
    path = save(tmp_path / "linux", package(only_linux) | {name: b""})
    assert wheel(home, path, "-o", str(tmp_path / "out")).code == 0


@pytest.mark.parametrize(
    ("platforms", "typed", "expected"),
    [
        (["linux-amd64", "darwin-arm64"], [], ["any"]),
        (["linux-amd64", "windows-amd64"], [], ["any", "win_amd64"]),
        (["windows-arm64"], [], ["win_arm64"]),
        (None, ["windows-amd64"], ["win_amd64"]),
        (None, ["windows-386", "linux-arm64", "darwin-amd64"], ["any", "win32"]),
        (None, ["all"], ["any", "win_amd64", "win_arm64"]),
    ],
)
def test_which_thin_wheels_there_are(
    tmp_path: Path, home: str, platforms: list[str] | None, typed: list[str], expected: list[str]
) -> None:
    image = {"name": "demo"} | ({"platforms": platforms} if platforms else {})
    options = [text for platform in typed for text in ("--platform", platform)]
    done = wheel(home, save(tmp_path / "in", package(manifest(image))), "-o", str(tmp_path / "out"), *options)
    assert done.code == 0, done
    assert made(tmp_path / "out") == [f"{STEM}{tag}.whl" for tag in expected]


def test_images_that_cannot_run_there_have_no_script_there(tmp_path: Path, home: str) -> None:
    both = manifest({"name": "demo", "platforms": ["linux-amd64"]}, {"name": "tool", "platforms": ["windows-amd64"]})
    assert wheel(home, save(tmp_path / "in", package(both)), "-o", str(tmp_path / "out")).code == 0
    assert [n for n in contents(str(tmp_path / "out" / NAME)) if n.startswith(SCRIPTS)] == [f"{SCRIPTS}/demo"]
    windows = contents(str(tmp_path / "out" / f"{STEM}win_amd64.whl"))
    assert windows[f"{INFO}/entry_points.txt"].startswith(b"[console_scripts]\ntool = ")


def test_a_manifest_without_an_entry_point_is_named_on_the_command_line(tmp_path: Path, home: str) -> None:
    path = save(tmp_path / "in", package(entry_points=None))
    refused = wheel(home, path)
    assert refused.code == 65
    assert "--manifest PACKAGE/d8.toml" in refused.err
    assert wheel(home, path, "--manifest", "d8_plug_demo/d8.toml", "-o", str(tmp_path / "out")).code == 0
    assert contents(str(tmp_path / "out" / NAME))[f"{INFO}/entry_points.txt"] == ENTRY.replace(
        b"demo = ", b"d8_plug_demo = "
    )


def test_launchers_of_an_older_manifest_go(tmp_path: Path, home: str) -> None:
    old = launcher("older", Manifest.parse(MANIFEST, "").requests[0].hash).encode()
    path = save(tmp_path / "in", {**package(), f"{SCRIPTS}/older": old, f"{SCRIPTS}/own": b"#!/bin/sh\n"})
    assert wheel(home, path, "-o", str(tmp_path / "out")).code == 0
    files = contents(str(tmp_path / "out" / NAME))
    assert sorted(name for name in files if name.startswith(SCRIPTS)) == [f"{SCRIPTS}/demo", f"{SCRIPTS}/own"]


@pytest.mark.parametrize(
    ("binary", "reason"),
    [
        *((name, "no plugin may take") for name in ("python", "python3.12", "pypy3", "graalpy", "pip", "pip3", "uv")),
        *((name, "no plugin may take") for name in ("uvx", "pipx", "d8-installer")),
        ("tool.exe", "ends with .exe"),
        ("own", "is already a script of the wheel"),
        ("shown", "is already a script of the wheel"),
        ("data", "is already a script of the wheel"),
        ("upper", "is already a script of the wheel"),
        ("other", "two binaries"),
    ],
)
@pytest.mark.parametrize("mode", ["thin", "fat"])
def test_names_that_may_not_be_scripts_are_refused(
    tmp_path: Path, home: str, binary: str, reason: str, mode: str
) -> None:
    asks = manifest({"name": "other"}, {"name": "demo", "binaries": {binary: "plugin"}})
    scripts = b"[console_scripts]\nown = d8_plug_demo:main\nUpper = d8_plug_demo:main\n[gui_scripts]\nshown = a:b\n"
    files = package(asks, entry_points=scripts + ENTRY)
    done = wheel(home, save(tmp_path / "in", {**files, f"{SCRIPTS}/data": b"#!/bin/sh\n"}), "--mode", mode)
    assert done.code == 65, done
    assert f"d8_plug_demo/d8.toml: images[1].binaries.{binary}: {'is the name of ' * (binary == 'other')}" in done.err
    assert reason in done.err
    assert "hint: " in done.err
    assert made(tmp_path / "in") == [NAME]


def entry(value: str) -> bytes:
    return f"[d8_installer.manifests]\ndemo = {value}\n".encode()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (package(b"schema = 1\n"), "asks for no image"),
        (package(b"schema = 2\n"), "d8_plug_demo/d8.toml:1: schema: is 2"),
        (package(b"\xff"), "d8_plug_demo/d8.toml"),
        (package(entry_points=entry("requests:d8.toml")), "requests/d8.toml, which is not in this wheel"),
        (package(entry_points=entry("../x:d8.toml")), "is not PACKAGE:FILE"),
        (package(entry_points=entry("d8_plug_demo:../d8.toml")), "is not PACKAGE:FILE"),
        (package(entry_points=ENTRY + b"more = d8_plug_demo:more.toml\n"), "names 2 manifests"),
        (package(entry_points=ENTRY + b"demo = d8_plug_demo:more.toml\n"), "entry_points.txt:3"),
        (package(entry_points=b"no group\n"), "entry_points.txt:1"),
        (package(METADATA=None), "has no d8_plug_demo-1.0.dist-info/METADATA"),
        (package(WHEEL=b"Wheel-Version: 2.0\n"), "has no Wheel-Version 1.x"),
    ],
)
def test_a_wheel_that_is_no_sound_plugin_is_refused(
    tmp_path: Path, home: str, files: Mapping[str, bytes], reason: str
) -> None:
    done = wheel(home, save(tmp_path / "in", files), "-o", str(tmp_path / "out"))
    assert done.code == 65, done
    assert reason in done.err
    assert "hint: " in done.err
    assert not (tmp_path / "out").exists()


def test_a_wheel_of_compiled_modules_is_refused(tmp_path: Path, home: str) -> None:
    done = wheel(home, save(tmp_path / "in", package(), "d8_plug_demo-1.0-cp311-cp311-linux_x86_64.whl"))
    assert done.code == 2, done
    assert "is only for cp311-linux_x86_64\n" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["--platform", "solaris-amd64"], 2, "there is no wheel tag for solaris-amd64"),
        (["--platform", "windows-arm"], 2, "there is no wheel tag for windows-arm"),
        (["--platform", "linux"], 2, "is not a platform"),
        (["--manifest", "d8.toml"], 65, "is not inside a Python package"),
        (["--manifest", "../d8_plug_demo/d8.toml"], 65, "is not inside a Python package"),
        (["--manifest", "other/d8.toml"], 65, "names a manifest other than other/d8.toml"),
        (["--mode", "both"], 2, "invalid choice"),
        (["--mode", "fat", "--lock", "/nowhere/d8.lock"], 2, "there is no lock /nowhere/d8.lock"),
        (["--mode", "fat"], 78, "no endpoint is set"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(
    tmp_path: Path, home: str, arguments: list[str], code: int, reason: str
) -> None:
    done = wheel(home, save(tmp_path / "in", package()), "-o", str(tmp_path / "out"), *arguments)
    assert done.code == code, done
    assert reason in done.err


def test_a_directory_that_cannot_be_written_is_a_disk_error(tmp_path: Path, home: str) -> None:
    (tmp_path / "file").write_text("")
    done = wheel(home, save(tmp_path / "in", package()), "-o", str(tmp_path / "file" / "out"))
    assert done.code == 73, done


def test_source_date_epoch_dates_it(tmp_path: Path, home: str) -> None:
    path = save(tmp_path / "in", package())
    for number, epoch in enumerate(["1700000000", "1700000000", ""]):
        assert wheel(home, path, "-o", str(tmp_path / str(number)), SOURCE_DATE_EPOCH=epoch).code == 0
    one, two, other = ((tmp_path / str(number) / NAME).read_bytes() for number in range(3))
    assert one == two != other
    assert wheel(home, path, SOURCE_DATE_EPOCH="now").code == 2


# -- what package managers make of them ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment without pip: the tests' own pip installs into it."""
    path = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(path)
    return path


def pip(environment: Path, *arguments: str) -> None:
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    command = [sys.executable, "-m", "pip", "--python", str(python), "-q", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PIP_CONFIG_FILE": os.devnull}
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(os.name != "posix", reason="launchers are for POSIX")
def test_pip_installs_both_kinds_executable_and_takes_them_away(tmp_path: Path, home: str, environment: Path) -> None:
    root = str(tmp_path / "images")
    add_image(root, "demo", "v1.0.0", executables("demo"))
    path = save(tmp_path / "in", package(METADATA=METADATA.replace(b"Requires-Dist: rich>=13\n", b"")))
    program = environment / "bin" / "demo"
    thin, fat = tmp_path / "thin", tmp_path / "fat"
    assert wheel(home, path, "-o", str(thin)).code == 0
    assert wheel(home, path, "--mode", "fat", "-o", str(fat), source=f"oci-layout:{root}").code == 0
    pip(environment, "install", "--no-deps", "--no-index", str(thin / NAME))
    assert read_launcher(program.read_bytes()) is not None
    assert os.access(program, os.X_OK)
    pip(environment, "install", "--no-deps", "--no-index", "--force-reinstall", str(fat / made(fat)[0]))
    assert program.read_bytes() == executable(host_platform(), "demo")
    said = subprocess.run([program, "a b"], capture_output=True, text=True, check=True).stdout
    assert said == f"demo {host_platform()} a b\n"
    pip(environment, "uninstall", "-y", "d8-plug-demo")
    assert not program.exists()


def test_pip_takes_the_windows_wheel_on_windows_alone(tmp_path: Path, home: str, environment: Path) -> None:
    out = tmp_path / "out"
    assert wheel(home, save(tmp_path / "in", package()), "-o", str(out)).code == 0
    for platform, expected in (("win_amd64", f"{STEM}win_amd64.whl"), ("macosx_14_0_arm64", NAME)):
        into = tmp_path / platform
        options = ("--no-deps", "--no-index", "--only-binary=:all:", f"--find-links={out}", f"--platform={platform}")
        pip(environment, "download", *options, "-d", str(into), "d8-plug-demo")
        assert made(into) == [expected]


# -- in one process ------------------------------------------------------------------------------------------


@steady
@given(st.lists(st.sampled_from(["a", "b2", "c-d", "e.f"]), min_size=1, unique=True), st.booleans())
def test_any_manifest_packs_to_the_same_bytes_twice_and_back(
    tmp_path_factory: pytest.TempPathFactory, binaries: list[str], has_metadata: bool
) -> None:
    directory = tmp_path_factory.mktemp("packed")
    files = package(manifest({"name": "demo", "binaries": dict.fromkeys(binaries, "plugin")}))
    path = save(directory, files if has_metadata else {**files, f"{INFO}/METADATA": METADATA.split(b"\n\n")[0]})
    opened = open_package(path, None)
    parts = [thin_parts(opened.declared, flavour) for flavour in flavours(opened.declared)]
    first, second = (pack(opened, parts, str(directory / name), None) for name in "12")
    assert [one.digest for one in first] == [one.digest for one in second]
    again = open_package(first[0].path, None)
    assert again.was_thin
    assert [member.name for member in again.members] == [member.name for member in opened.members]
    assert pack(again, parts, str(directory / "3"), None)[0].digest == first[0].digest


@steady
@given(st.text("[]=;# abd8_installer.manifests:\n", max_size=80))
def test_any_entry_points_are_read_or_refused_and_rendered_the_same(text: str) -> None:
    try:
        groups = wheel_metadata.parse_entry_points(text.encode(), "entry_points.txt")
    except D8Error as error:
        assert error.hint
        return
    rendered = wheel_metadata.render_entry_points(groups)
    again = wheel_metadata.parse_entry_points(rendered, "entry_points.txt")
    assert again == {group: entries for group, entries in groups.items() if entries}
    assert wheel_metadata.render_entry_points(again) == rendered


OURS = b"Requires-Dist: d8-installer"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Name: x\n", b"Name: x\n%s\n" % OURS),
        (b"Name: x", b"Name: x\n%s\n" % OURS),
        (b"Requires-Dist: x;\n  a\nName: x\n", b"Requires-Dist: x;\n  a\n%s\nName: x\n" % OURS),
        (b"%s\n ; extra == 'x'\n" % OURS, b"%s\n ; extra == 'x'\n%s\n" % (OURS, OURS)),
        (b"Name: x\r\n\r\nText", b"Name: x\n%s\n\nText" % OURS),
        (b"Requires-Dist: D8.Installer\n", b"Requires-Dist: D8.Installer\n"),
        (b"%s[proxy]>=1\n\nText" % OURS, b"%s[proxy]>=1\n\nText" % OURS),
        (b"%s; extra == 'x'\nName: x\n\n" % OURS + OURS, b"%s; extra == 'x'\n%s\nName: x\n\n" % (OURS, OURS) + OURS),
    ],
)
def test_the_requirement_is_added_once_and_where_it_belongs(before: bytes, after: bytes) -> None:
    assert wheel_metadata.with_requirement(before) == after
    assert wheel_metadata.with_requirement(after) == after

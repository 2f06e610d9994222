"""The issue's own scenario: ruff's real executables, a real registry, skopeo, the proxy, and bytes compared."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.command import PROGRAM, Completed, ended, environment, run
from tests.images import host_platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.testing.docker_registry import RunningRegistry

# One worker fetches and publishes for all of them.
pytestmark = pytest.mark.xdist_group("real")

VERSION = "0.14.0"
WHEELS = {
    "linux-amd64": "manylinux2014_x86_64",
    "linux-arm64": "manylinux2014_aarch64",
    "darwin-arm64": "macosx_11_0_arm64",
    "windows-amd64": "win_amd64",
}


@pytest.fixture(scope="module")
def executables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return ruff's executable for each platform, taken out of its wheel."""
    found = {}
    for platform, tag in WHEELS.items():
        directory = tmp_path_factory.mktemp(platform)
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--only-binary=:all:", "--platform", tag]
        subprocess.run([*pip, "--dest", str(directory), f"ruff=={VERSION}"], check=True)
        (wheel,) = directory.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (member,) = [name for name in archive.namelist() if "/scripts/ruff" in name]
            found[platform] = Path(archive.extract(member, directory))
        found[platform].chmod(0o755)
    return found


@pytest.fixture(scope="module")
def published(registry: RunningRegistry, executables: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Publish all four as one index into the real registry; return the registry's root."""
    root = f"{registry.url}/deckhouse"
    home = str(tmp_path_factory.mktemp("author"))
    builds = [f"{platform}={path}" for platform, path in executables.items()]
    done = run("publish", *builds, "--image", "ruff", "--version", f"v{VERSION}", "--to", root, home=home)
    assert done.code == 0, done
    return root


@contextlib.contextmanager
def proxy(upstream: str, home: str) -> Iterator[str]:
    """Serve *upstream* while the context lasts; gives the address."""
    command = [PROGRAM, "proxy", "serve", "--from", upstream, "--listen", "127.0.0.1:0", "-q"]
    process = subprocess.Popen(command, env=environment(home), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        line = process.stdout.readline()
        try:
            assert line.startswith("listening on "), line
            yield line.removeprefix("listening on ").strip()
        finally:
            process.terminate()
            assert process.wait() == 0


def install(home: Path, endpoint: str, *arguments: str) -> Completed:
    home.mkdir(exist_ok=True)
    done = run("--endpoint", endpoint, "install", f"ruff=={VERSION}", *arguments, home=str(home))
    assert done.code == 0, done
    return done


def test_every_platform_arrives_through_the_proxy_as_the_wheel_has_it(
    published: str, executables: dict[str, Path], tmp_path: Path
) -> None:
    # The cluster's repository ends in an edition; the images lie one level above it (rpp.md §2.6).
    with proxy(f"{published}/ee", str(tmp_path)) as endpoint:
        install(tmp_path / "here", endpoint)
        for platform in WHEELS:
            install(tmp_path / platform, endpoint, "--platform", platform, "--home", str(tmp_path / platform / "d8"))
        absent = run("--endpoint", endpoint, "install", "ruff", "--platform", "linux-s390x", home=str(tmp_path))
    assert absent.code == 69
    binary = tmp_path / "here/.local/share/d8-installer/bin/ruff"
    assert binary.read_bytes() == executables[host_platform()].read_bytes()
    shown = ended([str(binary), "--version"], home=str(tmp_path))
    assert shown.out == f"ruff {VERSION}\n"
    for platform, original in executables.items():
        name = "ruff.exe" if platform.startswith("windows") else "ruff"
        assert (tmp_path / platform / "d8/bin" / name).read_bytes() == original.read_bytes()


def test_the_lock_names_the_same_digests_whatever_the_source(published: str, tmp_path: Path) -> None:
    locks = []
    with proxy(published, str(tmp_path)) as endpoint:
        for number, source in enumerate((endpoint, published)):
            project = tmp_path / str(number)
            project.mkdir()
            (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "ruff"\n')
            assert run("--endpoint", source, "lock", home=str(tmp_path), cwd=str(project)).code == 0
            locks.append((project / "d8.lock").read_bytes())
    assert locks[0] == locks[1]
    assert all(platform.encode() in locks[0] for platform in WHEELS)


def test_skopeo_inspects_the_index_and_its_copy_installs_too(
    published: str, executables: dict[str, Path], tmp_path: Path
) -> None:
    image = f"{published.removeprefix('oci:')}/deckhouse-cli/plugins/ruff:v{VERSION}"
    index = json.loads(_skopeo("inspect", "--raw", "--tls-verify=false", f"docker:{image}"))
    platforms = {f"{child['platform']['os']}-{child['platform']['architecture']}" for child in index["manifests"]}
    assert platforms == set(WHEELS)
    layout = tmp_path / "layout/deckhouse-cli/plugins/ruff"
    layout.parent.mkdir(parents=True)
    copy = ("copy", "-q", "--all", "--src-tls-verify=false", f"docker:{image}", f"oci:{layout}:v{VERSION}")
    _skopeo(*copy)
    install(tmp_path / "home", f"oci-layout:{tmp_path / 'layout'}")
    binary = tmp_path / "home/.local/share/d8-installer/bin/ruff"
    assert binary.read_bytes() == executables[host_platform()].read_bytes()


def _skopeo(*arguments: str) -> str:
    program = shutil.which("skopeo")
    if program is None:
        message = "skopeo is not on PATH; on Debian: apt-get install skopeo"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    command = [program, "--insecure-policy", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout

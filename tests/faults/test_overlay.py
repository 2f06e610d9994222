"""A home in a container's layers: made in a lower layer of overlayfs, changed in the upper one, for real.

Mounted by root, or in a user namespace of its own; a machine that allows neither skips these tests and says why.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.manifest import Manifest
from tests import installed
from tests.command import PROGRAM, Completed, completed, environment
from tests.images import add_image, executables, host_platform

if TYPE_CHECKING:
    from pathlib import Path

_PLUGIN = installed.manifest("tool", "==1.3.0", plug="plugin")
_REQUEST = Manifest.parse(_PLUGIN.encode(), "d8.toml").requests[0].hash.hex
_OPTIONS = "lowerdir=lower,upperdir=upper,workdir=work"


def _refusal(directory: Path) -> str | None:
    """Say why this machine mounts no overlay, or return None."""
    if sys.platform != "linux":
        return "overlayfs is Linux's"
    for name in ("lower", "upper", "work", "home"):
        (directory / name).mkdir()
    done = _inside(directory, "true")
    return None if done.code == 0 else f"this machine mounts no overlay: {done.err.strip()}"


def _inside(directory: Path, script: str) -> Completed:
    """Run a shell script with ``home`` being an overlay; the mount goes with its namespace."""
    whole = f"set -e; cd {shlex.quote(str(directory))}; mount -t overlay overlay -o {_OPTIONS} home; set +e; {script}"
    as_whom = ["--mount"] if os.geteuid() == 0 else ["--map-root-user", "--mount"]
    done = subprocess.run(
        ["unshare", *as_whom, "--propagation", "private", "sh", "-c", whole],
        env=environment(str(directory / "home"), D8_RPP_ENDPOINT=f"oci-layout:{directory / 'images'}"),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return completed(done.returncode, done.stdout, done.stderr, str(directory / "home"))


@dataclass(frozen=True)
class Container:
    """An image's lower layer with a home in it, and what runs above it."""

    directory: Path

    def above(self, *commands: str) -> Completed:
        """Run commands of ours, one after the other; the first that fails ends it."""
        ours = shlex.quote(PROGRAM)
        typed = (f"{ours}{command[2:]}" if command.startswith("d8 ") else command for command in commands)
        return _inside(self.directory, " && ".join(typed))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the lower layer: a home with two generations, a project's profile, and a plugin not yet run."""
    directory = tmp_path_factory.mktemp("overlay")
    if reason := _refusal(directory):
        pytest.skip(reason)
    for minor in range(4):
        add_image(str(directory / "images"), "tool", f"v1.{minor}.0", executables(f"tool {minor}", host_platform()))
    text = _PLUGIN
    installed.install(installed.library(directory / "lower/venv"), "d8-plug-tool", "1.0", text)
    (directory / "lower/venv/bin").mkdir()
    installed.add_launchers(directory / "lower/venv", text)
    (directory / "lower/project").mkdir()
    (directory / "lower/project/d8.toml").write_text(installed.manifest("tool"))
    commands = ("install tool==1.0.0", "install tool==1.1.0", "--project sync")
    script = " && ".join(f"{shlex.quote(PROGRAM)} -q {command}" for command in commands)
    done = _inside(directory, f"cd home/project && {script} && cp -a .. ../../layer")
    assert done.code == 0, done
    return directory


@pytest.fixture
def container(image: Path) -> Container:
    for name in ("lower", "upper", "work"):
        subprocess.run(["chmod", "-R", "u+rwx", image / name], check=True)
        subprocess.run(["rm", "-rf", image / name], check=True)
    (image / "upper").mkdir()
    (image / "work").mkdir()
    subprocess.run(["cp", "-a", image / "layer", image / "lower"], check=True)
    return Container(image)


def test_a_change_that_drops_a_generation_of_the_lower_layer(container: Container) -> None:
    generations = "ls home/.local/share/d8-installer/profiles/user/generations"
    done = container.above(
        "d8 config set retention 1",
        "d8 install tool==1.2.0",
        "d8 install tool==1.3.0",
        "d8 rollback",
    )
    assert done.code == 69, done  # there is nothing to roll back to
    done = container.above(generations, "home/.local/share/d8-installer/bin/tool", "d8 verify")
    assert done.code == 0, done
    assert done.out.splitlines()[:2] == ["4", f"tool 3 {host_platform()}"]
    assert "error" not in done.err


def test_gc_repair_and_uninstalling_work_there_too(container: Container) -> None:
    done = container.above(
        "d8 gc --keep 1",
        "mv home/project away",
        "d8 gc --missing",
        "mv away home/project",
        "rm home/.local/share/d8-installer/tags.json",
        "d8 verify --fix",
        "d8 verify",
    )
    assert done.code == 0, done
    assert "removed generation 1 of your profile" in done.out
    assert "removed the project" in done.out
    done = container.above("d8 -q self uninstall --yes >said", "ls -A home")
    assert (done.code, done.out) == (0, "project\nvenv\n"), done


def test_a_launchers_first_run_is_the_programs(container: Container) -> None:
    launch = f"d8 launch {_REQUEST} plug home/venv/bin/plug"
    done = container.above("d8 -q config set retention 1 >home/said", launch, launch)
    assert (done.code, done.out) == (0, f"tool 3 {host_platform()}\n" * 2), done

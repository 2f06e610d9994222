"""podman in the place of docker, without network: the base images are stand-ins with this machine's programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from io import BytesIO
from typing import TYPE_CHECKING

from tests.command import SYSTEM_PATH, ended
from tests.managers.wheelhouse import PYTHON, tool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.managers.machine import Machine

BASES = ("docker.io/library/python:3.13-slim", "docker.io/library/debian:bookworm-slim")
DIRECTORIES = ("usr", "etc", "tmp", "root", "proc", "sys", "dev", "run", "var/tmp", "opt")
LINKS = ("bin", "lib", "lib64", "sbin")


def podman(root: Path) -> list[str]:
    """Return how podman is called so that everything of its own is below *root*."""
    store = ["--root", str(root / "podman/store"), "--runroot", str(root / "podman/run"), "--storage-driver", "vfs"]
    return ["podman", *store, "--cgroup-manager", "cgroupfs", "--events-backend", "file"]


def can_build(root: Path) -> bool:
    """Whether podman is here and can build an image."""
    if shutil.which("podman") is None:
        return False
    file = root / "Probe"
    file.write_text("FROM scratch\nCOPY Probe /\n")
    build = [*podman(root), "build", "--isolation", "chroot", "--file", str(file), str(root)]
    return subprocess.run(build, capture_output=True, check=False).returncode == 0


def as_docker(machine: Machine, environment: Path) -> None:
    """Put a ``docker`` on PATH that builds by podman; ``python`` in it is that of *environment*."""
    _install_dependencies(machine, environment)
    mounts = {"/usr": "ro", os.path.dirname(os.path.dirname(PYTHON)): "ro", str(environment): "rw"}
    _import_bases(machine, environment, mounts)
    volumes = [word for place, mode in mounts.items() for word in ("--volume", f"{place}:{place}:{mode}")]
    build = [*podman(machine.root), "build", "--pull=never", "--isolation", "chroot", "--network", "host", *volumes]
    docker = machine.commands / "docker"
    docker.write_text(f'#!/bin/sh\n[ "$1" = build ] || exit 64\nshift\nexec {" ".join(build)} "$@"\n')
    docker.chmod(0o755)


def _install_dependencies(machine: Machine, environment: Path) -> None:
    """Install what d8-installer needs: pip takes half a minute for it in a container, and uv a moment out here."""
    for verb in ("install", "uninstall"):
        machine.does(tool("uv") / "uv", "pip", verb, "--python", environment / "bin/python", "d8-installer")


def _import_bases(machine: Machine, environment: Path, mounts: dict[str, str]) -> None:
    archive = machine.root / "base.tar"
    _write_base(archive, [place.strip("/") for place in mounts])
    variables = {
        "PATH": f"{environment}/bin:{SYSTEM_PATH}",
        "PIP_INDEX_URL": machine.index.url,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_COMPILE": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
    changes = [word for name, value in variables.items() for word in ("--change", f"ENV {name}={value}")]
    for base in BASES:
        done = ended([*podman(machine.root), "import", "--quiet", *changes, str(archive), base], home=str(machine.home))
        assert done.code == 0, done


def _write_base(archive: Path, mounted: list[str]) -> None:
    """Write a root file system without files; the programs are mounted while an image is built."""
    with tarfile.open(archive, "w") as tar:
        for name in dict.fromkeys((*DIRECTORIES, *mounted)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name.endswith("tmp") else 0o755
            tar.addfile(entry)
        for name in LINKS:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(entry)
        user = tarfile.TarInfo("etc/passwd")
        text = b"root:x:0:0:root:/root:/bin/sh\n"
        user.size = len(text)
        tar.addfile(user, BytesIO(text))

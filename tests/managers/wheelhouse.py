"""Real wheels for the managers' tests: downloaded once per machine, from the PyPI that this machine's pip knows.

Lives here: what is needed, the cache directory and its lock, the managers in environments of their own. Everything is
made in a place that nobody looks at, or stamped last, so that an interrupted run and two workers at once do no harm.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.path.realpath(sys.executable)
"""The Python behind our own environment: compiled wheels are for it."""
FAST = ("pip>=26", "pipx>=1.18", "uv>=0.13", "hatchling>=1.26", "setuptools", "editables")
"""Beside the dependencies and extras of d8-installer. Resolved together; each of SLOW is resolved by itself."""
SLOW = {
    # hishel 2 breaks PDM 2.29; `pdm[locked]` pins an idna that httpx2 does not take
    "pdm": ("pdm>=2.29", "hishel<2"),
    "poetry": ("poetry>=2.5",),
    "hatch": ("hatch>=1.18",),
}

PIP = Path(sys.executable).with_name("pip")
"""The pip that readers of pages have: that of our own environment."""
_SYSTEMS = ("manylinux2014_x86_64", "manylinux2014_aarch64", "macosx_11_0_arm64")
PROGRAMS = {"ruff==0.14.0": _SYSTEMS, "ruff==0.14.1": _SYSTEMS}
"""Wheels with a program in them, for the systems that the tutorials publish it for."""
FOREIGN = ("colorama", "httpx2-jsfetch", "pywin32-ctypes", "xattr")
"""What our dependencies need elsewhere: PDM and Poetry lock for every platform. Wheels that no one here installs."""


def wheelhouse(group: str) -> Path:
    """Return the directory of wheels of *group* (``fast``, ``foreign``, a key of SLOW), downloaded if need be."""
    groups = {"fast": (*FAST, *_own_dependencies(), *_extras()), "foreign": FOREIGN, **SLOW}
    requirements, options = sorted(groups[group]), []
    if group == "foreign":
        options = ["--no-deps", "--ignore-requires-python"]
    wheels = _cache() / f"{group}-{_fingerprint(*requirements)}"
    with _locked(wheels):
        if not wheels.exists():
            draft = wheels.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            # `wheel` and not `download`: what has no wheel is built into one
            pip = [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--wheel-dir", str(draft)]
            _succeeds([*pip, *options, *requirements], dict(os.environ))
            draft.rename(wheels)
    return wheels


def programs() -> Path:
    """Return the directory of wheels whose programs the tutorials publish."""
    wheels = _cache() / f"programs-{_fingerprint(*(f'{wanted} {tags}' for wanted, tags in PROGRAMS.items()))}"
    with _locked(wheels):
        if not wheels.exists():
            draft = wheels.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--dest", str(draft)]
            for wanted, tags in PROGRAMS.items():
                for tag in tags:
                    _succeeds([*pip, "--no-deps", "--only-binary=:all:", "--platform", tag, wanted], dict(os.environ))
            draft.rename(wheels)
    return wheels


def tool(name: str) -> Path:
    """Return the ``bin`` of an environment that holds the distribution *name* of the wheelhouse."""
    wheels = wheelhouse(name if name in SLOW else "fast")
    prefix = _cache() / f"tool-{name}-{_fingerprint(wheels.name, *sorted(os.listdir(wheels)))}"
    with _locked(prefix):
        stamp = prefix / "complete"
        if not stamp.exists():
            shutil.rmtree(prefix, ignore_errors=True)
            _succeeds([PYTHON, "-m", "venv", "--without-pip", str(prefix)], clean_environment())
            python = str(prefix / "bin/python")
            pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index", "--find-links"]
            _succeeds([*pip, str(wheels), *SLOW.get(name, (name,))], clean_environment())
            stamp.touch()
    return prefix / "bin"


def clean_environment() -> dict[str, str]:
    """Return the environment of a pip that has no settings of this machine's."""
    return {
        **{name: os.environ[name] for name in ("HOME", "PATH", "LANG") if name in os.environ},
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def _own_dependencies() -> list[str]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [str(requirement) for requirement in document["project"]["dependencies"]]


def _extras() -> list[str]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [str(text) for texts in document["project"]["optional-dependencies"].values() for text in texts]


def _cache() -> Path:
    chosen = os.environ.get("D8_TEST_WHEELHOUSE")
    cache = Path(chosen) if chosen else Path.home() / ".cache/d8-installer-tests/wheelhouse"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _fingerprint(*texts: str) -> str:
    """Return what changes when other wheels are needed, or wheels for another Python."""
    return hashlib.sha256("\0".join((PYTHON, sys.version, *texts)).encode()).hexdigest()[:16]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _succeeds(command: Sequence[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

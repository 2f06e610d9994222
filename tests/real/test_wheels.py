"""The compiled dependencies have wheels for the platforms that pyproject.toml asks for them on; pip says so."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
COMPILED = ("isal", "msgspec")
REQUIREMENTS = {r.name: r for text in PROJECT["project"]["dependencies"] if (r := Requirement(text)).name in COMPILED}
PLATFORMS = {
    "manylinux2014_x86_64": "x86_64",
    "manylinux2014_aarch64": "aarch64",
    "macosx_11_0_x86_64": "x86_64",
    "macosx_11_0_arm64": "arm64",
    "win_amd64": "AMD64",
}
"""Each tag, and the machine that Python names there."""
WITHOUT_ISAL = {"win_arm64": "ARM64"}


def test_they_are_asked_for_on_these_machines_and_on_no_other() -> None:
    assert REQUIREMENTS.keys() == set(COMPILED)
    for name, requirement in REQUIREMENTS.items():
        marker = requirement.marker
        assert marker is not None
        machines = {*PLATFORMS.values(), *(WITHOUT_ISAL.values() if name != "isal" else ())}
        known = {*machines, "ARM64", "riscv64", "s390x", "i686"}
        assert {machine for machine in known if marker.evaluate({"platform_machine": machine})} == machines


@pytest.mark.thorough
@pytest.mark.parametrize("platform", [*PLATFORMS, *WITHOUT_ISAL])
def test_there_is_a_wheel(platform: str, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--dry-run", "--quiet"]
    only = ["--only-binary", ":all:", "--no-deps", "--python-version", "3.11", "--platform", platform]
    wanted = [f"{r.name}{r.specifier}" for r in REQUIREMENTS.values() if platform in PLATFORMS or r.name != "isal"]
    subprocess.run([*pip, *only, "--target", tmp_path, *wanted], check=True)

"""Fixtures of the matrix: a machine with OLD installed. It is installed once, and each test gets a copy."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from d8_installer.testing.faults import fault_server
from tests.matrix.layers import HOST
from tests.matrix.machine import NAME, OLD, Machine, catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install OLD into an empty HOME, and return that HOME."""
    if os.name == "nt":
        pytest.skip("the programs of the matrix are shell scripts")
    home, images = tmp_path_factory.mktemp("good"), catalogue()
    with fault_server(images) as proxy:
        machine = Machine(home, proxy, images)
        machine.succeeds("install", f"{NAME}=1.4.1")
        assert machine.say() == f"{OLD} {HOST} !\n"
        listed = json.loads(machine.succeeds("list", "--json").out)
        assert listed["data"] == machine.listed()
        return home


@pytest.fixture
def machine(good: Path, tmp_path: Path) -> Iterator[Machine]:
    """A machine of this test's own, with OLD installed and a proxy that does everything right so far."""
    home, images = tmp_path / "home", catalogue()
    shutil.copytree(good, home, symlinks=True)
    with fault_server(images) as proxy:
        yield Machine(home, proxy, images)

"""Fixtures of the manager matrix: index and proxy once a worker, an empty machine for each test."""

from __future__ import annotations

import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.forms import THOROUGH
from tests.managers import images as image_server
from tests.managers import index as package_index
from tests.managers.machine import Machine
from tests.managers.wheelhouse import PYTHON, ROOT, SLOW, clean_environment, tool, wheelhouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.managers.images import Images
    from tests.managers.index import Index


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the slow managers out of the fast suite: they are downloaded only for ``dev.py test --thorough``."""
    if THOROUGH:
        return
    skip = pytest.mark.skip(reason="runs with dev.py test --thorough")
    for item in items:
        if item.get_closest_marker("thorough") is not None and "managers" in item.path.parts:
            item.add_marker(skip)


@pytest.fixture(scope="session", autouse=True)
def _python_of_the_machine_is_left_alone() -> Iterator[None]:
    """Check that no manager got out of its HOME: the Python that all of them start from has not changed."""
    before = _libraries_of_the_machine()
    yield
    assert _libraries_of_the_machine() == before


def _libraries_of_the_machine() -> list[str]:
    """Ask the Python itself, and without the variables that could make it look elsewhere."""
    code = "import os, site; print(*[f'{d}/{n}' for d in site.getsitepackages() for n in os.listdir(d)], sep='\\n')"
    done = subprocess.run([PYTHON, "-I", "-c", code], capture_output=True, text=True, check=True)
    return sorted(done.stdout.splitlines())


@pytest.fixture(scope="session")
def d8_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build d8-installer's wheel from this tree."""
    directory = tmp_path_factory.mktemp("d8-wheel")
    command = [str(tool("hatchling") / "hatchling"), "build", "-t", "wheel", "-d", str(directory)]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = directory.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def index(d8_wheel: Path) -> Iterator[Index]:
    """Serve d8-installer and what it and the fast managers need."""
    if os.name == "nt":
        pytest.skip("the programs of the matrix are shell scripts")
    with package_index.serving() as serving:
        serving.add([d8_wheel, *wheelhouse("fast").glob("*.whl")])
        yield serving


@pytest.fixture(scope="session")
def thorough_index(index: Index) -> Index:
    """Serve the wheels of PDM, Poetry and Hatch as well."""
    for group in ("foreign", *SLOW):
        index.add(wheelhouse(group).glob("*.whl"))
    return index


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    """Serve images by the embedded proxy."""
    with image_server.serving(tmp_path_factory.mktemp("images")) as serving:
        yield serving


@pytest.fixture
def machine(tmp_path: Path, index: Index, images: Images, request: pytest.FixtureRequest) -> Machine:
    """An empty HOME, and no manager on PATH yet."""
    word = f"t{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]}"
    return Machine(tmp_path, index, images, word)


@pytest.fixture(scope="session")
def equipped(thorough_index: Index, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what gives the program of a manager in whose environment d8-installer is, too (``pdm self add``)."""
    prefixes: dict[str, Path] = {}

    def equip(name: str) -> Path:
        if name not in prefixes:
            prefix, uv = tmp_path_factory.mktemp(f"{name}-equipped") / "venv", tool("uv") / "uv"
            environment = {**clean_environment(), "HOME": str(prefix.parent), "UV_DEFAULT_INDEX": thorough_index.url}
            for line in (
                ["venv", "-q", "--python", PYTHON, str(prefix)],
                ["pip", "install", "-q", "--python", str(prefix), *SLOW[name], "d8-installer"],
            ):
                done = subprocess.run([uv, *line], env=environment, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr
            prefixes[name] = prefix
        return prefixes[name] / "bin" / name

    return equip

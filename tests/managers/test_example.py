"""docs/example-plugin, built by its own pyproject.toml, in the hands of a new user with pipx and with uv."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.managers.drivers import MANAGERS
from tests.managers.machine import Machine
from tests.managers.wheelhouse import ROOT, tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLE = ROOT / "docs/example-plugin"
NAME, COMMAND = "d8-plug-hello", "hello"


@pytest.fixture
def example(machine: Machine) -> Iterator[Example]:
    """Take the wheels off the index at the end: the names are the example's own, and the index is shared."""
    yield Example(machine)
    machine.index.withdraw(NAME)


class Example:
    """The author's work tree, and the wheels that come out of it."""

    def __init__(self, machine: Machine) -> None:
        self._tree = machine.root / "author/d8-plug-hello"
        shutil.copytree(EXAMPLE, self._tree)
        self._author = Machine(machine.root / "author", machine.index, machine.images, machine.word)

    def edit(self, file: str, old: str, new: str) -> None:
        """Change *old* to *new* in a file of the work tree."""
        path = self._tree / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def build(self) -> Path:
        """Build the wheel in an environment of its own, as any front end does."""
        out = self._author.root / "dist"
        self._author.does(tool("uv") / "uv", "build", "--wheel", "--out-dir", out, self._tree)
        return max(out.glob("*.whl"), key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.parametrize("name", ["pipx-uv", "uv-tool"])
def test_a_new_user_installs_it_upgrades_it_and_is_rid_of_it(machine: Machine, example: Example, name: str) -> None:
    manager, images = MANAGERS[name](machine), machine.images
    images.publish(COMMAND, "v1.0.0")
    fetched = images.fetches(COMMAND)
    machine.index.add([example.build()])
    manager.install(NAME)
    for _ in range(2):
        machine.says(COMMAND, COMMAND, "v1.0.0")
    assert images.fetches(COMMAND) == fetched + 1
    example.edit("pyproject.toml", '"1.0.0"', '"2.0.0"')
    example.edit("src/d8_plug_hello/d8.toml", ">=1.0, <2", ">=2.0, <3")
    images.publish(COMMAND, "v2.0.0")
    machine.index.add([example.build()])
    manager.upgrade(NAME)
    for _ in range(2):
        machine.says(COMMAND, COMMAND, "v2.0.0")
    assert images.fetches(COMMAND) == fetched + 2
    manager.uninstall(NAME, "")
    machine.d8("sync", "--prune")
    assert machine.placed() == []
    assert machine.traces_of("plug-hello") == []

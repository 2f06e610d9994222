"""The examples in the help of ``pip``, ``pipx`` and ``uv``, typed with the real ones."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from d8_installer.cli.verbs import VERBS
from tests.command import PROGRAM
from tests.managers.machine import activate
from tests.managers.plugin_wheel import PluginWheel
from tests.managers.wheelhouse import PYTHON, tool

if TYPE_CHECKING:
    from tests.managers.machine import Machine

MANIFEST = 'schema = 1\n[[images]]\nname = "vault"\nversion = "=1.0.0"\n'
PROJECT = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\n'


@pytest.fixture
def developer(machine: Machine) -> Machine:
    """Somebody with the three managers, a plugin on the index, and a project with an active environment."""
    machine.images.publish("vault", "v1.0.0")
    machine.index.add([PluginWheel("d8-plug-vault", "1.0", MANIFEST, requires=()).write(machine.wheels)])
    machine.put_on_path(tool("uv") / "uv", tool("pipx") / "pipx")
    project = machine.home / "app"
    project.mkdir()
    (project / "pyproject.toml").write_text(PROJECT)
    machine.variables["PIPX_DEFAULT_BACKEND"] = "uv"
    machine.does("uv", "venv", "--python", PYTHON, ".venv", cwd=project)
    machine.does("uv", "pip", "install", "--python", ".venv", "pip", cwd=project)
    activate(machine, project / ".venv/bin/python")
    return machine


@pytest.mark.parametrize("name", [verb.name for verb in VERBS.values() if verb.is_manager])
def test_the_examples_of_a_manager_work_as_they_are_typed(developer: Machine, name: str) -> None:
    for line in VERBS[name].examples:
        _, *words = shlex.split(line)
        developer.does(PROGRAM, *words, cwd=developer.home / "app")
    assert "vault" in developer.d8("list", "--user", cwd=developer.home).out

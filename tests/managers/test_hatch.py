"""Hatch's environments: the line that docs/how-to/package-managers.md gives for them."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.managers.machine import NOWHERE
from tests.managers.wheelhouse import ROOT, tool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.managers.index import Index
    from tests.managers.machine import Machine

pytestmark = pytest.mark.thorough

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "app"
version = "1"
requires-python = ">=3.11"
dependencies = ["{plugin}>=1.0"]

{environment}
installer = "{installer}"
"""


def documented() -> str:
    """Return the table that the page shows."""
    page = (ROOT / "docs/how-to/package-managers.md").read_text()
    (found,) = [block for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "tool.hatch" in block]
    assert tomllib.loads(found)["tool"]["hatch"]["envs"]["default"]["post-install-commands"]
    return str(found).strip()


@pytest.fixture(params=["pip", "uv"])
def project(request: pytest.FixtureRequest, machine: Machine, thorough_index: Index) -> Path:
    """A project that depends on a plugin, and has the documented line."""
    machine.put_on_path(tool("hatch") / "hatch", tool("uv") / "uv")
    plugin = machine.plugin("hello", "1.0", "v1.0.0")
    directory = machine.home / "app"
    (directory / "app").mkdir(parents=True)
    (directory / "app/__init__.py").touch()
    text = PROJECT.format(plugin=plugin, environment=documented(), installer=request.param)
    (directory / "pyproject.toml").write_text(text)
    return directory


def test_creating_an_environment_places_what_its_plugins_want(machine: Machine, project: Path) -> None:
    command = f"{machine.word}-hello"
    created = machine.does("hatch", "env", "create", cwd=project)
    assert f"installed {command}" in created.out
    assert machine.images.fetches(command) == 1
    done = machine.does("hatch", "run", command, cwd=project)
    assert done.out == f"{command} v1.0.0\n"
    assert "d8-installer: " not in done.err
    assert machine.images.fetches(command) == 1
    machine.does("hatch", "env", "prune", cwd=project)
    machine.d8("sync", "--prune")
    assert machine.placed() == []


def test_our_failure_is_said_and_is_not_hatchs(machine: Machine, project: Path) -> None:
    created = machine.does("hatch", "env", "create", cwd=project, env={"D8_RPP_ENDPOINT": NOWHERE})
    assert "error[" in created.err
    assert "hint: " in created.err
    done = machine.does("hatch", "run", f"{machine.word}-hello", cwd=project)
    assert done.out == f"{machine.word}-hello v1.0.0\n"

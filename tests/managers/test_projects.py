"""PDM's signal and Poetry's plugin: what they install is in place, and we are never in their way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.managers.machine import NOWHERE
from tests.managers.projects import Project
from tests.managers.wheelhouse import tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.managers.index import Index
    from tests.managers.machine import Machine

pytestmark = pytest.mark.thorough


@pytest.fixture(params=["pdm", "poetry"])
def project(request: pytest.FixtureRequest, machine: Machine, equipped: Callable[[str], Path]) -> Project:
    """A project of a manager that has d8-installer in its environment."""
    machine.put_on_path(equipped(request.param))
    return Project(machine, request.param)


def test_what_the_manager_does_is_followed_in_the_users_profile(machine: Machine, project: Project) -> None:
    plugin, command = machine.plugin("hello", "1.0", "v1.0.0"), f"{machine.word}-hello"
    assert project.add(plugin) == [f"installed {command} v1.0.0"]
    assert machine.images.fetches(command) == 1
    warm_run(machine, project, command, "v1.0.0")
    machine.says(machine.bin / command, command, "v1.0.0")
    requests = machine.images.requests(command)
    assert project.said("install") == []
    assert machine.images.requests(command) == requests

    machine.plugin("hello", "2.0", "v2.0.0")
    assert project.said("update", plugin, "--dry-run") == []
    assert project.said("update", plugin) == [f"switched {command} v1.0.0 -> v2.0.0"]
    warm_run(machine, project, command, "v2.0.0")
    assert machine.images.fetches(command) == 2

    extra = machine.plugin("data", "1.0", "v1.0.0", launchers=False)
    assert project.add(extra, "--dry-run") == []
    assert machine.images.requests(f"{machine.word}-data") == 0
    assert project.add(extra) == [f"installed {machine.word}-data v1.0.0"]
    assert project.said("remove", plugin, "--dry-run") == []
    project.said("remove", plugin, extra)
    assert not (project.environment / "bin" / command).exists()
    machine.d8("sync", "--prune")
    assert machine.placed() == []


def test_a_project_with_a_manifest_gets_it_in_its_own_profile(machine: Machine, project: Project) -> None:
    own = machine.image("own", "v1.0.0")
    plugin, command = machine.plugin("hello", "1.0", "v1.0.0"), f"{machine.word}-hello"
    (project.directory / "d8.toml").write_text(f'schema = 1\n[[images]]\nname = "{own}"\n')
    (line,) = project.add(plugin)
    assert set(line.removeprefix("installed ").split(", installed ")) == {f"{own} v1.0.0", f"{command} v1.0.0"}
    assert plugin in (project.directory / "d8.lock").read_text()
    assert machine.placed() == [], "the user's profile is another one"
    link = project.environment / ".d8-profile"
    assert (link / "current/bin" / command).exists()
    warm_run(machine, project, command, "v1.0.0")

    project.said("remove", plugin)
    machine.d8("sync", "--prune", cwd=project.directory)
    assert not link.is_symlink()
    assert plugin not in (project.directory / "d8.lock").read_text()


@pytest.mark.parametrize("variables", [{"D8_OFFLINE": "1"}, {"D8_RPP_ENDPOINT": NOWHERE}], ids=["told", "cut-off"])
def test_our_failure_is_said_and_is_not_the_managers(
    machine: Machine, project: Project, variables: dict[str, str]
) -> None:
    plugin, command = machine.plugin("hello", "1.0", "v1.0.0"), f"{machine.word}-hello"
    error, hint = project.add(plugin, env=variables)
    assert error.startswith("error[")
    assert hint.startswith("hint: ")
    done = project.run("run", command)
    assert (done.code, done.out) == (0, f"{command} v1.0.0\n"), str(done)


def test_the_managers_failure_is_its_own(machine: Machine, project: Project) -> None:
    done = project.run("add", "d8-plug-that-nobody-published")
    assert done.code != 0
    assert "d8-installer: " not in done.err
    assert not machine.data.exists()


def test_pdm_can_leave_the_signal_out(machine: Machine, equipped: Callable[[str], Path]) -> None:
    machine.put_on_path(equipped("pdm"))
    project, plugin = Project(machine, "pdm"), machine.plugin("hello", "1.0", "v1.0.0")
    assert project.add(plugin, "--skip=post_install") == []
    assert project.said("install", "--quiet") == []
    assert machine.placed() == [f"{machine.word}-hello"], "quiet, and done"


def test_pdm_takes_the_hook_from_the_projects_plugins(machine: Machine, thorough_index: Index) -> None:
    machine.put_on_path(tool("pdm") / "pdm")
    project = Project(machine, "pdm", extra='plugins = ["d8-installer"]\n')
    project.said("install", "--plugins")
    assert project.add(machine.plugin("hello", "1.0", "v1.0.0")) == [f"installed {machine.word}-hello v1.0.0"]


def test_poetry_takes_the_hook_from_the_projects_plugins_from_the_second_command_on(
    machine: Machine, thorough_index: Index
) -> None:
    machine.put_on_path(tool("poetry") / "poetry")
    project = Project(machine, "poetry", extra='\n[tool.poetry.requires-plugins]\nd8-installer = "*"\n')
    assert project.said("install") == []
    assert project.add(machine.plugin("hello", "1.0", "v1.0.0")) == [f"installed {machine.word}-hello v1.0.0"]


def warm_run(machine: Machine, project: Project, command: str, tag: str) -> None:
    """Run the command in the project's environment: it is there already."""
    requests = machine.images.requests(command)
    done = project.run("run", command, "an argument")
    assert (done.code, done.out) == (0, f"{command} {tag} an argument\n"), str(done)
    assert "d8-installer: " not in done.err
    assert machine.images.requests(command) == requests

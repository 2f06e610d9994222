"""The life of a plugin under each fast manager: installed, run, upgraded, reinstalled, with another, uninstalled."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.managers.drivers import MANAGERS
from tests.managers.machine import first_words

if TYPE_CHECKING:
    from tests.managers.drivers import Manager
    from tests.managers.machine import Machine


@pytest.fixture(params=MANAGERS)
def manager(request: pytest.FixtureRequest, machine: Machine) -> Manager:
    return MANAGERS[request.param](machine)


def test_a_plugin_lives_and_leaves_nothing(machine: Machine, manager: Manager) -> None:
    plugin, command = machine.plugin("hello", "1.0", "v1.0.0"), f"{machine.word}-hello"
    manager.install(plugin)
    assert machine.images.requests(command) == 0, "installing a wheel runs nothing of ours"
    first_run(machine, manager, plugin, command, "v1.0.0")
    assert machine.images.fetches(command) == 1
    warm_run(machine, manager, command, "v1.0.0")
    machine.says(machine.bin / command, command, "v1.0.0")

    machine.plugin("hello", "2.0", "v2.0.0")
    manager.upgrade(plugin)
    first_run(machine, manager, plugin, command, "v2.0.0")
    assert machine.images.fetches(command) == 2
    warm_run(machine, manager, command, "v2.0.0")
    machine.says(machine.bin / command, command, "v2.0.0")

    manager.reinstall(plugin)
    warm_run(machine, manager, command, "v2.0.0")
    assert machine.d8("sync").out == "nothing to do\n"

    extra = machine.plugin("data", "1.0", "v1.0.0", launchers=False)
    manager.add(plugin, extra)
    assert f"installed {machine.word}-data" in machine.d8("sync").out
    machine.says(machine.bin / f"{machine.word}-data", f"{machine.word}-data", "v1.0.0")
    warm_run(machine, manager, command, "v2.0.0")
    assert machine.placed() == [f"{machine.word}-data", command]

    manager.uninstall(plugin, extra)
    assert not manager.command(command).is_symlink()
    assert not manager.command(command).exists()
    kept = machine.d8("sync")
    assert plugin in kept.err
    assert machine.placed() == [f"{machine.word}-data", command], "only --prune takes away what somebody wanted"
    machine.d8("sync", "--prune")
    nothing_is_left(machine, plugin, extra)


def first_run(machine: Machine, manager: Manager, plugin: str, command: str, tag: str) -> None:
    """Run the plugin's command, which fetches and provides its binary, and says so before and after."""
    done = machine.says(manager.command(command), command, tag)
    assert re.fullmatch(first_words(command, tag, plugin), done.err), done.err


def warm_run(machine: Machine, manager: Manager, command: str, tag: str) -> None:
    """Run the plugin's command, which says nothing of its own and asks nobody."""
    before = machine.images.requests(command)
    done = machine.says(manager.command(command), command, tag)
    assert done.err == ""
    assert machine.images.requests(command) == before


def nothing_is_left(machine: Machine, *plugins: str) -> None:
    """Check that neither a command nor a claim of the plugins is left."""
    assert machine.placed() == []
    assert json.loads(machine.d8("list", "--json").out)["data"]["binaries"] == []
    lock = (machine.data / "profiles/user/d8.lock").read_text()
    assert not [plugin for plugin in plugins if plugin in lock]
    assert machine.traces_of(machine.word) == []
    assert machine.d8("sync").out == "nothing to do\n"

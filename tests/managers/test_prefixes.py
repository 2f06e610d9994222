"""``d8-installer pip|pipx|uv …``: the manager runs, and what it changed is in place when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.command import PROGRAM
from tests.managers.drivers import Pip, Pipx, UvPip, UvTool
from tests.managers.machine import activate

if TYPE_CHECKING:
    from tests.managers.machine import Machine


@pytest.mark.parametrize("backend", [pytest.param("pip", marks=pytest.mark.thorough), "uv"])
def test_pipx_as_prefix_places_and_takes_away(machine: Machine, backend: str) -> None:
    Pipx(machine, backend)
    check(machine, ("pipx",))


def test_uv_tool_as_prefix_places_and_takes_away(machine: Machine) -> None:
    UvTool(machine)
    check(machine, ("uv", "tool"))


def test_pip_as_prefix_places_and_takes_away(machine: Machine) -> None:
    activate(machine, Pip(machine).command("pip"))
    check(machine, ("pip",), yes="--yes")


def test_uv_pip_as_prefix_places_and_takes_away(machine: Machine) -> None:
    activate(machine, UvPip(machine).command("python"))
    check(machine, ("uv", "pip"))


def test_the_managers_failure_is_the_prefixs(machine: Machine) -> None:
    UvTool(machine)
    alone = machine.run("uv", "tool", "install", "d8-plug-that-nobody-published")
    prefixed = machine.run(PROGRAM, "uv", "tool", "install", "d8-plug-that-nobody-published")
    assert alone.code != 0
    assert (prefixed.code, prefixed.out) == (alone.code, alone.out)
    assert not machine.data.exists()


def check(machine: Machine, manager: tuple[str, ...], *, yes: str = "") -> None:
    """Install, upgrade and uninstall a plugin behind the prefix; its command is never run cold."""
    plugin, command = machine.plugin("hello", "1.0", "v1.0.0"), f"{machine.word}-hello"
    machine.d8(*manager, "install", plugin)
    assert machine.images.fetches(command) == 1
    warm = machine.says(command, command, "v1.0.0")
    assert warm.err == ""
    machine.plugin("hello", "2.0", "v2.0.0")
    upgrade = ("upgrade",) if manager in {("pipx",), ("uv", "tool")} else ("install", "--upgrade")
    machine.d8(*manager, *upgrade, plugin)
    assert machine.says(command, command, "v2.0.0").err == ""
    assert machine.images.fetches(command) == 2
    machine.d8(*manager, "uninstall", *([yes] if yes else []), plugin)
    assert machine.placed() == []
    assert machine.traces_of(machine.word) == []

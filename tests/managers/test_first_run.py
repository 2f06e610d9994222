"""First runs: through uvx, eight at once, offline, and with a store that another plugin has filled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import UnreachableError
from tests.managers.machine import NOWHERE, first_words
from tests.managers.wheelhouse import tool

if TYPE_CHECKING:
    from tests.managers.machine import Machine


@pytest.fixture
def uv(machine: Machine) -> Machine:
    machine.put_on_path(tool("uv") / "uv", tool("uv") / "uvx")
    return machine


def test_uvx_runs_a_plugin_that_was_never_installed(uv: Machine) -> None:
    plugin, command = uv.plugin("hello", "1.0", "v1.0.0"), f"{uv.word}-hello"
    line = ("uvx", "--quiet", "--from", plugin, command, "an argument")
    first = uv.does(*line)
    assert first.out == f"{command} v1.0.0 an argument\n"
    assert re.fullmatch(first_words(command, "v1.0.0", plugin), first.err), first.err
    requests = uv.images.requests(command)
    second = uv.does(*line)
    assert (second.out, second.err) == (first.out, "")
    assert uv.images.requests(command) == requests
    uv.plugin("hello", "2.0", "v2.0.0")
    third = uv.does("uvx", "--quiet", "--refresh", "--from", f"{plugin}@latest", command, "an argument")
    assert third.out == f"{command} v2.0.0 an argument\n"
    assert uv.images.fetches(command) == 2


def test_eight_first_runs_at_once_download_once(uv: Machine) -> None:
    plugin, command = uv.plugin("hello", "1.0", "v1.0.0"), f"{uv.word}-hello"
    uv.does("uv", "tool", "install", plugin)
    running = [uv.start(command, str(number)) for number in range(8)]
    ended = [(process.communicate(), process.returncode) for process in running]
    for number, ((out, err), code) in enumerate(ended):
        assert (out, code) == (f"{command} v1.0.0 {number}\n", 0), err
    said = [err for (_, err), _ in ended if err]
    assert len(said) == 1, said
    assert re.fullmatch(first_words(command, "v1.0.0", plugin), said[0]), said
    assert uv.images.fetches(command) == 1
    uv.check_store()
    assert len(uv.stored()) == 1


@pytest.mark.parametrize("variables", [{"D8_OFFLINE": "1"}, {"D8_RPP_ENDPOINT": NOWHERE}], ids=["told", "cut-off"])
def test_an_offline_first_run_is_named_with_a_hint_and_the_next_one_works(
    uv: Machine, variables: dict[str, str]
) -> None:
    plugin, command = uv.plugin("hello", "1.0", "v1.0.0"), f"{uv.word}-hello"
    uv.does("uv", "tool", "install", plugin)
    done = uv.run(command, env=variables)
    assert (done.code, done.out) == (UnreachableError.exit_code, ""), str(done)
    error, hint = done.err.splitlines()
    assert error.startswith("error[")
    assert hint.startswith("hint: ")
    assert uv.stored() == []
    uv.says(command, command, "v1.0.0")
    requests = uv.images.requests(command)
    assert uv.run(command, env=variables).out == f"{command} v1.0.0\n"
    assert uv.images.requests(command) == requests


def test_the_command_gets_its_own_exit_code_arguments_and_input(uv: Machine) -> None:
    plugin, command = uv.plugin("hello", "1.0", "v1.0.0"), f"{uv.word}-hello"
    uv.does("uv", "tool", "install", plugin)
    for _ in range(2):
        done = uv.does(command, "--json", "-q", "", "two words", "$HOME", "*")
        assert done.out == f"{command} v1.0.0 --json -q  two words $HOME *\n"


def test_the_dependency_of_a_plugin_is_reached_through_the_managed_bin(uv: Machine) -> None:
    below = uv.plugin("below", "1.0", "v1.0.0")
    above = uv.plugin("above", "1.0", "v1.0.0", needs=[below])
    uv.does("uv", "tool", "install", above)
    assert not (uv.local_bin / f"{uv.word}-below").exists(), "uv exposes no commands of dependencies"
    uv.d8("sync")
    for name in ("below", "above"):
        uv.says(uv.bin / f"{uv.word}-{name}", f"{uv.word}-{name}", "v1.0.0")
    uv.does("uv", "tool", "uninstall", above)
    uv.d8("sync", "--prune")
    assert uv.placed() == []


def test_use_rollback_and_upgrade_reach_a_launcher(uv: Machine) -> None:
    command = uv.image("hello", "v1.0.0", "v1.1.0")
    plugin = uv.plugin_wanting("hello", "1.0", ">=1.0")
    uv.does("uv", "tool", "install", plugin)
    uv.says(command, command, "v1.1.0")
    uv.d8("use", command, "v1.0.0")
    uv.says(command, command, "v1.0.0")
    uv.d8("rollback")
    uv.says(command, command, "v1.1.0")
    uv.images.publish(command, "v1.2.0")
    uv.d8("upgrade", "--all")
    uv.says(command, command, "v1.2.0")

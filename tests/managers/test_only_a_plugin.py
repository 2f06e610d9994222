"""A person who installed only a plugin: no ``d8-installer`` is on PATH, and what every hint says can be typed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.command import PROGRAM
from tests.managers.drivers import MANAGERS, Pip
from tests.managers.machine import Machine
from tests.managers.wheelhouse import PYTHON, tool

if TYPE_CHECKING:
    from tests.command import Completed
    from tests.managers.images import Images
    from tests.managers.index import Index


def hinted(done: Completed) -> str:
    """Return the command in the hint of a run that failed."""
    assert done.code != 0, str(done)
    assert "Traceback" not in done.err
    return done.err.partition("hint: ")[2].split("`")[1]


@pytest.mark.parametrize("manager", ["pipx-uv", "uv-tool"])
def test_what_a_first_run_says_can_be_typed(tmp_path: Path, index: Index, images: Images, manager: str) -> None:
    machine = Machine(tmp_path / "a b", index, images, f"only{manager.replace('-', '')}")
    plugin, command = machine.plugin("hello", "1.0", "v1.0.0"), f"{machine.word}-hello"
    MANAGERS[manager](machine).install(plugin)
    typed = hinted(machine.run(command, env={"D8_RPP_ENDPOINT": ""}))
    assert "a b" in typed
    assert typed.endswith(" config set endpoint URL")
    typed = typed.replace("URL", machine.images.url)
    machine.does("sh", "-c", typed)
    machine.variables["D8_RPP_ENDPOINT"] = ""  # the endpoint is in the settings from here on
    machine.says(command, command, "v1.0.0")


@pytest.mark.parametrize("manager", ["pipx-uv", "uv-tool"])
@pytest.mark.parametrize("lost", ["removed", "replaced"])
def test_a_python_that_went_away_is_named_with_what_to_type(machine: Machine, manager: str, lost: str) -> None:
    plugin, command = machine.plugin("hello", "1.0", "v1.0.0"), f"{machine.word}-hello"
    MANAGERS[manager](machine).install(plugin)
    (python,) = machine.home.glob(f".local/share/*/*/{plugin}/bin/python")
    python.unlink()
    if lost == "removed":
        python.symlink_to("/nowhere/bin/python3")
    else:  # by another version, which does not look into this environment's library
        python.write_text("#!/bin/sh\necho 'No module named d8_installer' >&2\nexit 1\n")
        python.chmod(0o755)
    done = machine.run(command)
    assert done.code == 78, str(done)
    assert f"the Python of {python.parents[1]} is gone" in done.err
    typed = hinted(done)
    assert typed == {"pipx-uv": f"pipx reinstall {plugin}", "uv-tool": f"uv tool install --reinstall {plugin}"}[manager]
    machine.put_on_path(Path(PROGRAM))
    machine.says(command, command, "v1.0.0")
    (machine.commands / "d8-installer").unlink()
    if lost == "replaced":  # managers ask the Python what it is, and this one does not know
        python.unlink()
        python.symlink_to("/nowhere/bin/python3")
    shutil.rmtree(machine.data)
    machine.does("sh", "-c", typed)
    machine.says(command, command, "v1.0.0")


@pytest.mark.parametrize("by", ["pip", "uv"])
@pytest.mark.parametrize("option", ["--target", "--prefix"])
def test_a_directory_that_no_python_looks_into_serves_its_launchers(machine: Machine, by: str, option: str) -> None:
    plugin, command = machine.plugin("hello", "1.0", "v1.0.0"), f"{machine.word}-hello"
    where = machine.home / "some where"
    if by == "pip":
        pip = Pip(machine).command("pip")
        machine.does(pip, "install", "--quiet", option, where, plugin)
    else:
        machine.does(tool("uv") / "uv", "pip", "install", "--quiet", "--python", PYTHON, option, where, plugin)
    typed = hinted(machine.run(where / "bin" / command, env={"D8_RPP_ENDPOINT": ""}))
    machine.does("sh", "-c", typed.partition(" config ")[0] + " --version")
    first = machine.says(where / "bin" / command, command, "v1.0.0")
    assert first.err.endswith(f"d8-installer: installed {command} v1.0.0 for {plugin}\n")
    assert machine.says(where / "bin" / command, command, "v1.0.0").err == ""
    assert "nothing to do" in machine.d8("sync").out, "the directory is remembered"

"""One plugin in two environments: the profile follows one, the launchers of both work, and no history is pushed out."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_launching import Machine, serving
from tests.installed import add_launchers, install, library, manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with serving(tmp_path) as served:
        yield served


def generations(machine: Machine) -> list[str]:
    return sorted(path.name for path in (machine.data / "profiles/user/generations").iterdir())


def in_place(machine: Machine) -> list[str]:
    rows = json.loads(machine.run("--json", "list").out)["data"]["binaries"]
    return [f"{row['binary']} {row['version']}" for row in rows]


def runs(machine: Machine) -> list[Path]:
    return sorted((machine.data / "runs").iterdir()) if (machine.data / "runs").exists() else []


def add(machine: Machine, place: str, text: str, plugin: str = "d8-plug-hello", version: str = "1.0") -> Path:
    """Put a plugin and its launchers where ``sync`` looks; its launchers use the tool on PATH."""
    prefix = machine.home / ".local/share/pipx/venvs" / place
    install(library(prefix), plugin, version, text)
    (prefix / "bin").mkdir(exist_ok=True)
    add_launchers(prefix, text)
    return prefix


def test_launchers_of_two_versions_change_nothing_for_each_other(machine: Machine) -> None:
    one = add(machine, "one", manifest("hello", "=1.0.0"))
    two = add(machine, "two", manifest("hello", "=2.0.0"), version="2.0")
    assert machine.call(one / "bin/hello").err.endswith("d8-installer: installed hello v1.0.0 for d8-plug-hello\n")
    first = machine.call(two / "bin/hello")
    assert first.out.startswith("hello v2.0.0")
    assert f"the profile follows d8-plug-hello in {one}" in first.err
    before, asked = generations(machine), len(machine.images.calls)
    machine.env["D8_OFFLINE"] = "1"
    for prefix, tag in [(one, "v1.0.0"), (two, "v2.0.0")] * 5:
        done = machine.call(prefix / "bin/hello")
        assert (done.code, done.out.strip(), done.err) == (0, f"hello {tag}", "")
    assert (generations(machine), len(machine.images.calls)) == (before, asked)
    assert in_place(machine) == ["hello v1.0.0"]


def test_sync_prepares_the_other_one_and_gc_drops_it_with_the_plugin(machine: Machine) -> None:
    one = add(machine, "one", manifest("hello", "=1.0.0"))
    machine.call(one / "bin/hello")
    two = add(machine, "two", manifest("hello", "=2.0.0") + manifest("vault", "=1.0.0")[11:], version="2.0")
    done = machine.run("sync")
    assert (done.code, in_place(machine)) == (0, ["hello v1.0.0"])
    assert f"d8-plug-hello in {two} wants hello =2.0.0, for its own launchers alone" in done.err
    assert len(runs(machine)) == 2, "vault is the other one's, too"
    assert "nothing to do" in machine.run("sync").out
    machine.env["D8_OFFLINE"] = "1"
    assert machine.call(two / "bin/hello").out.startswith("hello v2.0.0")
    assert machine.call(two / "bin/vault").out.startswith("vault v1.0.0")
    assert machine.run("gc").code == 0
    assert len(runs(machine)) == 2
    shutil.rmtree(two)
    assert "run" in machine.run("gc").out
    assert runs(machine) == []
    assert machine.call(one / "bin/hello").out.startswith("hello v1.0.0")


def test_the_profile_follows_the_environment_that_is_named(machine: Machine) -> None:
    one = add(machine, "one", manifest("hello", "=1.0.0"))
    machine.call(one / "bin/hello")
    two = add(machine, "two", manifest("hello", "=2.0.0"), version="0.5")
    hint = machine.run("sync").err
    assert f"`d8-installer sync --env {two}`" in hint
    assert machine.run("sync", "--env", str(two)).code == 0
    assert in_place(machine) == ["hello v2.0.0"]
    assert machine.run("sync").code == 0
    assert in_place(machine) == ["hello v2.0.0"]
    machine.env["D8_OFFLINE"] = "1"
    for prefix, tag in ((one, "v1.0.0"), (two, "v2.0.0")):
        assert machine.call(prefix / "bin/hello").out.startswith(f"hello {tag}")
    rows = json.loads(machine.run("--json", "plugins").out)["data"]["manifests"]
    assert {row["environment"]: row["counts"] for row in rows} == {str(one): False, str(two): True}


def test_an_upgraded_plugin_is_no_other_one(machine: Machine) -> None:
    one = add(machine, "one", manifest("hello", "=1.0.0"))
    machine.call(one / "bin/hello")
    shutil.rmtree(one)
    add(machine, "one", manifest("hello", "=2.0.0"), version="2.0")
    assert machine.call(one / "bin/hello").out.startswith("hello v2.0.0")
    assert (in_place(machine), runs(machine)) == (["hello v2.0.0"], [])


def test_a_plugin_that_cannot_agree_is_prepared_and_is_no_error(machine: Machine) -> None:
    add(machine, "one", manifest("hello", "=1.0.0"), "d8-plug-one")
    two = add(machine, "two", manifest("hello", "=2.0.0"), "d8-plug-two")
    done = machine.run("sync")
    assert (done.code, in_place(machine), len(runs(machine))) == (0, ["hello v1.0.0"], 1)
    assert "d8-plug-two" in done.err
    machine.env["D8_OFFLINE"] = "1"
    assert machine.call(two / "bin/hello").out.startswith("hello v2.0.0")
    assert machine.run("sync").code == 0


def test_a_run_that_cannot_be_prepared_stops_nothing_else(machine: Machine) -> None:
    one = add(machine, "one", manifest("hello", "=1.0.0"))
    machine.call(one / "bin/hello")
    add(machine, "two", manifest("lost", "=2.0.0"), version="2.0")
    add(machine, "three", manifest("vault", "=1.0.0"), "d8-plug-vault")
    add(machine, "four", manifest("hello", "=9.0.0"), version="4.0")
    done = machine.run("sync")
    assert "d8-plug-hello wants hello =9.0.0" in done.err
    assert "d8.toml wants" not in done.err
    assert (done.code, "lost" in done.err) == (69, True)
    assert in_place(machine) == ["hello v1.0.0", "vault v1.0.0"]

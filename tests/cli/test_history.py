"""Generations: what each changed, and the way back, which asks nobody and leaves a project's lock alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.command import Completed, run
from tests.images import add_image, executables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Tool = Callable[..., Completed]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def tool(home: Path, tmp_path: Path) -> Tool:
    layout = str(tmp_path / "reg")
    for name in ("hello", "vault"):
        for tag in ("v1.0.0", "v2.0.0"):
            add_image(layout, name, tag, executables(f"{name} {tag}"))

    def call(*arguments: str, cwd: Path | None = None, expect: int = 0, endpoint: str = "") -> Completed:
        env = {"D8_RPP_ENDPOINT": endpoint or f"oci-layout:{layout}"}
        done = run(*arguments, home=str(home), env=env, cwd=None if cwd is None else str(cwd))
        assert done.code == expect, done
        assert "Traceback" not in done.err
        return done

    return call


def d8_home(home: Path) -> Path:
    return home / ".local/share/d8-installer"


def says(home: Path, binary: str) -> str:
    return subprocess.run([d8_home(home) / "bin" / binary], capture_output=True, text=True, check=True).stdout.split()[
        1
    ]


def lock(home: Path) -> str:
    return (d8_home(home) / "profiles/user/d8.lock").read_text()


def test_back_and_forth_without_a_network_and_with_the_lock(tool: Tool, home: Path) -> None:
    tool("install", "hello=1.0.0")
    first = lock(home)
    tool("install", "hello", "vault")
    tool("install", "hello=2.0.0")
    third = lock(home)
    shown = tool("history").out.splitlines()
    assert [line.split()[-1] for line in shown if line.startswith("* 3 ")] == ["hello=2.0.0"]
    assert "      ~ hello v1.0.0 -> v2.0.0" in shown
    assert "      + vault v2.0.0" in shown
    back = tool("rollback", "1", endpoint="https://127.0.0.1:1")
    assert back.out == "~ hello v2.0.0 -> v1.0.0\n- vault v2.0.0\ngeneration 1, was 3\n"
    assert (says(home, "hello"), lock(home)) == ("v1.0.0", first)
    tool("rollback", expect=69)
    assert tool("rollback", "3").out.endswith("generation 3, was 1\n")
    assert (says(home, "hello"), lock(home)) == ("v2.0.0", third)
    assert tool("rollback").out.endswith("generation 2, was 3\n")
    assert tool("rollback", "2").out == "nothing to do: generation 2 is active\n"


def test_a_new_install_after_a_rollback_gets_a_new_number(tool: Tool, home: Path) -> None:
    tool("install", "hello=1.0.0")
    tool("install", "hello=2.0.0")
    tool("rollback")
    tool("install", "vault")
    generations = json.loads(tool("history", "--json").out)["data"]["generations"]
    assert [entry["number"] for entry in generations if entry["active"]] == [3]


def test_a_projects_lock_is_the_projects(tool: Tool, home: Path) -> None:
    project = home / "work"
    project.mkdir()
    (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "hello"\nversion = "=1.0.0"\n')
    tool("sync", cwd=project)
    (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "hello"\nversion = "=2.0.0"\n')
    tool("sync", cwd=project)
    before = (project / "d8.lock").read_bytes()
    done = tool("rollback", cwd=project)
    assert "the next `d8-installer sync` returns to it" in done.err
    assert (project / "d8.lock").read_bytes() == before
    assert "v1.0.0 -> v2.0.0" in tool("sync", cwd=project).out


@pytest.mark.parametrize("words", [("0",), ("9",)])
def test_a_generation_that_is_not_there(tool: Tool, words: tuple[str, ...]) -> None:
    tool("install", "hello")
    assert "there is no generation" in tool("rollback", *words, expect=69).err
    for bad in ("x", "-1", "1" * 10):
        tool("rollback", bad, expect=2)


def test_nothing_is_switched_to_what_the_store_lost(tool: Tool, home: Path) -> None:
    tool("install", "hello=1.0.0")
    lost = os.path.realpath(d8_home(home) / "bin/hello")
    tool("install", "hello=2.0.0")
    shutil.rmtree(os.path.dirname(lost))
    assert "which is gone" in tool("rollback", expect=73).err
    assert says(home, "hello") == "v2.0.0"


def test_a_damaged_generation_is_named_and_the_others_stay_reachable(tool: Tool, home: Path) -> None:
    for version in ("1.0.0", "2.0.0", "1.0.0"):
        tool("install", f"hello={version}")
    record = d8_home(home) / "profiles/user/generations/2/generation.json"
    record.parent.chmod(0o700)
    record.chmod(0o600)
    record.write_text("{")
    assert "damaged" in tool("history").out
    tool("rollback", expect=65)
    tool("rollback", "1")
    assert says(home, "hello") == "v1.0.0"


def test_a_moved_tag_is_a_difference_of_bytes(tool: Tool, home: Path, tmp_path: Path) -> None:
    tool("install", "hello=1.0.0")
    add_image(str(tmp_path / "reg"), "hello", "v1.0.0", executables("hello moved"))
    tool("upgrade", "--all", "--accept-moved", "hello:v1.0.0")
    assert "      ~ hello v1.0.0, other bytes" in tool("history").out.splitlines()
    assert tool("rollback").out.splitlines()[0] == "~ hello v1.0.0, other bytes"

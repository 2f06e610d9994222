"""docs/how-to/package-managers.md: each of its command lines is typed, in its order, by a person in an empty HOME."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.managers.drivers import MANAGERS
from tests.managers.machine import activate
from tests.managers.projects import Project
from tests.managers.wheelhouse import ROOT, tool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.managers.index import Index
    from tests.managers.machine import Machine

PAGE = ROOT / "docs/how-to/package-managers.md"
DRIVER = {"uv tool": "uv-tool", "uvx": "uv-tool", "pip": "pip", "uv pip": "uv-pip", "Prefixes": "pipx-uv"}


def chapters() -> dict[str, list[str]]:
    """Return the command lines by heading."""
    found = re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    blocks = {name: re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) for name, text in found}
    return {name: "".join(texts).splitlines() for name, texts in blocks.items() if texts}


def test_every_chapter_is_typed_by_a_test() -> None:
    assert set(chapters()) == {*DRIVER, "pipx", "PDM", "Poetry"}


@pytest.mark.parametrize("chapter", DRIVER)
def test_fast_chapters(machine: Machine, chapter: str) -> None:
    manager = MANAGERS[DRIVER[chapter]](machine)
    if chapter in {"pip", "uv pip"}:
        activate(machine, manager.command("python"))
    if chapter == "uvx":
        machine.put_on_path(tool("uv") / "uvx")
    type_all(machine, chapter)
    assert machine.placed() == ([f"{machine.word}-hello"] if chapter == "uvx" else [])


@pytest.mark.parametrize("backend", [pytest.param("pip", marks=pytest.mark.thorough), "uv"])
def test_pipx(machine: Machine, backend: str) -> None:
    MANAGERS[f"pipx-{backend}"](machine)
    type_all(machine, "pipx")
    assert machine.placed() == []


@pytest.mark.thorough
@pytest.mark.parametrize("chapter", ["PDM", "Poetry"])
def test_thorough_chapters(machine: Machine, thorough_index: Index, chapter: str) -> None:
    MANAGERS["pipx-uv"](machine)
    project = Project(machine, chapter.lower())
    type_all(machine, chapter, project.directory)
    assert machine.placed() == [f"{machine.word}-hello"], "there until sync --prune"


def type_all(machine: Machine, chapter: str, directory: Path | None = None) -> None:
    """Type a chapter's lines; ``hello`` must print what the plugin that is installed wants."""
    for name in ("hello", "data"):
        machine.plugin(name, "1.0", "v1.0.0", launchers=name == "hello")
    machine.bring_tool(directory or machine.home)
    upgraded = False
    for line in chapters()[chapter]:
        if {"upgrade", "update", "--upgrade"} & set(line.split()):
            machine.plugin("hello", "2.0", "v2.0.0")
            upgraded = True
        words = [re.sub(r"(hello|data)$", rf"{machine.word}-\1", word) for word in shlex.split(line)]
        done = machine.does(*words, cwd=directory)
        if line.endswith(" hello") or line == "hello":
            assert done.out == f"{machine.word}-hello {'v2.0.0' if upgraded else 'v1.0.0'}\n", str(done)

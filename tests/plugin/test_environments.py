"""Where environments are looked for, and which directories tell that one came or went."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from d8_installer.plugin.environments import (
    environments,
    libraries_of,
    prefix_of,
    project_roots,
    user_roots,
    watched,
)
from tests.installed import VERSION, library

PREFIX = "/the/tool"
WINDOWS = os.name == "nt"


def found(home: Path, **environ: str) -> dict[str, str]:
    """Return the environments of a user: path below *home* to manager."""
    roots = user_roots(environ, str(home), PREFIX)
    below = [known for known in environments(roots) if known.path.startswith(str(home))]
    return {Path(known.path).relative_to(home).as_posix(): known.manager for known in below}


@pytest.mark.skipif(os.name == "nt", reason="the directories are POSIX's")
def test_every_manager_of_a_user_is_known(tmp_path: Path) -> None:
    places = {
        ".local/share/pipx/venvs/a": "pipx",
        ".local/pipx/venvs/b": "pipx",
        "global/venvs/c": "pipx",
        ".local/share/uv/tools/d": "uv tool",
        ".local": "user site",
        "active": "active",
    }
    for place in places:
        library(tmp_path / place)
    variables = {"PIPX_GLOBAL_HOME": str(tmp_path / "global"), "VIRTUAL_ENV": str(tmp_path / "active")}
    assert found(tmp_path, **variables) == places


@pytest.mark.skipif(not WINDOWS, reason="the directories are those of Windows")
def test_every_manager_of_a_user_is_known_on_windows(tmp_path: Path) -> None:
    places = {
        "Local/pipx/pipx/venvs/a": "pipx",
        "me/pipx/venvs/b": "pipx",
        "me/.local/pipx/venvs/c": "pipx",
        "Roaming/uv/tools/d": "uv tool",
        "Roaming/uv/data/tools/e": "uv tool",
        "Roaming/Python/Python312": "user site",
    }
    for place in places:
        (tmp_path / place / "Lib/site-packages").mkdir(parents=True)
    (tmp_path / "Roaming/Python/Python311/site-packages").mkdir(parents=True)
    folders = {"LOCALAPPDATA": "Local", "APPDATA": "Roaming", "USERPROFILE": "me", "HOME": "not here"}
    variables = {name: str(tmp_path / folder) for name, folder in folders.items()}
    assert found(tmp_path, **variables) == {**places, "Roaming/Python/Python311": "user site"}


@pytest.mark.skipif(not WINDOWS, reason="elsewhere Python is in bin")
def test_a_windows_python_means_the_environment_that_it_is_in(tmp_path: Path) -> None:
    for place in ("python.exe", "Scripts/python.exe"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
        assert prefix_of(str(tmp_path / place)) == str(tmp_path)


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("PIPX_HOME", "own/pipx", "own/pipx/venvs/x"),
        ("PIPX_HOME", "~/own/pipx", "own/pipx/venvs/x"),
        ("UV_TOOL_DIR", "own/tools", "own/tools/x"),
        *(
            []
            if os.name == "nt"
            else [("XDG_DATA_HOME", "data", "data/pipx/venvs/x"), ("XDG_DATA_HOME", "data", "data/uv/tools/x")]
        ),
        ("PYTHONUSERBASE", "base", "base/Python311" if WINDOWS else "base"),
    ],
)
def test_the_variables_of_the_managers_count(tmp_path: Path, variable: str, value: str, place: str) -> None:
    library(tmp_path / place)
    assert place not in found(tmp_path)
    chosen = value if value.startswith("~") else str(tmp_path / value)
    assert place in found(tmp_path, **{variable: chosen})


def test_a_project_has_its_venv_and_else_the_active_one(tmp_path: Path) -> None:
    active = {"VIRTUAL_ENV": str(tmp_path / "active")}
    library(tmp_path / "active")
    assert [e.path for e in environments(project_roots(active, str(tmp_path)))] == [str(tmp_path / "active")]
    library(tmp_path / ".venv")
    assert [e.path for e in environments(project_roots(active, str(tmp_path)))] == [str(tmp_path / ".venv")]


def test_one_environment_under_two_names_is_one(tmp_path: Path) -> None:
    library(tmp_path / "pipx/venvs/x")
    (tmp_path / "active").symlink_to(tmp_path / "pipx/venvs/x")
    known = found(tmp_path, PIPX_HOME=str(tmp_path / "pipx"), VIRTUAL_ENV=str(tmp_path / "active"))
    assert known == {"pipx/venvs/x": "pipx"}


def test_a_python_a_prefix_and_a_library_mean_an_environment(tmp_path: Path) -> None:
    place = library(tmp_path / "v")
    (tmp_path / "v/bin").mkdir()
    (tmp_path / "v/bin/python").touch()
    assert prefix_of(str(tmp_path / "v/bin/python")) == prefix_of(str(tmp_path / "v")) == str(tmp_path / "v")
    assert list(libraries_of(str(tmp_path / "v"))) == [str(place)]
    target = tmp_path / "target"
    (target / "x-1.dist-info").mkdir(parents=True)
    assert list(libraries_of(str(target))) == [str(target)], "pip install --target"
    assert list(libraries_of(str(tmp_path / "nowhere"))) == []


def test_a_second_name_of_the_same_lib_counts_once(tmp_path: Path) -> None:
    place = library(tmp_path)
    (tmp_path / "lib64").symlink_to("lib")
    assert list(libraries_of(str(tmp_path))) == [str(place)]


def test_whatever_comes_or_goes_changes_a_watched_time(tmp_path: Path) -> None:
    environ = {"PIPX_HOME": str(tmp_path / "pipx"), "VIRTUAL_ENV": str(tmp_path / "active")}

    def times() -> dict[str, int | None]:
        roots = user_roots(environ, str(tmp_path / "home"), PREFIX)
        places = watched(roots, environments(roots))
        return {path: os.stat(path).st_mtime_ns if os.path.isdir(path) else None for path in places}

    inside = Path("lib") / VERSION / "site-packages" / "x-1.dist-info"
    before, user_site = times(), "home/AppData/Roaming/Python" if WINDOWS else "home/.local/lib"
    for place in ("pipx/venvs/x", "active", f"pipx/venvs/x/{inside}", f"active/{inside}", user_site):
        (tmp_path / place if place.endswith((".dist-info", "lib", "Python")) else library(tmp_path / place)).mkdir(
            parents=True, exist_ok=True
        )
        after = times()
        assert {path: after.get(path) for path in before} != before, place
        before = after
    (tmp_path / "active" / inside).rmdir()
    assert times() != before

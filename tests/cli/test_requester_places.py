"""Plugins of projects, and what the list of plugins says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.lock import Lock
from d8_installer.plugin.launcher import PROFILE_LINK
from tests.cli.plugin_user import PluginUser, a_person
from tests.installed import install, library, manifest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def person(tmp_path: Path) -> PluginUser:
    return a_person(tmp_path)


# -- projects --------------------------------------------------------------------------------------------------


def test_a_projects_plugins_are_those_of_its_venv(person: PluginUser) -> None:
    project = person.home / "work"
    plugin = install(library(project / ".venv"), "d8-plug-hello", "1", manifest("hello"))
    person.pipx("d8-plug-vault", manifest("vault"))
    (project / "d8.toml").write_text("schema = 1\n")
    person.ok("sync", cwd=project)
    (image,) = Lock.parse((project / "d8.lock").read_bytes(), "d8.lock").images
    assert [who for who, _ in image.requests] == ["d8-plug-hello"]
    link = project / ".venv" / PROFILE_LINK
    assert (link.resolve() / "current/bin/hello").exists()
    person.ok("sync", "--locked", cwd=project)
    plugin.uninstall()
    person.ok("sync", cwd=project)
    assert link.is_symlink()
    assert "asked for by d8-plug-hello, not installed here" in person.ok("lock", "--check", cwd=project).err
    person.ok("sync", "--locked", cwd=project)
    person.ok("sync", "--prune", cwd=project)
    assert not link.is_symlink()


@pytest.mark.parametrize("library_goes", [False, True])
def test_prune_finds_the_link_in_a_given_environment_however_empty(
    person: PluginUser, tmp_path: Path, library_goes: bool
) -> None:
    """Poetry's are elsewhere, and PDM removes the library when it removes the last package in it."""
    project, prefix = person.home / "work", tmp_path / "given"
    project.mkdir()
    (project / "d8.toml").write_text("schema = 1\n")
    plugin = install(library(prefix), "d8-plug-hello", "1", manifest("hello"))
    person.ok("sync", "--env", str(prefix), cwd=project)
    assert (prefix / PROFILE_LINK).is_symlink()
    plugin.uninstall()
    if library_goes:
        plugin.library.rmdir()
    person.ok("sync", cwd=project)
    assert (prefix / PROFILE_LINK).is_symlink()
    person.ok("sync", "--prune", cwd=project)
    assert not (prefix / PROFILE_LINK).is_symlink()


def test_a_foreign_link_in_a_venv_is_not_taken_away(person: PluginUser) -> None:
    project = person.home / "work"
    link = library(project / ".venv").parents[2] / PROFILE_LINK
    link.symlink_to("/elsewhere")
    (project / "d8.toml").write_text("schema = 1\n")
    person.ok("sync", "--prune", cwd=project)
    assert os.readlink(link) == "/elsewhere"


def test_lock_leaves_out_what_it_cannot_have_and_says_so(person: PluginUser) -> None:
    person.pipx("d8-plug-bad", "nonsense")
    person.pipx("d8-plug-hello", manifest("hello"))
    data = person.json("lock", code=65)
    assert data["written"] is True
    assert len(data["left_out"]) == 1
    assert list(person.requesters()) == ["hello"]


def test_a_dry_run_remembers_and_links_nothing(person: PluginUser, tmp_path: Path) -> None:
    place = library(tmp_path / "given")
    install(place, "d8-plug-hello", "1", manifest("hello"))
    assert "would install hello" in person.ok("sync", "--dry-run", "--env", str(tmp_path / "given")).out
    assert not (person.data / "profiles/user/environments").exists()


# -- what the list of plugins says -------------------------------------------------------------------------------


def test_plugins_tells_what_was_found_where_and_which_counts(person: PluginUser) -> None:
    person.pipx("d8-plug-hello", manifest("hello"))
    uv = install(library(person.home / ".local/share/uv/tools/x"), "d8-plug-hello", "1.1", manifest("hello"))
    bad = person.pipx("d8-plug-bad", "nonsense")
    rows = person.json("plugins")["manifests"]
    assert isinstance(rows, list)
    told = [(row["name"], row["version"], row["manager"], row["images"], row["counts"]) for row in rows]
    assert told == [
        ("d8-plug-bad", "1.0", "pipx", [], False),
        ("d8-plug-hello", "1.0", "pipx", ["hello"], False),
        ("d8-plug-hello", "1.1", "uv tool", ["hello"], True),
    ]
    assert str(bad.file) in rows[0]["why"]
    assert rows[2]["manifest"] == str(uv.file)
    lines = person.ok("plugins").out.splitlines()
    assert lines[0].split() == ["PLUGIN", "VERSION", "FOUND", "BY", "IMAGES", "WHERE"]
    assert len(lines) == 4


def test_nothing_that_is_broken_stops_the_list_of_plugins(person: PluginUser) -> None:
    person.pipx("d8-plug-hello", manifest("hello"))
    config = person.home / ".config/d8-installer"
    config.mkdir(parents=True)
    (config / "d8.toml").write_text("nonsense")
    (person.data / "profiles/user").mkdir(parents=True)
    (person.data / "profiles/user/d8.lock").write_text("nonsense")
    assert "d8-plug-hello" in person.ok("plugins").out

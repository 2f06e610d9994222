"""Which names in ``bin`` plugins get, and in projects that others wrote."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from d8_installer.plugin.launcher import PROFILE_LINK
from tests.cli.plugin_user import PluginUser, a_person
from tests.command import SYSTEM_PATH, run
from tests.installed import add_launchers, install, library, manifest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def person(tmp_path: Path) -> PluginUser:
    return a_person(tmp_path)


# -- names -----------------------------------------------------------------------------------------------------


def test_a_contested_name_stays_with_its_holder(person: PluginUser) -> None:
    person.pipx("d8-plug-hello", manifest("hello", "", tool="plugin"))
    person.ok("sync")
    person.pipx("a-thief", manifest("vault", "", tool="plugin"))
    done = person.fails(65, "sync")
    assert "hello and vault both offer the binary 'tool'" in done.err
    assert "config set owners.tool vault" in done.err
    assert person.says("tool").startswith("hello")
    person.ok("config", "set", "owners.tool", "vault")
    person.ok("sync")
    assert person.says("tool").startswith("vault")


def test_a_name_contested_from_the_beginning_is_nobodys(person: PluginUser) -> None:
    person.pipx("d8-plug-a", manifest("hello", "", tool="plugin"))
    person.pipx("d8-plug-b", manifest("vault", "", tool="plugin"))
    person.fails(65, "sync")
    assert person.binaries() == []
    for request in (person.data / "profiles/user/current/req").iterdir():
        assert os.listdir(request) == ["tool"], "launchers reach both all the same"
    person.ok("install", "vault")
    person.fails(65, "sync")


def test_a_command_elsewhere_is_not_shadowed_unless_allowed(person: PluginUser, tmp_path: Path) -> None:
    command = tmp_path / "bin/hello"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    person.env["PATH"] = f"{command.parent}:{SYSTEM_PATH}"
    person.pipx("D8_Plug-Hello", manifest("hello"))
    assert "hello of hello is kept out of bin" in person.ok("sync").err
    assert person.binaries() == []
    (request,) = (person.data / "profiles/user/current/req").iterdir()
    assert os.listdir(request) == ["hello"]
    person.ok("config", "set", "allow", "d8-plug_hello")
    person.ok("sync")
    assert person.binaries() == ["hello"]


def test_a_plugins_own_launcher_is_no_foreign_command(person: PluginUser) -> None:
    text = manifest("hello")
    person.pipx("d8-plug-hello", text)
    (person.environment("d8-plug-hello") / "bin").mkdir()
    add_launchers(person.environment("d8-plug-hello"), text)
    exposed = person.home / ".local/bin"
    exposed.mkdir()
    (exposed / "hello").symlink_to(person.environment("d8-plug-hello") / "bin/hello")
    person.env["PATH"] = f"{exposed}:{SYSTEM_PATH}"
    person.ok("sync")
    assert person.binaries() == ["hello"]


@pytest.mark.parametrize("name", ["python3", "pip", "uv", "d8-installer"])
def test_no_plugin_gets_the_name_of_pythons_own_tools(person: PluginUser, name: str) -> None:
    person.pipx("d8-plug-evil", manifest("hello", "", **{name: "plugin"}))
    assert f"{name} of hello is kept out of bin" in person.ok("sync").err
    assert person.binaries() == []


def test_a_plugin_gets_no_names_through_an_image_that_the_person_wants(person: PluginUser) -> None:
    person.ok("install", "vault")
    person.pipx("d8-plug-evil", manifest("vault", "", ls="plugin", harmless="plugin"))
    assert "ls of vault is kept out of bin" in person.ok("sync").err
    assert person.binaries() == ["harmless", "vault"]


def test_a_reserved_name_is_nobodys(person: PluginUser) -> None:
    person.ok("config", "set", "reserved", "hello")
    person.pipx("d8-plug-hello", manifest("hello"))
    person.ok("sync")
    assert person.binaries() == []


# -- clones, and what others wrote -------------------------------------------------------------------------------


def evil(person: PluginUser) -> None:
    """Have a plugin that asks for `ls` of an image which the person wants under its own name."""
    person.ok("install", "hello")
    person.pipx("d8-plug-evil", manifest("hello", "", ls="plugin"))
    person.ok("sync")
    assert person.binaries() == ["hello"]


def test_frozen_gives_a_plugin_no_name_either(person: PluginUser, tmp_path: Path) -> None:
    evil(person)
    (person.data / "profiles/user/stamp.json").unlink()
    person.ok("sync", "--frozen")
    assert "ls" not in person.binaries()
    person.ok("sync", "--to", str(tmp_path / "out"))
    assert "hello" in os.listdir(tmp_path / "out")


def test_what_one_plugin_is_allowed_no_other_is(person: PluginUser) -> None:
    evil(person)
    person.pipx("d8-plug-good", manifest("hello"))
    person.ok("config", "set", "allow", "d8-plug-good")
    person.ok("sync")
    assert person.binaries() == ["hello"]
    person.ok("config", "set", "allow", "d8-plug-evil")
    person.ok("sync")
    assert person.binaries() == ["hello", "ls"]


def test_a_clones_lock_cannot_give_a_known_tag_other_bytes(person: PluginUser) -> None:
    person.ok("install", "hello=1.0.0", "vault=1.0.0")
    project = person.home / "clone"
    project.mkdir()
    (project / "d8.toml").write_text(manifest("vault", "=1.0.0", hello="plugin"))
    person.ok("lock", cwd=project)
    lock = (project / "d8.lock").read_text()
    forged = lock.replace('name = "vault"', 'name = "hello"').replace("plugins/vault", "plugins/hello")
    (project / "d8.lock").write_text(forged)
    tags = (person.data / "tags.json").read_bytes()
    for arguments in (("sync", "--frozen"), ("sync", "--frozen", "--to", "out")):
        assert "the lock says that hello:v1.0.0 is" in person.fails(76, *arguments, cwd=project).err
    assert (person.data / "tags.json").read_bytes() == tags


@pytest.mark.parametrize("name", ["d8.lock", "d8.toml"])
def test_a_link_out_of_a_clone_is_not_followed(person: PluginUser, name: str) -> None:
    person.ok("install", "hello")
    project = person.home / "clone"
    project.mkdir()
    (project / "d8.toml").write_text(manifest("vault"))
    (project / name).unlink(missing_ok=True)
    target = {"d8.lock": "profiles/user/d8.lock", "d8.toml": "d8.toml"}[name]
    outside = person.data / target if name == "d8.lock" else person.home / ".config/d8-installer/d8.toml"
    (project / name).symlink_to(outside)
    before = outside.read_bytes()
    for arguments in (("sync",), ("lock",), ("install", "--project", "vault")):
        assert "is a link that leads out of the project" in person.fails(65, *arguments, cwd=project).err
    assert outside.read_bytes() == before


def test_an_environment_that_is_not_the_projects_is_not_linked(person: PluginUser, tmp_path: Path) -> None:
    project = person.home / "clone"
    project.mkdir()
    (project / "d8.toml").write_text("schema = 1\n")
    outside = library(tmp_path / "shared").parents[2]
    install(library(outside), "d8-plug-hello", "1", manifest("hello"))
    (project / ".venv").symlink_to(outside)
    person.ok("sync", cwd=project)
    (project / ".venv").unlink()
    person.env["VIRTUAL_ENV"] = str(outside)
    for _ in range(2):
        person.ok("sync", "--prune", cwd=project)
    assert not (outside / PROFILE_LINK).is_symlink()
    del person.env["VIRTUAL_ENV"]
    person.ok("sync", "--env", str(outside), cwd=project)
    assert (outside / PROFILE_LINK).is_symlink(), "somebody named it for the project"
    shutil.rmtree(project)
    person.ok("sync", "--prune", "--env", str(outside))
    assert not (outside / PROFILE_LINK).is_symlink(), "its project is gone"


@pytest.mark.skipif(os.name == "nt", reason="no pipes in the file system there")
@pytest.mark.parametrize("name", ["d8.lock", "environments", "stamp.json", "current", "project", "tags.json", "schema"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_state_file_that_is_none_does_not_hang(person: PluginUser, name: str, kind: str) -> None:
    person.ok("install", "hello")
    home = person.data if name in {"tags.json", "schema"} else person.data / "profiles/user"
    (home / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(home / name)
    else:
        (home / name).symlink_to("/dev/zero")
    for words in (("list",), ("sync",), ("plugins",), ("rollback",), ("uninstall", "hello")):
        env = {"D8_RPP_ENDPOINT": f"oci-layout:{person.source}"}
        done = run(*words, home=str(person.home), env=env)
        assert "Traceback" not in done.err, done
        assert done.code in {0, 65, 69, 73, 78}, done


def test_a_withheld_binary_is_shown_and_run_as_what_it_is(person: PluginUser) -> None:
    person.ok("config", "set", "reserved", "hello")
    person.pipx("d8-plug-hello", manifest("hello"))
    assert "kept hello (hello v2.0.0) out of bin" in person.ok("sync").out
    assert "(hello)" in person.ok("list").out
    assert person.ok("run", "hello").out.startswith("hello v2.0.0")


def test_an_uninstall_says_who_keeps_the_image(person: PluginUser) -> None:
    person.ok("install", "hello")
    person.pipx("d8-plug-hello", manifest("hello"))
    person.ok("sync")
    assert "hello stays for d8-plug-hello, which requires it too" in person.ok("uninstall", "hello").err
    assert person.binaries() == ["hello"]


def test_a_rollback_mends_the_lock_that_is_damaged(person: PluginUser) -> None:
    person.ok("install", "hello=1.0.0")
    person.ok("install", "hello=2.0.0")
    (person.data / "profiles/user/d8.lock").write_text("nonsense")
    person.ok("rollback")
    assert person.requesters() == {"hello": ["d8.toml"]}


def test_doctor_names_what_a_first_run_keeps_silent_about(person: PluginUser) -> None:
    person.ok("config", "set", "reserved", "hello")
    person.pipx("d8-plug-hello", manifest("hello"))
    person.ok("sync")
    bad = person.pipx("d8-plug-bad", "nonsense")
    said = person.fails(1, "doctor")
    assert "kept out of bin, because the names are reserved or belong to other commands: hello" in said.out + said.err
    assert str(bad.file) in said.out + said.err
    shutil.rmtree(person.environment("d8-plug-bad"))
    person.ok("doctor")
    (person.data / "profiles/user/d8.lock").write_text("nonsense")
    said = person.fails(1, "doctor")
    assert "d8.lock:1" in said.out + said.err

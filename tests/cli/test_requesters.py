"""What plugins in environments want, by the installed command: joined, named, left out, pruned."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.lock import Lock
from d8_installer.plugin.launcher import PROFILE_LINK
from tests.command import SYSTEM_PATH, run
from tests.images import add_image, executables
from tests.installed import add_launchers, install, library, manifest
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path


class PluginUser(Person):
    """Somebody with pipx environments."""

    def binaries(self) -> list[str]:
        """Return what lies in bin."""
        return sorted(os.listdir(self.bin))

    def requesters(self) -> dict[str, list[str]]:
        """Return whose request each locked image answers."""
        return {str(image.name): [who for who, _ in image.requests] for image in self.locked().images}


@pytest.fixture
def person(tmp_path: Path) -> PluginUser:
    home, layout = tmp_path / "home", tmp_path / "reg"
    for name in ("hello", "vault"):
        for tag in ("v1.0.0", "v1.1.0", "v2.0.0"):
            add_image(str(layout), name, tag, executables(f"{name} {tag}"))
    return PluginUser(home, layout)


# -- joined, and gone again ------------------------------------------------------------------------------------


def test_the_manifest_and_the_plugins_are_joined_and_owners_recorded(person: PluginUser) -> None:
    plugin = person.pipx("d8-plug-hello", manifest("hello", "~1.0"))
    person.ok("install", "vault")
    assert person.binaries() == ["hello", "vault"]
    assert person.requesters() == {"hello": ["d8-plug-hello"], "vault": ["d8.toml"]}
    assert person.ok("sync").out == "nothing to do\n"
    plugin.uninstall()
    assert "asked for by d8-plug-hello, not installed here; `d8-installer sync --prune`" in person.ok("sync").err
    assert person.binaries() == ["hello", "vault"]
    person.ok("sync", "--prune")
    assert person.binaries() == ["vault"]
    assert person.requesters() == {"vault": ["d8.toml"]}


def test_two_requesters_of_one_image_share_it(person: PluginUser) -> None:
    person.pipx("d8-plug-a", manifest("hello", ">=1"))
    person.pipx("d8-plug-b", manifest("hello", "<2"))
    person.ok("sync")
    assert person.requesters() == {"hello": ["d8-plug-a", "d8-plug-b"]}
    assert person.says("hello").startswith("hello v1.1.0")
    shutil.rmtree(person.environment("d8-plug-b"))
    person.ok("sync", "--prune")
    assert person.says("hello").startswith("hello v1.1.0"), "a locked version stays while it will do"
    person.ok("upgrade", "hello")
    assert person.says("hello").startswith("hello v2.0.0")


def test_a_plugins_new_manifest_is_followed(person: PluginUser) -> None:
    person.pipx("d8-plug-hello", manifest("hello", "=1.0.0"))
    person.ok("sync")
    person.pipx("d8-plug-hello", manifest("hello", "=1.1.0"), "1.1")
    assert "v1.0.0 -> v1.1.0" in person.ok("sync").out


def test_an_uninstall_of_a_plugins_image_names_the_plugin(person: PluginUser) -> None:
    person.pipx("d8-plug-hello", manifest("hello"))
    person.ok("sync")
    assert "required by the plugin d8-plug-hello" in person.fails(65, "uninstall", "hello").err
    assert person.binaries() == ["hello"]


def test_use_and_upgrade_reach_a_plugins_image_within_its_range(person: PluginUser) -> None:
    person.pipx("d8-plug-hello", manifest("hello", "^1"))
    person.ok("sync")
    person.ok("use", "hello", "v1.0.0")
    assert person.says("hello").startswith("hello v1.0.0")
    assert person.requesters() == {"hello": ["d8-plug-hello"]}
    assert person.ok("sync").out == "nothing to do\n"
    refused = person.fails(65, "use", "hello", "v2.0.0")
    assert "outside the range '^1' of the plugin d8-plug-hello" in refused.err
    person.ok("upgrade", "--all")
    assert person.says("hello").startswith("hello v1.1.0")


def test_the_newest_of_two_environments_counts_and_a_given_one_before_it(person: PluginUser, tmp_path: Path) -> None:
    person.pipx("d8-plug-hello", manifest("hello", "=1.0.0"), "1.9")
    uv = library(person.home / ".local/share/uv/tools/d8-plug-hello")
    install(uv, "d8-plug-hello", "1.10", manifest("hello", "=1.1.0"))
    given = install(library(tmp_path / "given"), "d8-plug-hello", "1.0", manifest("hello", "=2.0.0"))
    person.ok("sync")
    assert person.says("hello").startswith("hello v1.1.0")
    person.ok("sync", "--env", str(given.library.parents[2]))
    assert person.says("hello").startswith("hello v2.0.0")


# -- what is left out ------------------------------------------------------------------------------------------


def test_a_broken_manifest_is_named_and_the_rest_goes_on(person: PluginUser) -> None:
    bad = person.pipx("d8-plug-bad", manifest("hello"))
    person.ok("sync")
    bad.file.write_text("changed after it was installed")
    person.pipx("d8-plug-good", manifest("vault"))
    for arguments in (("sync",), ("sync",), ("sync", "--prune")):
        done = person.fails(65, *arguments)
        assert f"error: the plugin d8-plug-bad 1.0 (pipx) is left out: {bad.file} is not the file that" in done.err
        assert "hint: " in done.err
        assert person.binaries() == ["hello", "vault"], "what the broken one had stays"
    warned = person.ok("install", "vault")
    assert "warning: the plugin d8-plug-bad" in warned.err
    assert person.fails(65, "sync", "--locked").err.count("error: the plugin d8-plug-bad") == 1


def test_two_plugins_that_cannot_agree_leave_the_newcomer_out(person: PluginUser) -> None:
    person.pipx("d8-plug-old", manifest("hello", "^1"))
    person.ok("sync")
    person.pipx("a-newcomer", manifest("hello", "^2"))
    person.pipx("d8-plug-vault", manifest("vault"))
    said = person.ok("sync").err
    assert "a-newcomer wants hello ^2 and cannot agree: d8-plug-old wants hello ^1" in said
    assert person.ok("sync").out == "nothing to do\n"
    assert person.binaries() == ["hello", "vault"]
    assert person.says("hello").startswith("hello v1.1.0")
    assert person.json("sync")["left_out"] == [], "its launchers run what it asks for, apart from the profile"


def test_an_install_that_cannot_agree_with_a_plugin_is_refused(person: PluginUser) -> None:
    person.pipx("d8-plug-old", manifest("hello", "^1"))
    person.ok("sync")
    refused = person.fails(65, "install", "hello^2")
    assert "d8.toml wants hello ^2 and cannot agree: d8-plug-old wants hello ^1" in refused.err
    assert not (person.home / ".config/d8-installer/d8.toml").exists()
    assert person.says("hello").startswith("hello v1.1.0")


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (manifest("no-such-image"), 69, "d8-plug-lost wants no-such-image"),
        (manifest("hello", ">=9"), 69, "no published version of hello fits: d8-plug-lost wants hello >=9"),
        (manifest("elsewhere"), 69, "elsewhere v1.0.0 has no build for"),
    ],
)
def test_a_plugin_whose_image_is_not_to_be_had_stops_nobody_else(
    person: PluginUser, text: str, code: int, says: str
) -> None:
    add_image(str(person.source), "elsewhere", "v1.0.0", executables("x", "darwin-arm64"))
    person.pipx("d8-plug-lost", text)
    person.pipx("d8-plug-vault", manifest("vault"))
    for _ in range(2):
        assert says in person.ends(code, "sync").err
        assert person.binaries() == ["vault"]
    person.ok("install", "hello")
    assert person.binaries() == ["hello", "vault"]


def test_the_persons_own_wish_still_fails(person: PluginUser) -> None:
    person.fails(69, "install", "no-such-image")
    person.fails(69, "install", "hello>=9")


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


# -- quick, and never wrongly so ---------------------------------------------------------------------------------


def test_whatever_changes_in_an_environment_is_noticed(person: PluginUser, tmp_path: Path) -> None:
    person.pipx("d8-plug-hello", manifest("hello", "=1.0.0"))
    assert "installed hello" in person.ok("sync").out
    assert person.ok("sync").out == "nothing to do\n"
    install(library(tmp_path / "active"), "d8-plug-vault", "1", manifest("vault"))
    person.env["VIRTUAL_ENV"] = str(tmp_path / "active")
    assert "installed vault" in person.ok("sync").out
    del person.env["VIRTUAL_ENV"]
    assert person.ok("sync").out == "nothing to do\n", "the active environment is remembered"
    assert "not installed here" not in person.ok("sync").err
    shutil.rmtree(tmp_path / "active")
    assert "removed vault" in person.ok("sync", "--prune").out


def test_more_environments_may_be_configured(person: PluginUser, tmp_path: Path) -> None:
    install(library(tmp_path / "more"), "d8-plug-hello", "1", manifest("hello"))
    person.ok("config", "set", "environments", str(tmp_path / "more"))
    person.ok("sync")
    assert person.binaries() == ["hello"]


@pytest.mark.parametrize("by", ["prefix", "python", "library"])
def test_a_given_environment_is_remembered_until_it_is_gone(person: PluginUser, tmp_path: Path, by: str) -> None:
    prefix = tmp_path / "given"
    plugin = install(library(prefix), "d8-plug-hello", "1", manifest("hello"))
    (prefix / "bin").mkdir()
    (prefix / "bin/python").touch()
    given = {"prefix": prefix, "python": prefix / "bin/python", "library": plugin.library}[by]
    person.ok("sync", "--env", str(given))
    assert person.binaries() == ["hello"]
    assert "not installed here" not in person.ok("sync", "--prune").err
    assert person.binaries() == ["hello"]
    plugin.uninstall()
    person.ok("sync", "--prune")
    assert person.binaries() == []
    assert not (person.data / "profiles/user/environments").exists()


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

"""What plugins in environments ask for, by the installed command: joined, left out, noticed, pruned."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cli.plugin_user import PluginUser, a_person
from tests.images import add_image, executables
from tests.installed import install, library, manifest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def person(tmp_path: Path) -> PluginUser:
    return a_person(tmp_path)


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
        left_out = f"the plugin d8-plug-bad 1.0 (pipx) is left out: {bad.file} is not the file that"
        assert done.errors[0].startswith(left_out)
        assert "hint: " in done.err
        assert person.binaries() == ["hello", "vault"], "what the broken one had stays"
    warned = person.ok("install", "vault")
    assert "warning: the plugin d8-plug-bad" in warned.err
    assert len(person.fails(65, "sync", "--locked").errors) == 1


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

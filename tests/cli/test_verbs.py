"""Every verb by the installed command, in an empty HOME, on small images in a layout."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from d8_installer.cli.program import hand_over
from d8_installer.errors import UsageError
from d8_installer.model.plurals import sized
from tests.command import Completed, ended, environment, run
from tests.images import add_image, executables, host_platform

if TYPE_CHECKING:
    from collections.abc import Callable

    Tool = Callable[..., Completed]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def layout(tmp_path: Path) -> str:
    root = str(tmp_path / "reg")
    for tag in ("v1.4.1", "v1.4.2", "v2.0.0", "v2.1.0-rc.1"):
        add_image(root, "stronghold", tag, executables(f"stronghold {tag}"))
    add_image(root, "vault", "1.0.0", executables("vault 1.0.0"))
    add_image(root, "deckhouse-cli", "v0.13.1", executables("d8 v0.13.1"))
    return root


@pytest.fixture
def tool(home: Path, layout: str) -> Tool:
    """Run the command with the layout as its endpoint; every run here must succeed unless told otherwise."""

    def call(*arguments: str, cwd: str | None = None, expect: int = 0) -> Completed:
        done = run(*arguments, home=str(home), env={"D8_RPP_ENDPOINT": f"oci-layout:{layout}"}, cwd=cwd)
        assert done.code == expect, done
        assert "Traceback" not in done.err
        return done

    return call


def bin_of(home: Path) -> Path:
    return home / ".local/share/d8-installer/bin"


def output(path: Path, *arguments: str) -> str:
    return subprocess.run([str(path), *arguments], capture_output=True, text=True, check=True).stdout


def lock_of(home: Path) -> str:
    return (home / ".local/share/d8-installer/profiles/user/d8.lock").read_text()


def manifest_of(home: Path) -> str:
    return (home / ".config/d8-installer/d8.toml").read_text()


def test_install_places_the_newest_stable_version_for_this_machine(tool: Tool, home: Path) -> None:
    tool("install", "stronghold")
    assert output(bin_of(home) / "stronghold", "x") == f"stronghold v2.0.0 {host_platform()} x\n"


def test_install_keeps_what_is_there_and_replaces_only_a_typed_range(tool: Tool, home: Path) -> None:
    tool("install", "stronghold>=1.4,<2", "vault")
    before = manifest_of(home)
    assert tool("install", "stronghold").out == "nothing to do\n"
    assert manifest_of(home) == before
    tool("install", "stronghold>=2")
    assert "switched" in tool("install", "stronghold~1.4").out
    assert 'version = "~1.4"' in manifest_of(home)
    assert output(bin_of(home) / "vault").startswith("vault 1.0.0")


def test_the_cli_image_is_d8(tool: Tool, home: Path) -> None:
    tool("install", "deckhouse-cli")
    assert output(bin_of(home) / "d8").startswith("d8 v0.13.1")


def test_uninstall_takes_manifest_lock_and_binary_away(tool: Tool, home: Path) -> None:
    tool("install", "stronghold", "vault")
    assert tool("uninstall", "stronghold").out.startswith("removed stronghold (stronghold v2.0.0)\n")
    assert sorted(os.listdir(bin_of(home))) == ["vault"]
    assert "stronghold" not in manifest_of(home) + lock_of(home)
    assert "is not installed" in tool("uninstall", "stronghold", expect=69).err


def test_upgrade_moves_within_the_range_and_use_to_one_version(tool: Tool, home: Path, layout: str) -> None:
    tool("install", "stronghold~1.4")
    add_image(layout, "stronghold", "v1.4.9", executables("stronghold v1.4.9"))
    assert tool("sync").out == "nothing to do\n"
    assert "v1.4.2 -> v1.4.9" in tool("upgrade", "stronghold").out
    assert "v1.4.9 -> v1.4.1" in tool("use", "stronghold", "1.4.1").out
    assert 'version = "~1.4"' in manifest_of(home)
    assert tool("sync").out == "nothing to do\n"
    assert "outside the range" in tool("use", "stronghold", "v2.0.0", expect=65).err
    assert "v1.4.1 -> v1.4.9" in tool("upgrade", "--all").out
    tool("upgrade", expect=2)


def test_dry_run_shows_the_plan_and_changes_nothing(tool: Tool, home: Path) -> None:
    tool("install", "stronghold~1.4")
    before = manifest_of(home), lock_of(home), os.readlink(bin_of(home).parent / "profiles/user/current")
    shown = tool("install", "stronghold>=2", "vault", "--dry-run").out
    assert "would fetch stronghold v2.0.0" in shown
    assert "would switch stronghold (stronghold v1.4.2 -> v2.0.0)" in shown
    assert "would install vault" in shown
    assert before == (manifest_of(home), lock_of(home), os.readlink(bin_of(home).parent / "profiles/user/current"))


def test_list_which_and_versions(tool: Tool, home: Path) -> None:
    assert tool("list").out == "nothing is installed\n"
    tool("install", "stronghold~1.4")
    header, row = (line.split() for line in tool("list").out.splitlines())
    assert header == ["BINARY", "VERSION", "SIZE", "IMAGE", "RANGE", "REQUESTER"]
    name, version, number, unit, *others = row
    size = json.loads(tool("list", "--json").out)["data"]["binaries"][0]["size"]
    assert (name, version, f"{number} {unit}") == ("stronghold", "v1.4.2", sized(size))
    assert size == (bin_of(home) / "stronghold").stat().st_size
    assert others == ["stronghold", "~1.4", "d8.toml"]
    assert tool("list", "--outdated").out.splitlines()[1].split()[-2:] == ["d8.toml", "v2.0.0"]
    path = Path(tool("which", "stronghold").out.strip())
    assert path.samefile(bin_of(home) / "stronghold")
    assert tool("versions", "stronghold").out == "  v2.1.0-rc.1\n  v2.0.0\n* v1.4.2  current\n  v1.4.1\n"
    tool("which", "nothing", expect=69)


def test_run_prefers_what_is_in_place_and_fetches_the_rest_once(tool: Tool, home: Path, layout: str) -> None:
    tool("install", "stronghold~1.4")
    assert tool("run", "stronghold", "--json", "-x").out == f"stronghold v1.4.2 {host_platform()} --json -x\n"
    assert tool("run", "vault").out.startswith("vault 1.0.0")
    add_image(layout, "vault", "1.1.0", executables("vault 1.1.0"))
    assert tool("run", "vault").out.startswith("vault 1.0.0"), "a request resolved once stays what it was"
    assert tool("run", "vault=1.1.0").out.startswith("vault 1.1.0")
    assert sorted(os.listdir(bin_of(home))) == ["stronghold"]


def test_run_passes_exit_code_and_signal_on(tool: Tool, home: Path, layout: str) -> None:
    add_image(layout, "failing", "v1.0.0", {host_platform(): b"#!/bin/sh\nexit 7\n"})
    add_image(layout, "dying", "v1.0.0", {host_platform(): b"#!/bin/sh\nkill -TERM $$\n"})
    tool("run", "failing", expect=7)
    tool("run", "dying", expect=-signal.SIGTERM)


def test_a_project_has_its_own_profile_and_its_lock_beside_its_manifest(tool: Tool, home: Path) -> None:
    project = home / "work"
    (project / "deep").mkdir(parents=True)
    (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "vault"\nbinaries = { v = "plugin" }\n')
    assert str(project) in tool("sync", cwd=str(project / "deep")).err
    assert (project / "d8.lock").exists()
    assert sorted(os.listdir(project)) == ["d8.lock", "d8.toml", "deep"]
    assert not bin_of(home).exists()
    assert tool("which", "v", cwd=str(project)).out.strip().endswith("/v")
    tool("which", "v", "--user", cwd=str(project), expect=69)
    line = tool("env", "--shell", "sh", cwd=str(project)).out
    shown = subprocess.run(["sh", "-c", f"{line}v"], env=environment(str(home)), capture_output=True, check=True)
    assert shown.stdout.startswith(b"vault 1.0.0")
    tool("install", "stronghold", "--project", cwd=str(project))
    assert "stronghold" in (project / "d8.toml").read_text()


def test_the_search_for_a_project_ends_at_git_and_home(tool: Tool, home: Path) -> None:
    (home / "d8.toml").write_text("schema = 1\n")
    repository = home / "repository"
    (repository / ".git").mkdir(parents=True)
    assert "your profile" in tool("list", cwd=str(repository)).err
    tool("install", "vault", "--project", cwd=str(repository), expect=2)


def test_sync_locked_never_writes_and_frozen_reads_only_the_lock(tool: Tool, home: Path) -> None:
    project = home / "work"
    project.mkdir()
    manifest, lock = project / "d8.toml", project / "d8.lock"
    manifest.write_text('schema = 1\n[[images]]\nname = "stronghold"\nversion = "~1.4"\n')
    tool("sync", "--locked", cwd=str(project), expect=65)
    tool("sync", "--frozen", cwd=str(project), expect=65)
    tool("lock", "--check", cwd=str(project), expect=65)
    assert not lock.exists()
    tool("lock", cwd=str(project))
    text = lock.read_bytes()
    tool("lock", "--check", cwd=str(project))
    tool("sync", "--locked", cwd=str(project))
    manifest.write_text('schema = 1\n[[images]]\nname = "stronghold"\nversion = ">=2"\n')
    assert "is stale" in tool("sync", "--locked", cwd=str(project), expect=65).err
    manifest.write_text("this is no TOML")
    tool("sync", "--frozen", cwd=str(project))
    assert lock.read_bytes() == text


def test_lock_upgrades_what_it_is_told_and_a_second_run_is_byte_identical(tool: Tool, home: Path, layout: str) -> None:
    project = home / "work"
    project.mkdir()
    images = '[[images]]\nname = "stronghold"\nversion = "~1.4"\n[[images]]\nname = "vault"\n'
    (project / "d8.toml").write_text(f"schema = 1\n{images}")
    tool("lock", cwd=str(project))
    first = (project / "d8.lock").read_bytes()
    add_image(layout, "stronghold", "v1.4.9", executables("new"))
    add_image(layout, "vault", "1.1.0", executables("new"))
    tool("lock", cwd=str(project))
    assert (project / "d8.lock").read_bytes() == first
    assert tool("lock", "--upgrade-image", "vault", cwd=str(project)).out.startswith("vault 1.0.0 -> 1.1.0\n")
    assert tool("lock", "--upgrade", cwd=str(project)).out.startswith("stronghold v1.4.2 -> v1.4.9\n")


def test_sync_lays_another_platform_out_as_plain_files(tool: Tool, home: Path) -> None:
    tool("install", "stronghold~1.4")
    tool("sync", "--platform", "windows-amd64", "--to", "out")
    assert os.listdir(home / "out") == ["stronghold.exe"]
    assert b"stronghold v1.4.2 windows-amd64" in (home / "out/stronghold.exe").read_bytes()
    assert output(bin_of(home) / "stronghold").startswith("stronghold v1.4.2 linux")


def test_a_foreign_platform_needs_a_home_of_its_own(tool: Tool, home: Path) -> None:
    tool("install", "stronghold")
    assert "--home" in tool("install", "vault", "--platform", "windows-amd64", expect=2).err
    tool("install", "vault", "--platform", "windows-amd64", "--home", str(home / "other"))
    assert os.listdir(home / "other/bin") == ["vault.exe"]
    tool("install", "stronghold", "--platform", "windows-amd64", "--home", str(home / "other"))
    assert sorted(os.listdir(home / "other/bin")) == ["stronghold.exe", "vault.exe"]
    assert "vault" not in manifest_of(home)


def test_two_images_with_one_binary_name_need_an_owner(tool: Tool, home: Path) -> None:
    manifest = home / ".config/d8-installer/d8.toml"
    manifest.parent.mkdir(parents=True)
    both = "".join(
        f'[[images]]\nname = "{name}"\nbinaries = {{ sh2 = "plugin" }}\n' for name in ("stronghold", "vault")
    )
    manifest.write_text(f"schema = 1\n{both}")
    refused = tool("sync", expect=65).err
    assert "stronghold and vault both offer the binary 'sh2'" in refused
    assert "config set owners.sh2" in refused
    tool("config", "set", "owners.sh2", "vault")
    tool("sync")
    assert output(bin_of(home) / "sh2").startswith("vault")


def test_config_is_checked_before_it_is_written(tool: Tool, home: Path) -> None:
    file = home / ".config/d8-installer/config.toml"
    tool("config", "set", "endpoint", "https://rpp.example.com")
    assert tool("config", "get", "endpoint").out == "https://rpp.example.com\n"
    file.write_text(f"# mine\n{file.read_text()}")
    tool("config", "set", "endpoint", "http://rpp.example.com", expect=2)
    tool("config", "set", "retention", "many", expect=2)
    tool("config", "set", "colour", "red", expect=2)
    tool("config", "set", "sources", "https://a.example.com, oci-layout:/x")
    tool("config", "set", "retention", "3")
    assert file.read_text().startswith("# mine\n")
    assert "retention = 3" in tool("config", "list").out
    tool("config", "unset", "retention")
    assert tool("config", "get", "retention").out == "10\n"
    assert tool("config", "path").out == f"{file}\n"


def test_only_the_newest_generations_stay(tool: Tool, home: Path) -> None:
    tool("config", "set", "retention", "2")
    for text in ("stronghold", "vault", "deckhouse-cli"):
        tool("install", text)
    generations = bin_of(home).parent / "profiles/user/generations"
    assert sorted(os.listdir(generations)) == ["2", "3"]


def test_ensurepath_appends_once_and_a_new_shell_finds_the_binary(tool: Tool, home: Path) -> None:
    tool("install", "stronghold")
    (home / ".profile").write_text("# no newline at the end")
    assert "added" in tool("ensurepath").out
    assert "already" in tool("ensurepath").out
    found = subprocess.run(
        ["sh", "-c", ". ~/.profile; stronghold"], env=environment(str(home)), capture_output=True, check=True
    )
    assert found.stdout.startswith(b"stronghold v2.0.0")


def test_completion_scripts_ask_for_every_command(tool: Tool) -> None:
    for shell in ("bash", "zsh", "fish", "tcsh", "powershell"):
        assert f"__complete {shell}" in tool("completion", shell).out
    assert "ensurepath" in tool("__complete", "fish", "+ens").out


def test_help_and_version(tool: Tool) -> None:
    assert "get tools:" in tool("--help").out
    assert "get tools " in tool("-h").out
    assert tool("--version").out.startswith("d8-installer ")
    assert tool(expect=2).out == tool("-h").out
    for command in ("install", "sync", "publish", "proxy", "config"):
        assert tool(command, "--help").out.startswith(f"usage: d8-installer {command}")


def test_python_dash_m_is_the_same_door(home: Path) -> None:
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "d8_installer", "--version"], env=environment(str(home)), capture_output=True, check=True
    )
    assert done.stdout.startswith(b"d8-installer ")


def test_publish_then_install_and_again_is_already_there(tool: Tool, home: Path) -> None:
    (home / "tool").write_bytes(b"#!/bin/sh\necho made here\n")
    publish = ("publish", f"{host_platform()}=tool", "--image", "mine", "--version", "v0.1.0", "--to", "oci-layout:out")
    first = json.loads(tool(*publish, "--json").out)["data"]
    assert first["changed"]
    assert json.loads(tool(*publish, "--json").out)["data"] == {**first, "changed": False}
    (home / "tool").write_bytes(b"#!/bin/sh\necho changed\n")
    assert "already published" in tool(*publish, expect=77).err
    tool(*publish, "--replace")
    tool("--endpoint", "oci-layout:out", "install", "mine")
    assert output(bin_of(home) / "mine") == "changed\n"


def test_a_witness_that_agrees_is_silent_and_one_that_differs_stops_the_lock(
    tool: Tool, home: Path, layout: str, tmp_path: Path
) -> None:
    tool("install", "vault", "--witness", f"oci-layout:{layout}")
    other = str(tmp_path / "other")
    add_image(other, "stronghold", "v2.0.0", executables("forged"))
    add_image(other, "vault", "1.0.0", executables("vault 1.0.0"))
    before = lock_of(home)
    assert "disagrees" in tool("install", "stronghold", "--witness", f"oci-layout:{other}", expect=76).err
    assert lock_of(home) == before


def test_run_passes_everything_after_the_name_on_and_keeps_the_token_to_itself(
    tool: Tool, home: Path, layout: str
) -> None:
    add_image(layout, "told", "v1.0.0", {host_platform(): b'#!/bin/sh\necho "$@" "${D8_RPP_TOKEN-none}"\n'})
    assert tool("run", "told", "--", "-x", "--", "y").out == "-x -- y none\n"
    assert tool("run", "told", "a", "--", "b").out == "a -- b none\n"
    env = {"D8_RPP_ENDPOINT": f"oci-layout:{layout}", "D8_RPP_TOKEN": "secret"}
    assert run("run", "told", home=str(home), env=env).out == "none\n"


def test_without_a_home_directory_nothing_is_put_into_the_working_directory(home: Path, layout: str) -> None:
    env = {"HOME": "relative", "D8_RPP_ENDPOINT": f"oci-layout:{layout}"}
    done = run("install", "vault", home=str(home), env=env)
    assert done.code == 78
    assert "HOME" in done.err
    assert list(home.iterdir()) == []


def test_a_working_directory_that_is_gone_holds_no_project(home: Path, layout: str) -> None:
    script = 'mkdir gone; cd gone; rmdir ../gone; exec "$@"'
    command = ["sh", "-c", script, "sh", str(Path(sys.executable).with_name("d8-installer")), "list"]
    done = ended(command, home=str(home))
    assert done.code == 0, done
    assert done.out == "nothing is installed\n"


def test_paths_go_out_as_the_bytes_they_are_whatever_the_locale(home: Path, layout: str) -> None:
    odd = home / "ö 空"
    odd.mkdir()
    for locale in ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}):
        env = {"D8_RPP_ENDPOINT": f"oci-layout:{layout}", **locale}
        assert run("install", "vault", home=str(odd), env=env).code == 0
        shown = run("which", "vault", home=str(odd), env=env)
        assert os.path.exists(shown.out.strip()), shown


def test_sync_to_leaves_foreign_files_and_the_home_alone(tool: Tool, home: Path) -> None:
    tool("install", "vault")
    (home / "out").mkdir()
    (home / "out/vault").write_text("mine")
    assert "in the way" in tool("sync", "--to", "out", expect=73).err
    assert (home / "out/vault").read_text() == "mine"
    tool("sync", "--to", "", expect=2)
    tool("sync", "--to", str(bin_of(home)), expect=2)
    (home / "out/vault").unlink()
    tool("sync", "--to", "out")
    tool("sync", "--to", "out")


def test_a_lock_edited_by_hand_does_not_place_other_bytes_under_a_version(tool: Tool, home: Path) -> None:
    project = home / "work"
    project.mkdir()
    (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "stronghold"\nversion = "<3"\n')
    tool("lock", cwd=str(project))
    lock = project / "d8.lock"
    text = lock.read_text()
    here = text.partition(f"[images.platforms.{host_platform()}]")[2]
    for part, key in ((text, "index"), (here, "child")):
        digest = part.partition(f'{key} = "sha256:')[2][:64]
        altered = text.replace(digest, digest[::-1])
        lock.write_text(altered)
        assert "edited by hand" in tool("sync", "--locked", cwd=str(project), expect=65).err
        for words in (("sync", "--frozen"), ("sync", "--locked")):
            assert tool(*words, cwd=str(project), expect=76).out == ""
            lock.write_text(re.sub("  # entry .*", "", altered))  # for --locked: a lock without marks has none to break
    lock.write_text(text)
    tool("sync", "--locked", cwd=str(project))


def test_two_ranges_for_one_image_and_mistyped_words_are_usage_errors(tool: Tool) -> None:
    assert "named twice" in tool("install", "vault>0", "vault<2", expect=2).err
    for words in (
        ("install", "vault:1"),
        ("versions", "Vault"),
        ("lock", "--platform", "bogus"),
        ("publish", "amd64-linux=x", "--image", "a", "--version", "v1.0.0", "--to", "oci-layout:o"),
        ("proxy", "serve", "--from", "oci-layout:.", "--cache-size", "-5"),
        ("config", "set", "endpoint", "ftp://x"),
    ):
        tool(*words, expect=2)
    tool("install", "deckhouse-cli/plugins/vault")


def test_a_missing_manifest_takes_nothing_away_but_prune_does(tool: Tool, home: Path) -> None:
    tool("install", "vault")
    (home / ".config/d8-installer/d8.toml").unlink()
    assert re.fullmatch(r"wrote \S+/d8.lock\n", tool("sync").out), "only the requester's name changes"
    assert tool("sync").out == "nothing to do\n"
    assert tool("sync", "--prune").out.startswith("removed vault")
    (home / ".config/d8-installer/d8.toml").mkdir()
    tool("sync", expect=73)


@pytest.mark.skipif(os.name != "posix", reason="another system's limit")
def test_arguments_that_are_too_long_are_said_to_be() -> None:
    with pytest.raises(UsageError, match="longer than the system allows"):
        hand_over("/bin/sh", ["x" * 1_000_000], {})

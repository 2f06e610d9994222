"""Guides for one machine: what they have their reader type is typed, and prints what they show."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from d8_installer.cli.troubleshooting import codes
from d8_installer.cli.verbs import VERBS
from d8_installer.testing.docker_registry import PASSWORD, USER, docker_registry
from tests import command
from tests.cli.beside import ComesFromD8
from tests.guides.desk import GUIDES, program
from tests.managers.plugin_wheel import PluginWheel

if TYPE_CHECKING:
    from pathlib import Path

    from d8_installer.testing.docker_registry import RunningRegistry
    from tests.guides.desk import Desk


def test_upgrade_and_roll_back(desk: Desk) -> None:
    desk.publish_program("stronghold", "1.4.2")
    desk.has_endpoint()
    desk.ok("install", "stronghold>=1.4,<2")
    desk.publish_program("stronghold", "1.5.0", "2.0.0")
    desk.types("upgrade")


def test_pin_and_hold(desk: Desk) -> None:
    desk.publish_program("stronghold", "1.4.2", "1.5.0", "2.0.0")
    desk.has_endpoint()
    desk.types("pin")


def test_verify_and_repair(desk: Desk) -> None:
    desk.publish_program("stronghold", "1.4.2")
    desk.has_endpoint()
    desk.ok("install", "stronghold")
    desk.types("verify")


def test_share_one_set_of_tools(desk: Desk, tmp_path: Path) -> None:
    desk.publish_program("stronghold", "1.4.2", "1.5.0")
    shared = tmp_path / "shared"
    desk.names |= {"sudo d8-installer": "d8-installer", "/opt/d8-installer": str(shared)}
    desk.types("global", D8_INSTALLER_GLOBAL_HOME=str(shared))
    assert not desk.data.exists()


@pytest.mark.skipif(shutil.which("direnv") is None, reason="direnv is not installed")
def test_direnv(desk: Desk) -> None:
    desk.publish_program("stronghold", "1.4.2")
    desk.has_endpoint()
    desk.cwd = desk.project('schema = 1\n[[images]]\nname = "stronghold"\n')
    desk.ok("lock")
    desk.types("direnv")


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_a_registry(desk: Desk, locked_registry: RunningRegistry) -> None:
    address = f"docker://{locked_registry.host}/deckhouse"
    desk.publish_program("stronghold", "1.4.2", "1.5.0")
    for tag in ("v1.4.2", "v1.5.0"):
        to_registry(desk, tag, address, f"--dest-creds={USER}:{PASSWORD}")
    (desk.home / "password").write_text(PASSWORD)
    (desk.home / "build").mkdir()
    (desk.home / "build/jig").write_text("#!/bin/sh\necho jig 0.3.0\n")
    login = {"skopeo login --username anna": f"skopeo login --tls-verify=false --username {USER}"}
    desk.names = {"registry.example.com": locked_registry.host} | login
    runtime = desk.home / "runtime"
    runtime.mkdir(mode=0o700)
    desk.types("registries", XDG_RUNTIME_DIR=str(runtime))


def to_registry(desk: Desk, tag: str, address: str, *options: str) -> None:
    """Copy a published version into a registry."""
    layout = f"oci:{desk.images}/deckhouse-cli/plugins/stronghold:{tag}"
    target = f"{address}/deckhouse-cli/plugins/stronghold:{tag}"
    copy = ["skopeo", "copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false", *options]
    done = command.ended([*copy, layout, target], home=str(desk.images.parent))
    assert done.code == 0, done


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_several_sources(desk: Desk, tmp_path: Path, registry: RunningRegistry) -> None:
    desk.publish_program("stronghold", "1.4.2", "1.5.0")
    desk.has_endpoint()
    for tag in ("v1.4.2", "v1.5.0"):
        to_registry(desk, tag, f"docker://{registry.host}/deckhouse")
    here = "skopeo copy --quiet --src-tls-verify=false --dest-tls-verify=false"
    (tmp_path / "mirror").mkdir()
    with docker_registry(str(tmp_path / "mirror")) as mirror:
        desk.names |= {"registry.example.com": registry.host, "mirror.example.com": mirror.host, "skopeo copy": here}
        desk.types("sources")


def test_coming_from_mise(desk: Desk) -> None:
    desk.publish_program("stronghold", "1.4.2", "1.5.0")
    desk.has_endpoint()
    desk.cwd = desk.home / "project"
    for platform in ("linux-amd64", "linux-arm64"):
        build = desk.cwd / "builds" / platform / "jig"
        build.parent.mkdir(parents=True)
        build.write_text("#!/bin/sh\necho jig 0.3.0\n")
    (desk.cwd / "mise.toml").write_text('[tools]\nstronghold = "1.4"\n')
    desk.types("from-mise")


def test_coming_from_pipx(desk: Desk) -> None:
    desk.publish_program("stronghold", "1.4.2", "1.5.0")
    desk.has_endpoint()
    desk.types("from-pipx")


@pytest.mark.parametrize("page", ["from-mise", "from-pipx"])
def test_what_is_typed_instead_is_a_command(page: str) -> None:
    typed = re.findall(r"`(?:sudo )?d8-installer (?:--global )?([a-z]+)", (GUIDES / f"{page}.md").read_text())
    assert len(set(typed)) > 10
    assert set(typed) <= set(VERBS)


def test_merging(desk: Desk) -> None:
    for name in ("jig", "stronghold", "saw"):
        desk.publish_program(name, "1.4.2")
    desk.has_endpoint()
    desk.cwd = desk.home / "project"
    desk.cwd.mkdir()
    me = {"GIT_AUTHOR_NAME": "anna", "GIT_AUTHOR_EMAIL": "a@example.com"}
    me |= {"GIT_COMMITTER_NAME": "anna", "GIT_COMMITTER_EMAIL": "a@example.com"}

    def git(*words: str) -> None:
        done = command.ended(["git", *words], home=str(desk.home), env=me, cwd=str(desk.cwd))
        assert done.code == 0, done

    def add(name: str) -> None:
        desk.ok("add", name)
        git("add", ".")
        git("commit", "--quiet", "--message", name)

    git("init", "--quiet", "--initial-branch", "main")
    add("stronghold")
    git("switch", "--quiet", "--create", "saw")
    add("saw")
    git("switch", "--quiet", "main")
    add("jig")
    desk.types("merge", **me)


def test_coming_from_d8(desk: Desk) -> None:
    desk.publish_program("stronghold", "1.4.2", "1.5.0")
    desk.has_endpoint()
    beside = ComesFromD8(desk.home, desk.images)
    beside.d8_installs("stronghold", "v1.4.2", contract="v1.4.2", data=program("stronghold", "1.4.2"))
    before = beside.tree
    desk.types("from-d8", DECKHOUSE_CLI_PATH=str(beside.directory))
    assert beside.tree == before


def test_the_codes_that_the_guides_name_have_an_entry() -> None:
    named = {code for page in GUIDES.glob("*.md") for code in re.findall(r"error\[([a-z-]+)]", page.read_text())}
    assert len(named) > 5
    assert named <= set(codes())


def test_wheels_of_a_plugin(desk: Desk) -> None:
    desk.publish_program("hello", "1.0.0")
    desk.has_endpoint()
    (desk.home / "dist").mkdir()
    manifest = 'schema = 1\n[[images]]\nname = "hello"\nversion = ">=1.0,<2"\n'
    PluginWheel("d8-plug-hello", "1.0", manifest, launchers=False).write(desk.home / "dist")
    desk.types("wheels")

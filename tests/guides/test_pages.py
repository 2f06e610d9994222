"""Guides for one machine: what they have their reader type is typed, and prints what they show."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from d8_installer.testing.docker_registry import docker_registry
from tests import command

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
def test_several_sources(desk: Desk, tmp_path: Path, registry: RunningRegistry) -> None:
    desk.publish_program("stronghold", "1.4.2", "1.5.0")
    desk.has_endpoint()
    for tag in ("v1.4.2", "v1.5.0"):
        layout = f"oci:{desk.images}/deckhouse-cli/plugins/stronghold:{tag}"
        target = f"docker://{registry.host}/deckhouse/deckhouse-cli/plugins/stronghold:{tag}"
        words = ["skopeo", "copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false", layout, target]
        done = command.ended(words, home=str(tmp_path))
        assert done.code == 0, done
    here = "skopeo copy --quiet --src-tls-verify=false --dest-tls-verify=false"
    (tmp_path / "mirror").mkdir()
    with docker_registry(str(tmp_path / "mirror")) as mirror:
        desk.names |= {"registry.example.com": registry.host, "mirror.example.com": mirror.host, "skopeo copy": here}
        desk.types("sources")

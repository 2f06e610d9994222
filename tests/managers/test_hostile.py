"""Hostile plugins, installed as any other: each is refused and named, nothing of them runs, and the rest goes on."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import DocumentError
from tests.command import PROGRAM
from tests.managers.drivers import MANAGERS, UvPip
from tests.managers.plugin_wheel import PluginWheel

if TYPE_CHECKING:
    from tests.managers.machine import Machine

IMAGE = 'schema = 1\n[[images]]\nname = "{image}"\nbinaries = {{ "{binary}" = "{member}" }}\n'
MANIFESTS = {
    "binary-above": IMAGE.format(image="{image}", binary="../../escaped", member="plugin"),
    "binary-absolute": IMAGE.format(image="{image}", binary="/tmp/escaped", member="plugin"),  # noqa: S108 - refused
    "binary-device": IMAGE.format(image="{image}", binary="con", member="plugin"),
    "member-above": IMAGE.format(image="{image}", binary="escaped", member="../plugin"),
    "image-above": IMAGE.format(image="../{image}", binary="escaped", member="plugin"),
    "source-chosen": 'schema = 1\nendpoint = "http://127.0.0.1:9"\n',
    "ten-megabytes": "schema = 1\n#" + "x" * (10 << 20) + "\n",
    "no-text": "schema = 1\n\x00",
}


def test_hostile_plugins_are_named_and_the_good_one_is_placed(machine: Machine) -> None:
    manager = UvPip(machine)
    good = machine.plugin("good", "1.0", "v1.0.0")
    hostile = [
        offer(machine, name, text.replace("{image}", f"{machine.word}-good")) for name, text in MANIFESTS.items()
    ]
    hostile.append(offer(machine, "thief", "schema = 1\n", entry_point=f"{good.replace('-', '_')}:d8.toml"))
    image = machine.image("linked", "v1.0.0")
    linked = offer(machine, "linked", IMAGE.format(image=image, binary=image, member="plugin"))
    manager.install(good)
    for plugin in (*hostile, linked):
        manager.install(plugin)
    link_its_metadata(machine, linked)
    done = machine.run(PROGRAM, "sync", "--json", env={"VIRTUAL_ENV": str(machine.home / "venv")})
    assert done.code == DocumentError.exit_code, str(done)
    said = [error["message"] for error in json.loads(done.out)["errors"]]
    assert [plugin for plugin in hostile if not any(plugin in message for message in said)] == []
    assert machine.placed() == [f"{machine.word}-good"]
    machine.says(manager.command(f"{machine.word}-good"), f"{machine.word}-good", "v1.0.0")
    assert list(machine.home.rglob("*escaped*")) == []


@pytest.mark.parametrize("name", ["pip", "uv", "d8-installer"])
def test_a_name_that_no_plugin_gets_stays_away(machine: Machine, name: str) -> None:
    manager, image = UvPip(machine), machine.image("taken", "v1.0.0")
    plugin = offer(machine, "taker", IMAGE.format(image=image, binary=name, member="plugin"))
    manager.install(plugin)
    done = machine.run(PROGRAM, "sync", "--json", env={"VIRTUAL_ENV": str(machine.home / "venv")})
    data = json.loads(done.out)["data"]
    assert machine.placed() == []
    assert data["withheld"] == [name], str(done)


@pytest.mark.parametrize("manager", ["pip", "uv-pip"])
@pytest.mark.parametrize("scheme", ["purelib", "platlib", "data/lib/python{version}/site-packages"])
def test_a_dist_info_that_another_wheel_carries_speaks_for_no_one(machine: Machine, manager: str, scheme: str) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    plugin, image = f"d8-plug-{machine.word}-tool", f"{machine.word}-tool"
    other = machine.image("other", "v1.0.0")
    text = IMAGE.format(image=other, binary=image, member="plugin")
    planted = f"{plugin.replace('-', '_')}-99.0.dist-info"
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: {plugin}\nVersion: 99.0\n",
        "INSTALLER": "pip\n",
        "entry_points.txt": "[d8_installer.manifests]\nplug = aaa_planted:d8.toml\n",
        "RECORD": f"aaa_planted/d8.toml,sha256={digest},{len(text)}\n",
    }
    place = scheme.format(version=version)
    carried = [(f"{place}/{planted}/{name}", content) for name, content in files.items()]
    evil = f"aaa-evil-{machine.word}-{place.split('/')[0]}"
    wheel = PluginWheel(
        evil, "1.0", "schema = 1\n", (), launchers=False, carries=(*carried, (f"{place}/aaa_planted/d8.toml", text))
    )
    machine.index.add([wheel.write(machine.wheels)])
    MANAGERS[manager](machine).install(evil)
    env = {"VIRTUAL_ENV": str(machine.home / "venv")}
    said = machine.run(PROGRAM, "sync", env=env)
    assert said.code == DocumentError.exit_code, str(said)
    assert planted in said.err
    assert f"{evil.replace('-', '_')}-1.0.dist-info/RECORD" in said.err
    assert machine.placed() == []


def offer(machine: Machine, name: str, manifest: str, entry_point: str = "") -> str:
    """Offer a plugin with any manifest; it has no launchers, and does not bring d8-installer."""
    wheel = PluginWheel(
        f"d8-plug-{machine.word}-{name}", "1.0", manifest, requires=(), launchers=False, entry_point=entry_point
    )
    machine.index.add([wheel.write(machine.wheels)])
    return wheel.name


def link_its_metadata(machine: Machine, plugin: str) -> None:
    """Put a link in the place of a plugin's dist-info."""
    (info,) = machine.home.glob(f"venv/lib/*/site-packages/{plugin.replace('-', '_')}-1.0.dist-info")
    elsewhere = machine.home / "elsewhere"
    info.rename(elsewhere)
    os.symlink(elsewhere, info)

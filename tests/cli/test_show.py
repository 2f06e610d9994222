"""`show`: one version of an image, from the lock and the store if it is locked, else from its source."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from d8_installer.model.contract import Contract, ModuleNeeds, Need, PluginNeeds
from d8_installer.model.lock import Lock
from d8_installer.model.value import replace
from tests import images
from tests.cli.test_json import SCHEMA
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path

BETA = Contract(
    name="beta",
    version="v1.0.0",
    description="keeps\nsecrets",
    env=("KUBECONFIG",),
    modules=ModuleNeeds(mandatory=(Need("stronghold", ">= 1.3"),)),
    plugins=PluginNeeds((Need("alpha", ">=1.1 <2"), Need("package", ">=9")), (Need("gamma", "^1"),)),
)
HERE = images.host_platform()


class Reader(Person):
    def publish_beta(self, *tags: str, annotation: str | None = None) -> None:
        notes = {"contract": BETA.annotation() if annotation is None else annotation}
        for tag in tags:
            builds = images.executables(f"beta {tag}", HERE, "darwin-arm64")
            images.add_image(str(self.source), "beta", tag, builds, notes)

    def data_of(self, *words: str, code: int = 0) -> dict[str, Any]:
        data = self.json("show", *words, code=code)
        document = {"schema": 1, "command": "show", "status": "ok", "exit_code": 0, "errors": [], "data": data}
        assert [one.message for one in Draft202012Validator(SCHEMA).iter_errors(document)] == []
        return data


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    reader = Reader(tmp_path / "home", tmp_path / "registry")
    reader.publish("alpha", "v1.0.0", "v1.1.0", "v2.0.0")
    reader.publish_beta("v1.0.0", "v1.1.0", "v1.2.0-rc.1")
    return reader


def test_an_image_that_is_not_installed_is_shown_from_its_source(reader: Reader) -> None:
    done = reader.ok("show", "beta")
    lines = done.out.splitlines()
    assert lines[:2] == ["beta v1.1.0, not installed", "  keeps secrets"]
    assert lines[3] == "versions: v1.2.0-rc.1, v1.1.0, v1.0.0"
    assert [line.split()[0] for line in lines[5:7]] == sorted([HERE, "darwin-arm64"])
    assert lines[7:] == [
        "contract:",
        "  requires module stronghold >= 1.3",
        "  requires plugin alpha >=1.1 <2",
        "  requires plugin package >=9",
        "  requires ^1 of plugin gamma if it is installed",
        "  asks for the variable KUBECONFIG",
        "requirements: not checked",
        "plugins:",
        "  alpha >=1.1 <2: not installed",
        "  package >=9: a part of d8",
        "  gamma ^1: not installed, which is fine",
    ]
    assert "requirements not checked: no cluster is configured" in done.err
    assert not reader.data.exists(), "show changes nothing"


@pytest.mark.parametrize(
    ("typed", "version"),
    [("beta", "v1.1.0"), ("beta<1.1", "v1.0.0"), ("beta>=1.2-0", "v1.2.0-rc.1"), ("beta==1.0.0", "v1.0.0")],
)
def test_a_range_chooses_the_newest_in_it(reader: Reader, typed: str, version: str) -> None:
    assert reader.data_of(typed)["version"] == version


def test_what_is_installed_needs_no_source(reader: Reader) -> None:
    reader.ok("install", "beta", "alpha")
    shutil.rmtree(reader.home.parent / "registry")
    data = reader.json("--offline", "show", "beta")
    assert (data["version"], data["locked"], data["installed"], data["versions"]) == ("v1.1.0",) * 3 + (None,)
    assert data["contract"]["description"] == "keeps\nsecrets"
    assert {one["image"]: (one["locked"], one["met"]) for one in data["needs"]} == {
        "alpha": ("v1.1.0", True),
        "package": (None, True),
        "gamma": (None, True),
    }
    assert reader.json("--offline", "show", "beta")["needed_by"] == [{"requester": "d8.toml", "range": "*"}]
    asked = reader.json("--offline", "show", "alpha")["needed_by"]
    assert {"requester": "image:beta", "range": ">=1.1 <2"} in asked
    done = reader.ok("show", "beta")
    assert "the published versions are not known: " in done.err


def test_a_contract_that_an_older_tool_did_not_lock_is_shown(reader: Reader) -> None:
    reader.ok("install", "beta", "alpha")
    changes = {"contract": None, "needs": (), "needs_if_present": ()}
    reader.lock.write_text(Lock.of([replace(image, **changes) for image in reader.locked().images]).render())
    done = reader.ok("show", "beta")
    assert "\n  requires module stronghold >= 1.3\n" in done.out
    assert "`d8-installer lock --upgrade-image beta` writes it" in done.err
    assert "the lock does not have" not in reader.ok("show", "alpha").err
    reader.ok("lock", "--upgrade-image", "beta", "--skip-cluster-checks")
    assert "the lock does not have" not in reader.ok("show", "beta").err


def test_facts_are_compared_without_a_cluster(reader: Reader) -> None:
    (reader.home / "facts.json").write_text('{"schema": 1, "cluster": "c", "modules": {}}')
    requirements = reader.data_of("beta", "--facts", "facts.json")["requirements"]
    assert (requirements["met"], requirements["cluster"]) == (False, "c")
    assert requirements["unmet"] == ['plugin beta requires module "stronghold" to be enabled, but it is not']
    assert reader.data_of("beta", "--skip-cluster-checks")["requirements"]["met"] is None


def test_a_range_that_the_installed_version_is_not_in_is_asked_for(reader: Reader) -> None:
    reader.ok("install", "beta")
    data = reader.data_of("beta<1.1")
    assert (data["version"], data["locked"]) == ("v1.0.0", "v1.1.0")
    assert reader.ok("show", "beta<1.1").out.startswith("beta v1.0.0, and v1.1.0 is installed\n")


def test_an_image_without_a_contract_says_so(reader: Reader) -> None:
    data = reader.data_of("alpha")
    assert (data["version"], data["contract"], data["requirements"], data["needs"]) == ("v2.0.0", None, None, [])
    assert "\nno contract\n" in reader.ok("show", "alpha").out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("bet",), 69, "did you mean beta?"),
        (("beta>9",), 69, "beta has no version >9"),
        (("0.14.1",), 69, "a version is joined with @, such as stronghold@0.14.1"),
        (("beta:v1",), 2, "a version is joined with @: type beta@v1"),
        (("beta===nonsense",), 69, "beta has no version ===nonsense"),
    ],
)
def test_what_is_not_there_is_an_error(reader: Reader, words: tuple[str, ...], code: int, said: str) -> None:
    reader.ok("install", "beta")
    assert said in reader.fails(code, "show", *words).err


def test_a_contract_that_cannot_be_read_is_an_error_that_names_the_image(reader: Reader) -> None:
    reader.publish_beta("v3.0.0", annotation="e30")
    done = reader.fails(65, "show", "beta")
    assert "beta v3.0.0: the contract annotation is not base64" in done.err
    assert "`d8-installer versions beta` has other versions" in done.err


def test_control_characters_of_a_contract_do_not_reach_the_terminal(reader: Reader) -> None:
    hostile = Contract(name="beta", version="v1", description="a\x1b[2Jb", flags=("\x1b]0;x\x07",))
    reader.publish_beta("v4.0.0", annotation=hostile.annotation())
    assert "\x1b" not in reader.ok("show", "beta").out
    assert "\x1b" not in reader.ok("--json", "show", "beta").out


def test_a_name_that_is_not_the_images_is_told(reader: Reader) -> None:
    reader.publish_beta("v5.0.0", annotation=Contract(name="gamma", version="v5.0.0").annotation())
    done = reader.ok("show", "beta")
    assert "the contract of beta v5.0.0 calls it 'gamma'" in done.err
    assert "contract: it requires nothing" in done.out

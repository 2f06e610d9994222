"""``facts``: what the checks of requirements see in a real cluster, as a file that a person can edit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.facts import ClusterFacts
from tests.cluster import faults
from tests.cluster.rights import LIST_MODULES, READ_DECKHOUSE, USUAL
from tests.registry.clients import closed_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse
    from tests.cluster.person import Operator


@pytest.fixture
def person(deckhouse: Deckhouse, tmp_path: Path) -> Operator:
    """Somebody in a cluster with Deckhouse and two modules."""
    deckhouse.cluster.deckhouse("v1.77.0")
    deckhouse.cluster.module("stronghold", "v1.3.0")
    deckhouse.cluster.module("console", "v1.0.0", enabled=False)
    return deckhouse.person(tmp_path / "home")


def test_the_facts_of_the_cluster(person: Operator, deckhouse: Deckhouse) -> None:
    told = person.ok("facts")
    document = json.loads(told.out)
    assert document["deckhouse"] == "v1.77.0"
    assert document["modules"] == {
        "console": {"enabled": False, "version": "v1.0.0"},
        "stronghold": {"enabled": True, "version": "v1.3.0"},
    }
    assert document["kubernetes"].startswith("v1.")
    assert str(deckhouse.cluster.port) in document["cluster"]
    assert person.json("facts")["file"] is None
    assert person.json("facts")["facts"].keys() == document.keys()


def test_a_file_is_written_whole_and_again(person: Operator, deckhouse: Deckhouse) -> None:
    file = person.home / "facts.json"
    assert person.ok("facts", "-o", "facts.json").out == f"wrote {file}\n"
    before = ClusterFacts.parse(file.read_bytes(), "facts.json")
    assert file.stat().st_mode & 0o777 == 0o644
    deckhouse.cluster.module("console", "v1.0.0")
    assert person.json("facts", "-o", "facts.json")["file"] == str(file)
    after = ClusterFacts.parse(file.read_bytes(), "facts.json")
    assert (before.modules["console"].is_enabled, after.modules["console"].is_enabled) == (False, True)
    assert [path.name for path in person.home.iterdir() if path.name.startswith("facts.json")] == ["facts.json"]


@pytest.mark.parametrize("typed", ["", "-", "no/such/facts.json", ".config", "/dev/stdout"])
def test_what_no_file_can_be(person: Operator, typed: str) -> None:
    (person.home / ".config").mkdir()
    done = person.run("facts", "-o", typed)
    assert done.code in {2, 73}
    assert "hint: " in done.err


def test_without_a_cluster(person: Operator) -> None:
    person.kubeconfig.unlink()
    said = person.fails(78, "facts").err
    assert "no cluster is configured" in said
    assert "--kubeconfig" in said


@pytest.mark.parametrize("mode", ["auto", "always", "never"])
def test_offline(person: Operator, mode: str) -> None:
    person.ok("config", "set", "cluster_checks", mode)
    assert "--offline contacts no cluster" in person.fails(78, "--offline", "facts").err


def test_a_pods_account_is_not_taken_for_a_persons(person: Operator) -> None:
    person.kubeconfig.unlink()
    pod = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
    assert "no cluster is configured" in person.fails(78, "facts", **pod).err


@pytest.mark.parametrize(("right", "word"), [(LIST_MODULES, "modules"), (READ_DECKHOUSE, "deckhouse")])
def test_a_right_that_is_missing(person: Operator, deckhouse: Deckhouse, right: object, word: str) -> None:
    deckhouse.cluster.take_away(person.account, right)  # type: ignore[arg-type]
    file = person.home / "facts.json"
    said = person.fails(77, "facts", "-o", "facts.json").err
    assert word in said
    assert "kubectl" in said
    assert not file.exists()


def test_the_api_is_down(deckhouse: Deckhouse, tmp_path: Path) -> None:
    person = deckhouse.person(tmp_path / "home", USUAL, server=f"https://127.0.0.1:{closed_port()}")
    assert "127.0.0.1" in person.fails(69, "facts").err


def test_an_api_that_hangs(person: Operator, deckhouse: Deckhouse) -> None:
    with faults.relay(deckhouse.cluster.port) as between:
        deckhouse.cluster.kubeconfig_for(
            person.kubeconfig, token=person.token, server=f"https://127.0.0.1:{between.port}"
        )
        person.ok("facts")
        between.behaviour = "hang"
        between.end_connections()
        said = person.fails(69, "facts", D8_PATIENCE="1").err
    assert "does not answer" in said
    assert "--skip-cluster-checks" not in said

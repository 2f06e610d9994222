"""Requirements against a real cluster: what is asked, what is refused, and what is known of it later.

The images come from a directory, so that each request to the API server is one for facts.
"""

from __future__ import annotations

import re
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests import command
from tests.cluster import faults
from tests.cluster.deckhouse import needs
from tests.cluster.rights import LIST_MODULES, READ_DECKHOUSE
from tests.cluster.test_pod import mounts
from tests.command import PROGRAM
from tests.registry.clients import closed_port
from tests.registry.servers import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse
    from tests.cluster.faults import Relay
    from tests.cluster.person import Operator
    from tests.cluster.rights import Right
    from tests.command import Completed
    from tests.registry.servers import Received

__all__ = ["mounts"]

FACTS = (LIST_MODULES, READ_DECKHOUSE)
UNCHECKED = "requirements not checked: "
OFF = 'requires module "stronghold" to be enabled, but it is not'
MANIFEST = 'schema = 1\n[[images]]\nname = "tool"\n'


@pytest.fixture
def ready(deckhouse: Deckhouse) -> Deckhouse:
    """A cluster with a module, and an image whose v2.0.0 requires it; v1.0.0 requires nothing."""
    deckhouse.cluster.deckhouse("v1.77.0")
    deckhouse.cluster.module("stronghold", "v1.3.0")
    deckhouse.publish("tool", "v1.0.0")
    deckhouse.publish("tool", "v2.0.0", contract=needs(modules={"stronghold": ">= 1.3"}))
    deckhouse.publish("plain", "v1.0.0")
    return deckhouse


def someone(ready: Deckhouse, home: Path, *rights: Right, server: str | None = None) -> Operator:
    """Return a person whose images come from a directory, and who may read facts."""
    changes = {} if server is None else {"server": server}
    person = ready.person(home, rights, **changes)
    person.source = ready.layouts
    return person


@pytest.fixture
def person(ready: Deckhouse, tmp_path: Path) -> Operator:
    return someone(ready, tmp_path / "home", *FACTS)


@contextmanager
def between(ready: Deckhouse, person: Operator) -> Iterator[Relay]:
    """Stand before the API server, and count the connections to it."""
    with faults.relay(ready.cluster.port) as relay:
        server = f"https://127.0.0.1:{relay.port}"
        ready.cluster.kubeconfig_for(person.kubeconfig, token=person.token, server=server)
        yield relay


def notes(done: Completed) -> list[str]:
    return [line for line in done.err.splitlines() if line.startswith(UNCHECKED)]


def fails_untouched(person: Operator, code: int, *words: str, cwd: str | None = None, **env: str) -> str:
    before = person.state()
    done = person.fails(code, *words, cwd=cwd, **env)
    assert person.state() == before
    return done.err


# -- what is asked


def test_an_image_without_requirements_asks_no_cluster(ready: Deckhouse, person: Operator) -> None:
    with between(ready, person) as relay:
        person.ok("install", "plain", "tool==1.0.0")
        person.ok("sync")
        person.ok("list")
        person.ok("check")
        assert relay.connections == 0
        person.ok("install", "tool==2.0.0")
        assert relay.connections > 0


@pytest.mark.parametrize("mode", ["auto", "always"])
def test_a_sync_with_nothing_to_do_asks_no_cluster(ready: Deckhouse, person: Operator, mode: str) -> None:
    person.ok("config", "set", "cluster_checks", mode)
    with between(ready, person) as relay:
        person.ok("install", "tool")
        person.ok("sync")
        asked = relay.connections
        for words in (["sync"], ["sync", "--locked"], ["uninstall", "tool"]):
            person.ok(*words)
        assert relay.connections == asked


def test_only_the_facts_that_a_contract_asks_for_are_read(ready: Deckhouse, tmp_path: Path) -> None:
    """Every account may read the version of Kubernetes; the rest takes a right."""
    ready.publish("kube", "v1.0.0", contract=needs(kubernetes=">= 1.28"))
    ready.publish("house", "v1.0.0", contract=needs(deckhouse=">= 1.77"))
    nobody = someone(ready, tmp_path / "nobody")
    nobody.ok("install", "kube")
    assert "deployments" in fails_untouched(nobody, 77, "install", "house")
    assert "modules" in fails_untouched(nobody, 77, "install", "tool")
    house = someone(ready, tmp_path / "house", READ_DECKHOUSE)
    house.ok("install", "house", "kube")


def test_each_fact_is_read_once(ready: Deckhouse, person: Operator) -> None:
    """The newest version asks for the modules, the next one for Kubernetes, and the chosen one is admitted as well."""
    ready.publish("many", "v3.0.0", contract=needs(modules={"nothing": ""}))
    ready.publish("many", "v2.0.0", contract=needs(kubernetes=">= 1.28", modules={"stronghold": ""}))
    asked: list[str] = []

    def note(received: Received) -> None:
        asked.append(received.path.partition("?")[0])

    with faults.lying(ready.cluster, note) as api:
        ready.cluster.kubeconfig_for(person.kubeconfig, token=person.token, server=api.url)
        person.ok("install", "many", "plain")
    assert person.has()["many"] == "v2.0.0"
    assert sorted(asked) == ["/apis/deckhouse.io/v1alpha1/modules", "/version"]


@pytest.mark.parametrize("switch", [["--skip-cluster-checks"], ["never"]])
def test_switches_ask_no_cluster(ready: Deckhouse, person: Operator, switch: list[str]) -> None:
    if switch == ["never"]:
        person.ok("config", "set", "cluster_checks", "never")
        switch = []
    with between(ready, person) as relay:
        person.ok("install", "tool", *switch)
        assert relay.connections == 0


def test_held_commands_ask_no_cluster_unless_they_must(ready: Deckhouse, person: Operator) -> None:
    person.project(MANIFEST)
    person.ok("lock", cwd="project")
    with between(ready, person) as relay:
        for words in (["sync", "--to", "out"], ["bundle", "create", "-o", "x.bundle"], ["lock", "--check"]):
            assert notes(person.ok(*words, cwd="project")) != [], words
        assert notes(person.ok("sync", "--locked", cwd="project")) != []
        assert relay.connections == 0
        person.ok("config", "set", "cluster_checks", "always")
        ready.cluster.module("stronghold", "v1.3.0", enabled=False)
        for words in (["sync", "--to", "out"], ["bundle", "create", "-o", "y.bundle"], ["lock", "--check"]):
            assert OFF in person.fails(65, *words, cwd="project").err
        assert not (person.home / "project/y.bundle").exists()


# -- a cluster that cannot be read is an error, never a reason for an older version


def test_a_missing_right_is_named_with_what_grants_it(ready: Deckhouse, person: Operator, tmp_path: Path) -> None:
    ready.cluster.take_away(person.account, LIST_MODULES)
    said = fails_untouched(person, 77, "install", "tool")
    assert "list modules.deckhouse.io" in said
    assert "--skip-cluster-checks" in said
    typed = [shlex.split(one) for one in re.findall(r"kubectl [^`;]*", said.partition("hint: ")[2])]
    ready.as_administrator(typed, tmp_path)
    person.ok("install", "tool")
    assert person.has() == {"tool": "v2.0.0"}


@pytest.mark.parametrize(("behaviour", "code"), [("drop", 69), ("hang", 69)])
def test_an_api_that_does_not_answer(ready: Deckhouse, person: Operator, behaviour: str, code: int) -> None:
    with between(ready, person) as relay:
        relay.behaviour = behaviour
        said = fails_untouched(person, code, "install", "tool", D8_PATIENCE="1")
    assert "cannot read" in said
    assert "--skip-cluster-checks" in said


@pytest.mark.parametrize(("status", "code"), [(503, 75), (429, 75), (401, 77), (404, 69)])
def test_an_api_that_refuses(ready: Deckhouse, person: Operator, status: int, code: int) -> None:
    refused = faults.only("/apis/deckhouse.io/v1alpha1/modules", lambda: Answer(status))
    with faults.lying(ready.cluster, refused) as api:
        ready.cluster.kubeconfig_for(person.kubeconfig, token=person.token, server=api.url)
        said = fails_untouched(person, code, "install", "tool", D8_PATIENCE="1")
    assert f"{status}" in said
    assert "--skip-cluster-checks" in said


def test_an_api_that_is_down(ready: Deckhouse, tmp_path: Path) -> None:
    person = someone(ready, tmp_path / "home", *FACTS, server=f"https://127.0.0.1:{closed_port()}")
    assert "cannot read" in fails_untouched(person, 69, "install", "tool")
    person.ok("install", "tool==1.0.0")


def test_a_kubeconfig_that_is_broken(person: Operator) -> None:
    assert "nowhere" in fails_untouched(person, 78, "--context", "nowhere", "install", "tool==2.0.0")
    person.kubeconfig.write_text("{")
    person.ok("install", "tool==1.0.0")
    assert str(person.kubeconfig) in fails_untouched(person, 78, "install", "tool==2.0.0")


# -- which version


def test_the_newest_version_whose_requirements_hold(ready: Deckhouse, person: Operator) -> None:
    ready.cluster.module("stronghold", "v1.3.0", enabled=False)
    told = person.ok("install", "tool")
    assert person.has() == {"tool": "v1.0.0"}
    assert [line for line in told.err.splitlines() if "v2.0.0" in line and OFF in line]
    explained = person.ok("lock", "--explain", "tool").out
    assert "compared with the Kubernetes API" in explained
    assert [line for line in explained.splitlines() if "v2.0.0" in line and OFF in line], explained
    ready.cluster.module("stronghold", "v1.4.0")
    person.ok("upgrade", "tool")
    assert person.has() == {"tool": "v2.0.0"}
    ready.cluster.module("stronghold", "v1.2.0")
    line = '  does not fit: plugin tool requires module "stronghold" >= 1.3, but the cluster has v1.2.0'
    assert line in person.ok("lock", "--explain", "tool").out.splitlines()


def test_my_cluster_does_not_choose_the_versions_of_a_project(ready: Deckhouse, person: Operator) -> None:
    person.project(MANIFEST)
    ready.cluster.module("stronghold", "v1.3.0", enabled=False)
    lock = person.home / "project/d8.lock"
    assert len(notes(person.ok("lock", cwd="project"))) == 1
    before = lock.read_bytes()
    assert b"v2.0.0" in before
    assert OFF in person.fails(65, "sync", cwd="project").err
    assert lock.read_bytes() == before
    assert person.has(cwd="project") == {}
    lock.unlink()
    person.ok("config", "set", "cluster_checks", "always")
    person.ok("sync", cwd="project")
    assert person.has(cwd="project") == {"tool": "v1.0.0"}


def test_the_first_run_of_an_image_is_checked(ready: Deckhouse, person: Operator) -> None:
    ready.publish("only", "v1.0.0", contract=needs(modules={"stronghold": ""}))
    ready.cluster.module("stronghold", "v1.3.0", enabled=False)
    assert OFF in person.fails(65, "run", "only").err
    ready.cluster.module("stronghold", "v1.3.0")
    assert person.ok("run", "only").out.startswith("only v1.0.0")


# -- what is known later, without asking


def test_list_and_rollback_know_what_was_read_last(ready: Deckhouse, person: Operator) -> None:
    with between(ready, person) as relay:
        person.ok("install", "tool==1.0.0")
        person.ok("install", "tool==2.0.0")
        person.ok("rollback")
        assert "!" not in person.ok("list").out
        ready.cluster.module("stronghold", "v1.3.0", enabled=False)
        person.ok("facts")
        relay.behaviour = "drop"
        relay.end_connections()
        asked = relay.connections
        assert person.json("list")["binaries"][0]["unmet"] == []
        back = person.ok("rollback", "2")
        assert f"warning: plugin tool {OFF}" in back.err
        assert person.has() == {"tool": "v2.0.0"}
        listed = person.ok("list")
        assert listed.out.splitlines()[1].split()[:3] == ["tool", "!", "v2.0.0"]
        assert OFF in listed.err
        assert person.json("list")["binaries"][0]["unmet"] == [f"plugin tool {OFF}"]
        assert relay.connections == asked


def test_check_reads_the_cluster_whatever_the_setting(ready: Deckhouse, person: Operator) -> None:
    person.ok("install", "tool")
    person.ok("config", "set", "cluster_checks", "never")
    person.ok("check")
    ready.cluster.module("stronghold", "v1.2.0")
    assert 'module "stronghold" >= 1.3, but the cluster has v1.2.0' in person.fails(65, "check").err
    assert "the Kubernetes API" in person.json("check", code=65)["cluster"]


# -- the account of a pod


def test_the_account_of_a_pod_counts_only_under_always(ready: Deckhouse, mounts: list[str], tmp_path: Path) -> None:
    place, home = tmp_path / "account", tmp_path / "home"
    home.mkdir()
    (place / "token").write_text(ready.cluster.service_account("pod", FACTS))
    (place / "ca.crt").write_text(ready.cluster.ca_pem)
    env = {
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(ready.cluster.port),
        "D8_RPP_ENDPOINT": f"oci-layout:{ready.layouts}",
    }

    def typed(*words: str) -> Completed:
        return command.ended([*mounts, PROGRAM, *words], home=str(home), env=env)

    ready.cluster.module("stronghold", "v1.3.0", enabled=False)
    assert notes(typed("install", "tool")) == [f"{UNCHECKED}no cluster is configured"]
    assert "account of this pod" in typed("check").err
    assert typed("config", "set", "cluster_checks", "always").code == 0
    done = typed("check")
    assert (done.code, OFF in done.err) == (65, True)
    assert typed("facts").code == 0

"""Several clusters, several commands at once, and a command that is interrupted."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import command
from tests.cluster import faults
from tests.cluster.cluster import write_kubeconfig
from tests.cluster.processes import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse

SOON = 30


@pytest.fixture
def ready(deckhouse: Deckhouse) -> Deckhouse:
    deckhouse.publish("alpha", "v1.0.0")
    deckhouse.announce()
    return deckhouse


def two_contexts(ready: Deckhouse, other_server: str, tokens: tuple[str, str]) -> dict[str, object]:
    """Return a kubeconfig with the contexts one and two, each of a cluster and a user of its own."""
    clusters = (ready.cluster.cluster_entry(), ready.cluster.cluster_entry(server=other_server))
    names = ("one", "two")
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": name, "cluster": entry} for name, entry in zip(names, clusters, strict=True)],
        "users": [{"name": name, "user": {"token": token}} for name, token in zip(names, tokens, strict=True)],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
    }


def test_each_cluster_has_its_endpoint_and_gets_its_own_token_only(ready: Deckhouse, tmp_path: Path) -> None:
    """What was found in one cluster is not used for the other, nor is one's token sent to the other's proxy."""
    person = ready.person(tmp_path / "home")
    other = ready.cluster.service_account("other")
    person.secrets.append(other)
    second = ready.another_front()
    with faults.relay(ready.cluster.port) as relay:
        document = two_contexts(ready, f"https://127.0.0.1:{relay.port}", (person.token, other))
        write_kubeconfig(person.kubeconfig, document)
        person.ok("--context", "one", "install", "alpha")  # nothing is kept before there is a home
        before = len(ready.front.asked)
        ready.announce(endpoints=[second.address])
        person.ok("--context", "two", "versions", "alpha")
        person.ok("--context", "one", "versions", "alpha")
    assert {asked.user for asked in second.asked} == {"system:serviceaccount:people:other"}
    assert {asked.user for asked in ready.front.asked[before:]} == {f"system:serviceaccount:people:{person.account}"}


def test_another_user_of_the_same_cluster_finds_it_for_himself(ready: Deckhouse, tmp_path: Path) -> None:
    person = ready.person(tmp_path / "home")
    nobody = ready.cluster.service_account("nobody", [])
    person.secrets.append(nobody)
    write_kubeconfig(person.kubeconfig, two_contexts(ready, ready.cluster.server, (person.token, nobody)))
    person.ok("--context", "one", "versions", "alpha")
    said = person.fails(77, "--context", "two", "versions", "alpha").err
    assert "system:serviceaccount:people:nobody may not get configmaps" in said


def test_commands_at_once(ready: Deckhouse, tmp_path: Path) -> None:
    """They share caches and a profile; each does its work, and the last word is whole."""
    person = ready.person(tmp_path / "home")
    names = ("alpha", "second", "third", "fourth")
    for name in names[1:]:
        ready.publish(name, "v1.0.0")
    started = [command.start("install", name, home=str(person.home)) for name in names]
    for process in started:
        out, err = process.communicate(timeout=command.TIMEOUT)
        assert process.returncode == 0, out + err
        assert person.token not in out + err
    assert person.has() == dict.fromkeys(names, "v1.0.0")


@pytest.mark.parametrize("behaviour", ["hang", "drip"])
def test_ctrl_c_while_the_api_server_says_nothing(ready: Deckhouse, tmp_path: Path, behaviour: str) -> None:
    with faults.relay(ready.cluster.port, behaviour) as relay:
        person = ready.person(tmp_path / "home", server=f"https://127.0.0.1:{relay.port}")
        before = person.state()
        with command.start("install", "alpha", home=str(person.home)) as process:
            until("the API server is asked", lambda: relay.connections > 0)
            process.send_signal(signal.SIGINT)
            try:
                out, err = process.communicate(timeout=SOON)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert process.returncode in (130, -signal.SIGINT), out + err
        assert "Traceback" not in err
        assert person.state() == before

"""Each row of the Go tool's troubleshooting (rpp.md §4.4), and what stands behind it in a real cluster: the message
names what is wrong, and the hint is what to do about it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.cluster import faults
from tests.cluster.cluster import write_kubeconfig
from tests.cluster.connect_proxy import connect_proxy
from tests.cluster.deckhouse import PUBLIC_HOST
from tests.cluster.rights import CLI_DOWNLOAD, READ_CONFIG_MAP, READ_INGRESS, USUAL
from tests.command import error_messages
from tests.registry.clients import closed_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse
    from tests.cluster.person import Operator

NO_CONFIG_MAP = tuple(right for right in USUAL if right is not READ_CONFIG_MAP)


@pytest.fixture
def ready(deckhouse: Deckhouse) -> Deckhouse:
    deckhouse.publish("alpha", "v1.0.0")
    deckhouse.announce()
    return deckhouse


@pytest.fixture
def person(ready: Deckhouse, tmp_path: Path) -> Operator:
    return ready.person(tmp_path / "home")


def hinted(said: str) -> str:
    """Return the hint of an error, and check that there is one error, one hint, and nothing to fill in."""
    assert len(error_messages(said)) == 1, said
    _, found, hint = said.partition("hint: ")
    assert found, said
    assert not re.search(r"<[a-z]", hint), hint
    return hint


# -- 401: who are you


def test_401_an_unknown_token(person: Operator, ready: Deckhouse) -> None:
    """The API server does not know the token either: the first question is refused."""
    ready.cluster.kubeconfig_for(person.kubeconfig, token="unknown-token")
    person.secrets.append("unknown-token")
    said = person.fails(77, "install", "alpha").err
    assert "(status 401)" in said
    assert "log in to the cluster again" in hinted(said)


def test_401_of_the_front_alone(person: Operator, ready: Deckhouse, tmp_path: Path) -> None:
    """The front cannot reach its API server: kube-rbac-proxy answers 401 then, and the hint says that too."""
    with faults.relay(ready.cluster.port) as between:
        front = ready.another_front(api=f"https://127.0.0.1:{between.port}")
        ready.announce(endpoints=[front.address])
        person.ok("versions", "alpha")
        between.behaviour = "drop"
        between.end_connections()
        said = person.fails(77, "install", "alpha").err
    assert "(status 401)" in said
    assert "API server" in hinted(said)


def test_401_at_an_endpoint_that_is_typed(person: Operator, ready: Deckhouse, tmp_path: Path) -> None:
    """An explicit endpoint gets the kubeconfig's token, as the Go tool gives it."""
    ca = tmp_path / "ca.pem"
    ca.write_text(ready.front.ca_pem)
    there = ("--endpoint", ready.front.url, "--ca-file", str(ca))
    person.ok(*there, "versions", "alpha")
    ready.cluster.kubeconfig_for(person.kubeconfig, token="unknown-token")
    said = person.fails(77, *there, "versions", "alpha").err
    assert "(status 401)" in said
    hinted(said)


# -- 403: you may not


def test_403_of_the_front(person: Operator, ready: Deckhouse) -> None:
    ready.cluster.take_away(person.account, CLI_DOWNLOAD)
    said = person.fails(77, "install", "alpha").err
    assert "status 403)" in said
    hint = hinted(said)
    assert "d8:registry-packages-proxy:cli-download" in hint
    assert "30 s" in hint
    assert "packages-download" not in hint  # the role that the Go tool names, which grants nothing here


def test_the_hints_command_grants_the_right(person: Operator, ready: Deckhouse, tmp_path: Path) -> None:
    """What the hint says an administrator types is typed here, as it stands."""
    ready.cluster.take_away(person.account, CLI_DOWNLOAD)
    typed = commands_of(hinted(person.fails(77, "install", "alpha").err))
    ready.as_administrator(typed, tmp_path)
    person.ok("install", "alpha")


# -- 404: there is no such version


def test_404_no_such_plugin(person: Operator) -> None:
    said = person.fails(69, "install", "nothing").err
    assert "nothing" in said
    hinted(said)


def test_404_no_such_version(person: Operator) -> None:
    said = person.fails(69, "install", "alpha==v9.0.0").err
    assert "9.0.0" in said
    assert "d8-installer versions alpha" in hinted(said)


# -- 5xx: the proxy is broken


def test_502_the_proxy_behind_the_front_is_down(person: Operator, ready: Deckhouse) -> None:
    front = ready.another_front(upstream=f"http://127.0.0.1:{closed_port()}")
    ready.announce(endpoints=[front.address])
    said = person.fails(75, "install", "alpha", D8_PATIENCE="2").err
    assert "(status 502)" in said
    assert "app=registry-packages-proxy" in hinted(said)


# -- discovery


def test_no_right_to_find_the_proxy(ready: Deckhouse, tmp_path: Path) -> None:
    person = ready.person(tmp_path / "home", NO_CONFIG_MAP)
    said = person.fails(77, "install", "alpha").err
    assert "registry-packages-proxy" in said
    assert "kubectl" in hinted(said)
    typed = commands_of(hinted(said))
    ready.as_administrator(typed, tmp_path)
    ready.cluster.ingress(PUBLIC_HOST)
    front = ready.public_front()
    (tmp_path / "ca.pem").write_text(front.ca_pem)
    with connect_proxy({PUBLIC_HOST: front.port}) as way:
        person.ok("install", "alpha", **way.variables, SSL_CERT_FILE=str(tmp_path / "ca.pem"))


def test_there_is_nothing_to_find(ready: Deckhouse, tmp_path: Path) -> None:
    ready.cluster.delete("ConfigMap", "registry-packages-proxy-config", "d8-cloud-instance-manager")
    person = ready.person(tmp_path / "home", [*USUAL, READ_INGRESS])
    said = person.run("install", "alpha")
    assert said.code in (69, 77, 78), said
    assert "--endpoint" in hinted(said.err)


def test_no_candidates_certificate_verifies(person: Operator, ready: Deckhouse) -> None:
    """Each candidate is named with its reason (rpp.md §18.6), and no token was sent to any."""
    other = ready.another_front(names=("other.example",))
    closed = f"127.0.0.1:{closed_port()}"
    ready.announce(endpoints=[other.address, closed])
    said = person.fails(69, "install", "alpha").err
    assert other.address in said
    assert closed in said
    hinted(said)
    assert other.asked == []


def test_the_api_server_is_down(ready: Deckhouse, tmp_path: Path) -> None:
    person = ready.person(tmp_path / "home", server=f"https://127.0.0.1:{closed_port()}")
    said = person.fails(69, "install", "alpha").err
    assert "127.0.0.1" in said
    assert "server" in hinted(said)


def test_the_api_servers_certificate_is_not_trusted(ready: Deckhouse, tmp_path: Path) -> None:
    person = ready.person(tmp_path / "home", certificate_authority_data=None)
    said = person.fails(69, "install", "alpha").err
    assert "certificate" in said
    hinted(said)


def test_the_context_does_not_exist(person: Operator) -> None:
    said = person.fails(78, "--context", "nowhere", "install", "alpha").err
    assert "nowhere" in said
    assert "test" in hinted(said)  # the context that there is


def test_no_kubeconfig_at_all(ready: Deckhouse, tmp_path: Path) -> None:
    person = ready.person(tmp_path / "home")
    person.kubeconfig.unlink()
    person.allowed.clear()
    said = person.fails(78, "install", "alpha").err
    assert "endpoint" in said
    hinted(said)
    elsewhere = {"KUBECONFIG": str(tmp_path / "nowhere")}
    assert "KUBECONFIG names no file that exists" in person.fails(78, "install", "alpha", **elsewhere).err
    write_kubeconfig(tmp_path / "nowhere", {"contexts": []})
    assert "no current-context in" in person.fails(78, "install", "alpha", **elsewhere).err


def commands_of(hint: str) -> list[list[str]]:
    """Return the kubectl commands of a hint, each as its words."""
    found = re.findall(r"kubectl (?:create|auth|apply|patch)[^`;]*", hint)
    made = [command.split() for command in found if "can-i" not in command]
    assert made, hint
    return made

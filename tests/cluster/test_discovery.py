"""The endpoint is found through the kubeconfig: in every way, with every right missing, kept, renewed, and bounded."""

from __future__ import annotations

import json
import re
import shlex
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.cluster import faults
from tests.cluster.cluster import PEOPLE
from tests.cluster.connect_proxy import connect_proxy
from tests.cluster.deckhouse import PUBLIC_HOST
from tests.cluster.rights import CLI_DOWNLOAD, LIST_PODS, READ_CONFIG_MAP, READ_HTTP_ROUTE, READ_INGRESS
from tests.registry.clients import closed_port
from tests.registry.servers import Answer, Received, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse
    from tests.cluster.person import Operator

DISCOVERY = (READ_CONFIG_MAP, READ_INGRESS, READ_HTTP_ROUTE, LIST_PODS)
EXPLICIT = "--endpoint https://registry-packages-proxy.example.com"


@pytest.fixture
def person(deckhouse: Deckhouse, tmp_path: Path) -> Operator:
    """Somebody with every right, in a cluster that has the image alpha and names no proxy."""
    deckhouse.publish("alpha", "v1.0.0")
    return deckhouse.person(tmp_path / "home", [CLI_DOWNLOAD, *DISCOVERY])


@pytest.fixture
def ca_file(deckhouse: Deckhouse, tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The CA of the public front, and the variables of somebody who reaches it by its host name."""
    front = deckhouse.public_front()
    file = tmp_path / "public-ca.pem"
    file.write_text(front.ca_pem)
    with connect_proxy({PUBLIC_HOST: front.port}) as way:
        yield str(file), way.variables | {"D8_RPP_CA_FILE": str(file)}


def endpoint_of(person: Operator, **env: str) -> str:
    """Return the line of ``-v`` that says which endpoint is used, after the versions of alpha were listed."""
    done = person.ok("-v", "versions", "alpha", **env)
    assert "v1.0.0" in done.out
    (line,) = (line for line in done.err.splitlines() if line.startswith("endpoint "))
    return line


def kept(person: Operator) -> list[dict[str, Any]]:
    """Return what the home keeps of endpoints."""
    directory = person.data / "endpoints"
    files = sorted(directory.iterdir()) if directory.exists() else []
    return [json.loads(file.read_text())["content"] for file in files]


# -- each way --------------------------------------------------------------------------------------------------


def test_install_needs_no_flag(deckhouse: Deckhouse, person: Operator) -> None:
    deckhouse.announce()
    person.ok("install", "alpha")
    assert person.says("alpha").startswith("alpha v1.0.0 ")
    assert deckhouse.front.asked[-1].user == f"system:serviceaccount:{PEOPLE}:{person.account}"


def test_by_the_config_map(deckhouse: Deckhouse, person: Operator) -> None:
    deckhouse.announce()
    deckhouse.cluster.ingress("another.example")
    assert endpoint_of(person) == f"endpoint {deckhouse.front.url}, named by the ConfigMap in d8-cloud-instance-manager"


def test_by_the_public_endpoint_of_the_config_map(
    deckhouse: Deckhouse, person: Operator, ca_file: tuple[str, dict[str, str]]
) -> None:
    dead = f"127.0.0.1:{closed_port()}"
    deckhouse.announce(endpoints=[dead], public=f"https://{PUBLIC_HOST}")
    done = person.ok("-v", "versions", "alpha", **ca_file[1])
    assert f"https://{dead} (ConfigMap): cannot connect to {dead}: " in done.err
    assert f"endpoint https://{PUBLIC_HOST}, named by the ConfigMap" in done.err


def test_by_the_ingress(deckhouse: Deckhouse, person: Operator, ca_file: tuple[str, dict[str, str]]) -> None:
    deckhouse.cluster.ingress(PUBLIC_HOST)
    assert endpoint_of(person, **ca_file[1]).startswith(f"endpoint https://{PUBLIC_HOST}, named by the Ingress")


def test_by_the_route(deckhouse: Deckhouse, person: Operator, ca_file: tuple[str, dict[str, str]]) -> None:
    deckhouse.cluster.http_route(PUBLIC_HOST, "another.example")
    assert endpoint_of(person, **ca_file[1]).startswith(f"endpoint https://{PUBLIC_HOST}, named by the HTTPRoute")


def test_by_the_proxy_of_the_kubeconfig(deckhouse: Deckhouse, person: Operator, tmp_path: Path) -> None:
    """``proxy-url`` counts for the API and for the proxy, as in the Go client (rpp.md §4.2)."""
    front, api = deckhouse.public_front(), deckhouse.cluster.port
    (tmp_path / "ca.pem").write_text(front.ca_pem)
    deckhouse.cluster.ingress(PUBLIC_HOST)
    with connect_proxy({f"127.0.0.1:{api}": api, PUBLIC_HOST: front.port}) as way:
        deckhouse.cluster.kubeconfig_for(person.kubeconfig, token=person.token, proxy_url=way.url)
        person.ok("--ca-file", str(tmp_path / "ca.pem"), "versions", "alpha")
        assert set(way.asked) == {f"127.0.0.1:{api}", f"{PUBLIC_HOST}:443"}


def test_by_ready_pods_only_without_verification(deckhouse: Deckhouse, person: Operator) -> None:
    front = deckhouse.another_front(authority=trustme.CA(), names=("node",), listen="127.0.0.2:4219")
    deckhouse.cluster.pod("127.0.0.3", ready=False)
    deckhouse.cluster.pod("127.0.0.2")
    done = person.fails(69, "versions", "alpha")
    assert "https://127.0.0.2:4219 (Pod): the certificate of 127.0.0.2:4219 is not trusted" in done.err
    assert "d8:registry-packages-proxy:cli-download" in done.err
    assert front.asked == []
    done = person.ok("-v", "--insecure-skip-tls-verify", "versions", "alpha")
    assert "endpoint https://127.0.0.2:4219, named by a pod of registry-packages-proxy" in done.err


# -- errors that go on, and errors that end it -----------------------------------------------------------------


@pytest.mark.parametrize("right", [READ_CONFIG_MAP, READ_HTTP_ROUTE], ids=lambda right: right.name)
def test_a_right_that_is_not_needed(
    deckhouse: Deckhouse, person: Operator, ca_file: tuple[str, dict[str, str]], right: Any
) -> None:
    deckhouse.cluster.take_away(person.account, right)
    deckhouse.cluster.ingress(PUBLIC_HOST)
    assert "named by the Ingress" in endpoint_of(person, **ca_file[1])


@pytest.mark.parametrize(
    ("right", "named"),
    [
        (READ_INGRESS, "get ingresses.networking.k8s.io/registry-packages-proxy in d8-cloud-instance-manager"),
        (LIST_PODS, "list pods in d8-cloud-instance-manager"),
    ],
    ids=["ingress", "pods"],
)
def test_a_missing_right_is_named_and_its_hint_can_be_pasted(
    deckhouse: Deckhouse, person: Operator, right: Any, named: str, tmp_path: Path
) -> None:
    cluster = deckhouse.cluster
    cluster.take_away(person.account, right)
    done = person.fails(77, "-v", "versions", "alpha")
    assert "ConfigMap d8-cloud-instance-manager/registry-packages-proxy-config: not there\n" in done.err
    assert f"system:serviceaccount:{PEOPLE}:{person.account} may not {named}" in done.err
    assert EXPLICIT in done.err
    grant_by_hint(deckhouse, done.err, tmp_path)
    assert person.fails(69, "versions", "alpha").err.count("names no registry-packages-proxy") == 1


def grant_by_hint(deckhouse: Deckhouse, said: str, directory: Path) -> None:
    """Type the commands of a hint as the administrator does."""
    typed = [words for words in map(shlex.split, re.split("[`;]", said)) if words[:2] == ["kubectl", "create"]]
    assert typed, said
    deckhouse.as_administrator(typed, directory)


def test_without_the_right_to_download_the_hint_grants_it(
    deckhouse: Deckhouse, person: Operator, tmp_path: Path
) -> None:
    deckhouse.announce()
    deckhouse.cluster.take_away(person.account, CLI_DOWNLOAD)
    done = person.fails(77, "install", "alpha")
    assert f"download images (user system:serviceaccount:{PEOPLE}:{person.account}, status 403)" in done.err
    assert "the proxy remembers a refusal for 30 s" in done.err
    assert not person.bin.exists()
    grant_by_hint(deckhouse, done.err, tmp_path)
    person.ok("install", "alpha")


def test_a_cluster_that_names_no_proxy(person: Operator) -> None:
    done = person.fails(69, "versions", "alpha")
    for words in ("ConfigMap", "Ingress", "HTTPRoute", "pods app=registry-packages-proxy"):
        assert words in done.err
    assert EXPLICIT in done.err


def test_a_config_map_that_is_malformed(deckhouse: Deckhouse, person: Operator) -> None:
    deckhouse.announce(endpoints="127.0.0.1:4219")
    done = person.fails(65, "versions", "alpha")
    assert "ConfigMap d8-cloud-instance-manager/registry-packages-proxy-config" in done.err
    assert "data.endpoints" in done.err


# -- which candidate -------------------------------------------------------------------------------------------


def test_a_candidate_that_hangs_is_left_after_three_seconds(deckhouse: Deckhouse, person: Operator) -> None:
    with faults.relay(deckhouse.front.port, "hang") as silent, faults.relay(deckhouse.front.port, "drip") as slow:
        places = [f"127.0.0.1:{silent.port}", f"127.0.0.1:{slow.port}", deckhouse.front.address]
        deckhouse.announce(endpoints=places)
        begun = time.monotonic()
        assert endpoint_of(person).startswith(f"endpoint {deckhouse.front.url}, ")
        assert time.monotonic() - begun < 10
        assert (silent.connections, slow.connections) == (1, 1)


def test_the_first_in_order_counts_not_the_first_that_answers(deckhouse: Deckhouse, person: Operator) -> None:
    second = deckhouse.another_front()
    deckhouse.announce(endpoints=[deckhouse.front.address, second.address])
    assert endpoint_of(person).startswith(f"endpoint {deckhouse.front.url}, ")
    assert second.asked == []


def test_nobody_gets_a_token_before_the_certificate_verifies(deckhouse: Deckhouse, person: Operator) -> None:
    stranger = deckhouse.another_front(authority=trustme.CA())
    other_name = deckhouse.another_front(names=("node",))
    closed = f"127.0.0.1:{closed_port()}"
    deckhouse.announce(endpoints=[stranger.address, other_name.address, closed])
    done = person.fails(69, "versions", "alpha")
    for place in (stranger.address, other_name.address, closed):
        assert f"https://{place} (ConfigMap): " in done.err
    assert (stranger.asked, other_name.asked) == ([], [])
    assert kept(person) == []


def test_a_published_ca_that_is_none_is_a_reason(deckhouse: Deckhouse, person: Operator) -> None:
    deckhouse.announce(ca="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")
    done = person.fails(69, "versions", "alpha")
    assert "(ConfigMap): as published by the cluster, the CA certificate cannot be read" in done.err
    assert f"name the endpoint with {EXPLICIT}" in done.err


def test_a_ca_file_counts_beside_the_published_ca(deckhouse: Deckhouse, person: Operator, tmp_path: Path) -> None:
    """The hint for a certificate that the published CA did not issue can be followed."""
    deckhouse.announce(ca=trustme.CA().cert_pem.bytes().decode())
    assert "--ca-file FILE" in person.fails(69, "versions", "alpha").err
    ca = tmp_path / "ca.pem"
    ca.write_text(deckhouse.front.ca_pem)
    person.ok("--ca-file", str(ca), "install", "alpha")
    ca.write_text("nothing")
    assert str(ca) in person.fails(78, "--ca-file", str(ca), "versions", "alpha").err


def test_a_ca_file_that_is_none_is_the_persons_own_fault(deckhouse: Deckhouse, person: Operator) -> None:
    deckhouse.cluster.ingress("rpp.example")
    done = person.fails(78, "--ca-file", str(person.kubeconfig), "versions", "alpha")
    assert "no certificates can be read from" in done.err


def test_insecure_replaces_the_published_ca(deckhouse: Deckhouse, person: Operator) -> None:
    stranger = deckhouse.another_front(authority=trustme.CA())
    deckhouse.announce(endpoints=[stranger.address])
    done = person.ok("-v", "--insecure-skip-tls-verify", "versions", "alpha")
    assert f"https://{stranger.address} (ConfigMap): not verified" in done.err


def test_what_an_unverified_api_server_named_is_not_kept_for_who_verifies(
    deckhouse: Deckhouse, person: Operator
) -> None:
    """Else whoever stands before the API server could name an endpoint and its CA, and get the next command's token."""
    deckhouse.announce()
    deckhouse.cluster.kubeconfig_for(person.kubeconfig, token=person.token, certificate_authority_data=None)
    person.ok("--insecure-skip-tls-verify", "install", "alpha")
    assert kept(person)
    before = deckhouse.front.asked
    assert "is not trusted" in person.fails(69, "versions", "alpha").err
    assert deckhouse.front.asked == before


def test_the_ca_of_the_kubeconfig_is_not_trusted_for_the_proxy(deckhouse: Deckhouse, person: Operator) -> None:
    front = deckhouse.another_front(authority=deckhouse.cluster.authority, names=(PUBLIC_HOST,))
    deckhouse.cluster.ingress(PUBLIC_HOST)
    with connect_proxy({PUBLIC_HOST: front.port}) as way:
        done = person.fails(69, "versions", "alpha", **way.variables)
    assert f"the certificate of {PUBLIC_HOST}:443" in done.err
    assert "is not trusted" in done.err
    assert front.asked == []


def test_an_ipv6_pod(deckhouse: Deckhouse, person: Operator) -> None:
    """The API server takes an IPv6 address for a pod; nothing listens there, so the message shows what was tried."""
    deckhouse.cluster.pod("fd00::7")
    done = person.fails(69, "versions", "alpha", D8_PATIENCE="1")
    assert "https://[fd00::7]:4219 (Pod): cannot connect to [fd00::7]:4219" in done.err


def test_an_endpoint_at_an_ipv6_address(deckhouse: Deckhouse, person: Operator) -> None:
    front = deckhouse.another_front(names=("::1",))
    with faults.relay(front.port, host="::1") as six:
        deckhouse.announce(endpoints=[f"::1:{six.port}"])
        assert endpoint_of(person).startswith(f"endpoint https://[::1]:{six.port}, named by the ConfigMap")


def test_a_redirect_is_refused_and_gets_no_token(deckhouse: Deckhouse, person: Operator) -> None:
    with serving(lambda _: Answer()) as elsewhere:
        away = Answer(302, headers={"Location": f"{elsewhere.url}/x"})
        with faults.lying_front(deckhouse.front, lambda _: away) as front:
            deckhouse.announce(endpoints=[front.host])
            done = person.fails(69, "versions", "alpha")
    assert "it redirects (status 302)" in done.err
    assert elsewhere.received == []


# -- named by the person ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["flag", "variable", "setting"])
def test_an_endpoint_that_is_named_asks_no_cluster(deckhouse: Deckhouse, person: Operator, way: str) -> None:
    deckhouse.cluster.kubeconfig_for(person.kubeconfig, token=person.token, server=f"https://127.0.0.1:{closed_port()}")
    layouts = f"oci-layout:{deckhouse.layouts}"
    if way == "setting":
        person.ok("config", "set", "endpoint", layouts)
    words = ("--endpoint", layouts) if way == "flag" else ()
    person.ok(*words, "versions", "alpha", **({"D8_RPP_ENDPOINT": layouts} if way == "variable" else {}))


def test_a_found_endpoint_gets_only_the_identity_of_its_cluster(deckhouse: Deckhouse, person: Operator) -> None:
    """A token for another proxy stays here: neither D8_RPP_TOKEN nor the setting ``token_file`` is sent."""
    deckhouse.announce()
    file = person.home / "token"
    file.write_text("of-another-proxy")
    person.allowed.add(file)
    person.secrets.append("of-another-proxy")
    person.ok("config", "set", "token_file", str(file))
    person.ok(
        "versions", "alpha", D8_RPP_TOKEN="of-another-proxy", D8_RPP_CLIENT_CERT="/nonexistent/of-another-proxy.pem"
    )
    assert deckhouse.front.asked[-1].user == f"system:serviceaccount:{PEOPLE}:{person.account}"


# -- kept for an hour ------------------------------------------------------------------------------------------


def test_a_kept_endpoint_needs_no_api_server(deckhouse: Deckhouse, person: Operator) -> None:
    deckhouse.announce()
    with faults.relay(deckhouse.cluster.port) as api:
        deckhouse.cluster.kubeconfig_for(person.kubeconfig, token=person.token, server=f"https://127.0.0.1:{api.port}")
        person.ok("install", "alpha")
        (found,) = kept(person)
        assert found["url"] == deckhouse.front.url
        (file,) = (person.data / "endpoints").iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        api.behaviour, before = "drop", api.connections
        done = person.ok("-v", "versions", "alpha")
        assert "; kept from an earlier command" in done.err
        person.ok("upgrade", "alpha")
        assert api.connections == before


def test_a_kept_endpoint_that_died_is_looked_for_again(deckhouse: Deckhouse, person: Operator) -> None:
    with faults.relay(deckhouse.front.port) as first:
        deckhouse.announce(endpoints=[f"127.0.0.1:{first.port}"])
        person.ok("install", "alpha")
    deckhouse.announce()
    begun = time.monotonic()
    done = person.ok("-v", "versions", "alpha")
    assert "the kept endpoint failed, so the cluster is asked again" in done.err
    assert time.monotonic() - begun < 5, "a dead endpoint is not tried four times first"
    assert [one["url"] for one in kept(person)] == [deckhouse.front.url]
    assert "kept from an earlier command" in person.ok("-v", "versions", "alpha").err


def test_a_kept_endpoint_whose_ca_changed_is_looked_for_again(deckhouse: Deckhouse, person: Operator) -> None:
    deckhouse.announce()
    person.ok("install", "alpha")
    second = deckhouse.another_front(authority=trustme.CA())
    (file,) = (person.data / "endpoints").iterdir()
    before = file.read_bytes()
    deckhouse.announce(endpoints=[second.address], ca=second.ca_pem)
    file.unlink()
    person.ok("versions", "alpha")
    (ours,) = kept(person)
    assert ours["url"] == second.url
    file.write_bytes(before.replace(deckhouse.front.address.encode(), second.address.encode()))
    assert "v1.0.0" in person.ok("versions", "alpha").out  # a file that was changed counts as none


def test_two_clusters_do_not_share_an_endpoint(deckhouse: Deckhouse, person: Operator, tmp_path: Path) -> None:
    deckhouse.announce()
    person.ok("install", "alpha")
    with faults.relay(deckhouse.cluster.port) as other:
        file = deckhouse.cluster.kubeconfig_for(
            tmp_path / "other", token=person.token, server=f"https://127.0.0.1:{other.port}"
        )
        assert "kept from" not in person.ok("-v", "--kubeconfig", str(file), "versions", "alpha").err
        assert other.connections
    assert len(kept(person)) == 2


@pytest.mark.parametrize(
    "words",
    [("sync", "--frozen"), ("sync",), ("list",), ("verify",), ("uninstall", "alpha")],
)
def test_what_needs_no_source_asks_no_cluster(deckhouse: Deckhouse, person: Operator, words: tuple[str, ...]) -> None:
    deckhouse.announce()
    person.ok("install", "alpha")
    with faults.relay(deckhouse.cluster.port, "drop") as api:
        deckhouse.cluster.kubeconfig_for(person.kubeconfig, token=person.token, server=f"https://127.0.0.1:{api.port}")
        (person.user / "stamp.json").unlink(missing_ok=True)
        person.ok(*words)
        assert api.connections == 0


def test_offline_a_kept_endpoint_is_not_asked(deckhouse: Deckhouse, person: Operator) -> None:
    deckhouse.announce()
    done = person.fails(69, "--offline", "versions", "alpha")
    assert "this run is offline" in done.err
    person.ok("install", "alpha")
    person.ok("--offline", "install", "alpha")
    done = person.fails(69, "--offline", "versions", "alpha")
    assert f"{deckhouse.front.address} was not asked: this run is offline" in done.err
    assert len(kept(person)) == 1


def test_the_answer_of_the_api_is_bounded(deckhouse: Deckhouse, person: Operator) -> None:
    def bare(received: Received) -> Answer | None:
        many = Answer.json({"data": {"endpoints": json.dumps([f"127.0.0.1:{port}" for port in range(1, 5000)])}})
        return many if "configmaps" in received.path else None

    with faults.lying(deckhouse.cluster, bare) as liar:
        deckhouse.cluster.kubeconfig_for(person.kubeconfig, token=person.token, server=liar.url)
        done = person.fails(69, "versions", "alpha")
        assert done.err.count("(ConfigMap)") == 16

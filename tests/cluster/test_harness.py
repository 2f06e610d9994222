"""The cluster of the tests is a real one: it decides who may do what, and what a test makes is gone afterwards."""

from __future__ import annotations

import json
import socket
import ssl
import time
from typing import TYPE_CHECKING

import pytest

from tests import command
from tests.cluster import faults
from tests.cluster.asking import TAGS, get
from tests.cluster.cluster import PEOPLE
from tests.cluster.connect_proxy import connect_proxy
from tests.cluster.deckhouse import PUBLIC_HOST
from tests.cluster.rights import READ_CONFIG_MAP
from tests.registry.servers import Answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.deckhouse import Deckhouse

CONFIG_MAP = "/api/v1/namespaces/d8-cloud-instance-manager/configmaps/registry-packages-proxy-config"
MODULES = "/apis/deckhouse.io/v1alpha1/modules"


def test_an_account_may_do_what_it_was_given(cluster: Cluster) -> None:
    cluster.config_map(["127.0.0.1:1"])
    token = cluster.service_account("reader", [READ_CONFIG_MAP])
    assert get(cluster.server + CONFIG_MAP, cluster.ca_pem, token)[0] == 200
    assert get(cluster.server + MODULES, cluster.ca_pem, token)[0] == 403
    cluster.take_away("reader", READ_CONFIG_MAP)
    assert get(cluster.server + CONFIG_MAP, cluster.ca_pem, token)[0] == 403
    assert get(cluster.server + CONFIG_MAP, cluster.ca_pem, "junk")[0] == 401


def test_a_test_begins_with_an_empty_cluster(cluster: Cluster) -> None:
    cluster.pod("10.0.0.1")
    cluster.pod("10.0.0.2", ready=False)
    cluster.ingress("a.example")
    cluster.http_route("b.example")
    cluster.module("stronghold", "v1.3.0")
    cluster.deckhouse("v1.77.0")
    pods = cluster.admin.call("GET", "/api/v1/namespaces/d8-cloud-instance-manager/pods")["items"]
    assert sorted(pod["status"]["podIP"] for pod in pods) == ["10.0.0.1", "10.0.0.2"]
    cluster.reset()
    for path in (
        MODULES,
        "/api/v1/namespaces/d8-cloud-instance-manager/pods",
        "/apis/apps/v1/namespaces/d8-system/deployments",
    ):
        assert cluster.admin.call("GET", path)["items"] == []
    assert not cluster.admin.serves("/apis/gateway.networking.k8s.io/v1")
    cluster.http_route("c.example")


def test_a_token_ends_when_a_test_wants_it(cluster: Cluster) -> None:
    cluster.service_account("short", [READ_CONFIG_MAP])
    cluster.config_map([])
    assert get(cluster.server + CONFIG_MAP, cluster.ca_pem, cluster.token_until("short", time.time() + 600))[0] == 200
    assert get(cluster.server + CONFIG_MAP, cluster.ca_pem, cluster.token_until("short", time.time() - 90))[0] == 401


def test_kubectl_reads_the_kubeconfigs(cluster: Cluster, tmp_path: Path) -> None:
    person = cluster.client_certificate("anna", "system:masters")
    for path in (
        cluster.kubeconfig_for(tmp_path / "token", token=cluster.service_account()),
        cluster.kubeconfig_for(tmp_path / "certificate", certificate=person),
    ):
        who = command.ended(
            [cluster.tools.kubectl, "auth", "whoami", "-o", "json", f"--kubeconfig={path}"], home=str(tmp_path)
        )
        assert who.code == 0, who
        name = json.loads(who.out)["status"]["userInfo"]["username"]
        assert name == "anna" or name.startswith(f"system:serviceaccount:{PEOPLE}:")


def test_only_the_proxy_knows_the_public_host(deckhouse: Deckhouse) -> None:
    front = deckhouse.public_front()
    with connect_proxy({PUBLIC_HOST: front.port}) as way:
        assert get(f"https://{PUBLIC_HOST}{TAGS}", front.ca_pem, proxy=way.url)[0] == 401
        with pytest.raises(OSError, match="502"):
            get("https://other.example/", front.ca_pem, proxy=way.url)
        assert way.asked == [f"{PUBLIC_HOST}:443", "other.example:443"]


@pytest.mark.parametrize(("behaviour", "cut"), [("hang", None), ("drop", None), ("drip", None), ("pass", 1000)])
def test_a_relay_breaks_connections(cluster: Cluster, behaviour: str, cut: int | None) -> None:
    context = ssl.create_default_context(cadata=cluster.ca_pem)
    with faults.relay(cluster.port) as relay:
        assert get(f"https://127.0.0.1:{relay.port}/version", cluster.ca_pem)[0] == 200
        relay.behaviour, relay.cut_after = behaviour, cut
        with socket.create_connection(("127.0.0.1", relay.port), timeout=0.5) as raw, pytest.raises(OSError):
            context.wrap_socket(raw, server_hostname="127.0.0.1")


def test_a_lying_api_server_tells_the_truth_elsewhere(cluster: Cluster) -> None:
    version = Answer.json({"gitVersion": "v1.20.0"})
    with faults.lying(cluster, faults.only("/api/version", lambda: version), prefix="/api") as liar:
        assert get(f"{liar.url}/version", cluster.ca_pem)[1] == '{"gitVersion": "v1.20.0"}'
        assert json.loads(get(f"{liar.url}/apis", cluster.ca_pem, cluster.admin.token)[1])["kind"] == "APIGroupList"
        assert get(f"{liar.url.removesuffix('/api')}/apis", cluster.ca_pem, cluster.admin.token)[0] == 404

"""The front before the proxy does what kube-rbac-proxy does (rpp.md §2.3, §3, §18.5)."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from tests.cluster import faults
from tests.cluster.asking import TAGS, get, get_as
from tests.cluster.cluster import PEOPLE
from tests.cluster.front import REAL_CACHE
from tests.cluster.rights import CLI_DOWNLOAD
from tests.registry.servers import Answer, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse


def test_the_front_asks_the_cluster(deckhouse: Deckhouse) -> None:
    cluster, front = deckhouse.cluster, deckhouse.front
    deckhouse.publish("alpha", "v1.0.0")
    token = cluster.service_account("who", [])
    assert get(front.url + TAGS, front.ca_pem) == (401, "Unauthorized\n")
    assert get(front.url + TAGS, front.ca_pem, "junk") == (401, "Unauthorized\n")
    refused = (
        f"Forbidden (user=system:serviceaccount:{PEOPLE}:who, verb=get, resource=deployments, subresource=cli-binary)\n"
    )
    assert get(front.url + TAGS, front.ca_pem, token) == (403, refused)
    cluster.grant("who", CLI_DOWNLOAD)
    assert get(front.url + TAGS, front.ca_pem, token)[1] == '{"name":"deckhouse-cli/plugins/alpha","tags":["v1.0.0"]}'
    assert get(front.url + TAGS, front.ca_pem, token, "HEAD")[0] == 403
    assert get(front.url + TAGS, front.ca_pem, token, "POST")[0] == 403
    assert [(asked.method, asked.status) for asked in front.asked][-5:] == [
        ("GET", 401),
        ("GET", 403),
        ("GET", 200),
        ("HEAD", 403),
        ("POST", 403),
    ]


def test_the_proxy_behind_sees_the_query_and_no_token(deckhouse: Deckhouse) -> None:
    token = deckhouse.cluster.service_account()
    with serving(lambda _: Answer(body=b"yes")) as behind:
        front = deckhouse.another_front(upstream=behind.url)
        assert get(f"{front.url}{TAGS}?platform=linux-amd64", front.ca_pem, token) == (200, "yes")
        (received,) = behind.received
    assert received.path == f"{TAGS}?platform=linux-amd64"
    assert "authorization" not in received.headers


def test_a_client_certificate_counts_where_it_is_asked_for(deckhouse: Deckhouse, tmp_path: Path) -> None:
    deckhouse.publish("alpha", "v1.0.0")
    certificate = deckhouse.cluster.client_certificate("anna")
    front = deckhouse.another_front(client_ca=True)
    assert get_as(front.url + TAGS, front.ca_pem, certificate, str(tmp_path))[0] == 403
    deckhouse.cluster.grant_user("anna", CLI_DOWNLOAD)
    assert get_as(front.url + TAGS, front.ca_pem, certificate, str(tmp_path))[0] == 200
    assert get_as(deckhouse.front.url + TAGS, front.ca_pem, certificate, str(tmp_path))[0] == 401


def test_decisions_are_kept_as_in_a_cluster(deckhouse: Deckhouse) -> None:
    """With its API server down, a token seen before is let in from the cache, and any other one is 401, not 5xx."""
    deckhouse.publish("alpha", "v1.0.0")
    cluster = deckhouse.cluster
    allowed, denied, unseen = (cluster.service_account(name, []) for name in ("allowed", "denied", "unseen"))
    for name in ("allowed", "unseen"):
        cluster.grant(name, CLI_DOWNLOAD)
    with faults.relay(cluster.port) as between:
        front = deckhouse.another_front(api=f"https://127.0.0.1:{between.port}", cache=REAL_CACHE)
        assert get(front.url + TAGS, front.ca_pem, allowed)[0] == 200
        assert get(front.url + TAGS, front.ca_pem, denied)[0] == 403
        cluster.take_away("allowed", CLI_DOWNLOAD)
        cluster.grant("denied", CLI_DOWNLOAD)
        between.behaviour = "drop"
        between.end_connections()
        assert get(front.url + TAGS, front.ca_pem, allowed)[0] == 200
        assert get(front.url + TAGS, front.ca_pem, denied)[0] == 403
        assert get(front.url + TAGS, front.ca_pem, unseen) == (401, "Unauthorized\n")


def test_it_offers_http_2(deckhouse: Deckhouse) -> None:
    front = deckhouse.front
    context = ssl.create_default_context(cadata=front.ca_pem)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", front.port)) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped,
    ):
        assert wrapped.selected_alpn_protocol() == "h2"

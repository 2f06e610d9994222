"""Discovery without a cluster: what each object may say, in which order they count, and what hostile answers do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from d8_installer.cluster.api import ApiNotAllowedError
from d8_installer.cluster.discovery import Discovered, discover
from d8_installer.errors import (
    ConfigError,
    D8Error,
    DocumentError,
    NotAllowedError,
    NotFoundError,
    TryAgainError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIG, INGRESS, ROUTE = "/configmaps/", "/ingresses/", "/httproutes/"
CA = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----"


def refusal(message: str, status: int = 403) -> ApiNotAllowedError:
    """Return what the API says to somebody who may not read an object."""
    error = ApiNotAllowedError(message)
    error.status = status
    return error


class Cluster:
    """Answers by kind of object; an error is raised, and what is not named is not there."""

    def __init__(self, pods: Sequence[object] | D8Error = (), **answers: object) -> None:
        self.answers = {CONFIG: answers.get("config"), INGRESS: answers.get("ingress"), ROUTE: answers.get("route")}
        self.pods = pods
        self.asked: list[str] = []

    def get(self, path: str) -> object:
        kind = next(kind for kind in self.answers if kind in path)
        return self._said(kind, self.answers[kind])

    def items(self, _path: str, _query: Sequence[tuple[str, str]]) -> list[object]:
        return list(self._said("pods", self.pods))  # type: ignore[call-overload, no-any-return]

    def _said(self, kind: str, answer: object) -> object:
        self.asked.append(kind.strip("/"))
        if isinstance(answer, D8Error):
            raise answer
        if answer is None:
            raise NotFoundError("not there")
        return answer


def config(endpoints: object = (), ca: str | None = None, public: str | None = None) -> dict[str, object]:
    text = endpoints if isinstance(endpoints, str) else json.dumps(endpoints)
    data = {"endpoints": text, "ca.crt": ca, "publicEndpoint": public}
    return {"data": {key: value for key, value in data.items() if value is not None}}


def ingress(*hosts: object) -> dict[str, object]:
    return {"spec": {"rules": [{"host": host} for host in hosts]}}


def route(*hosts: object) -> dict[str, object]:
    return {"spec": {"hostnames": list(hosts)}}


def pod(ip: object, *, ready: bool = True, phase: str = "Running", leaving: bool = False) -> dict[str, object]:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    metadata = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if leaving else {}
    return {"metadata": metadata, "status": {"phase": phase, "podIP": ip, "conditions": conditions}}


def named(found: Discovered) -> list[tuple[str, str]]:
    return [(one.url, one.named_by) for one in found.endpoints]


def test_the_config_map_comes_first_and_its_addresses_have_its_ca() -> None:
    cluster = Cluster(config=config(["10.0.0.1:4219", "", "10.0.0.2:4219"], CA, "https://rpp.example/"))
    found = discover(cluster)
    assert named(found) == [
        ("https://10.0.0.1:4219", "ConfigMap"),
        ("https://10.0.0.2:4219", "ConfigMap"),
        ("https://rpp.example", "ConfigMap"),
    ]
    assert [one.ca for one in found.endpoints] == [CA, CA, None]
    assert cluster.asked == ["configmaps"]


@pytest.mark.parametrize("answer", [None, refusal("403"), config([]), config("", CA), config("null"), {}])
def test_without_addresses_in_the_config_map_the_ingress_is_asked(answer: object) -> None:
    cluster = Cluster(config=answer, ingress=ingress("", "rpp.example:8443"))
    assert named(discover(cluster)) == [("https://rpp.example:8443", "Ingress")]
    assert cluster.asked == ["configmaps", "ingresses"]


@pytest.mark.parametrize("answer", [None, ingress(), ingress(""), {"spec": None}, {"spec": {"rules": "x"}}])
def test_without_a_host_of_the_ingress_the_route_is_asked(answer: object) -> None:
    assert named(discover(Cluster(ingress=answer, route=route("a.example", "b.example")))) == [
        ("https://a.example", "HTTPRoute")
    ]


@pytest.mark.parametrize("answer", [None, refusal("403"), route(), route(""), route("*.example"), route(7)])
def test_without_a_host_of_the_route_the_pods_are_asked(answer: object) -> None:
    pods = [pod("10.0.0.1", ready=False), pod("10.0.0.2", leaving=True), pod("10.0.0.3", phase="Pending"), pod("")]
    cluster = Cluster([*pods, "junk", pod(["10.0.0.9"]), pod("fd00::1"), pod("10.0.0.4")], route=answer)
    assert named(discover(cluster)) == [("https://[fd00::1]:4219", "Pod"), ("https://10.0.0.4:4219", "Pod")]
    assert cluster.asked == ["configmaps", "ingresses", "httproutes", "pods"]


@pytest.mark.parametrize("error", [UnreachableError("no route"), TryAgainError("503")])
@pytest.mark.parametrize("place", ["config", "ingress", "route", "pods"])
def test_an_api_that_fails_ends_the_search(place: str, error: D8Error) -> None:
    cluster = Cluster(error) if place == "pods" else Cluster(**{place: error})
    with pytest.raises(type(error), match=r"cannot (get|list) ") as failed:
        discover(cluster)
    assert failed.value.hint == "name the endpoint with --endpoint https://registry-packages-proxy.example.com"


@pytest.mark.parametrize(
    ("place", "right"),
    [
        ("ingress", "get ingresses.networking.k8s.io/registry-packages-proxy in d8-cloud-instance-manager"),
        ("pods", "list pods in d8-cloud-instance-manager"),
    ],
)
def test_a_missing_right_is_named_with_the_command_that_grants_it(place: str, right: str) -> None:
    error = refusal('403: x is forbidden: User "system:serviceaccount:ci:bot" cannot get resource')
    cluster = Cluster(error) if place == "pods" else Cluster(ingress=error)
    with pytest.raises(NotAllowedError) as refused:
        discover(cluster)
    assert refused.value.message.startswith(f"system:serviceaccount:ci:bot may not {right}")
    assert "`kubectl create role d8-installer-" in str(refused.value.hint)
    assert "--serviceaccount=ci:bot`" in str(refused.value.hint)
    assert "cli-download" not in str(refused.value.hint)


def test_without_the_right_to_the_config_map_both_rights_are_named() -> None:
    error = refusal('403: User "bob" cannot get resource')
    with pytest.raises(NotAllowedError) as refused:
        discover(Cluster(config=error, ingress=error))
    assert "may not get configmaps/registry-packages-proxy-config in" in refused.value.message
    assert " nor get ingresses.networking.k8s.io/registry-packages-proxy in" in refused.value.message
    for command in ("--clusterrole=d8:registry-packages-proxy:cli-download --user=bob`", "create role d8-installer-"):
        assert command in str(refused.value.hint)


def test_a_refused_token_is_not_a_missing_right() -> None:
    error = refusal("the API answers 401", 401)
    error.hint = "log in again"
    with pytest.raises(NotAllowedError) as refused:
        discover(Cluster(config=error, ingress=error))
    assert refused.value.hint == "log in again"


@pytest.mark.parametrize("error", [NotAllowedError("the id-token has expired"), ConfigError("the plugin exited")])
def test_an_identity_that_cannot_be_had_is_not_a_missing_right(error: D8Error) -> None:
    error.hint = "log in again"
    with pytest.raises(type(error)) as refused:
        discover(Cluster(config=error))
    assert (refused.value.message, refused.value.hint) == (error.message, "log in again")


def test_a_cluster_that_names_nothing_is_told_object_by_object() -> None:
    with pytest.raises(UnreachableError) as absent:
        discover(Cluster([pod("10.0.0.1", ready=False)], config=refusal("403")))
    for words in (
        "ConfigMap d8-cloud-instance-manager/registry-packages-proxy-config: not allowed (status 403)",
        "Ingress d8-cloud-instance-manager/registry-packages-proxy: not there",
        "HTTPRoute d8-cloud-instance-manager/registry-packages-proxy: not there",
        "pods app=registry-packages-proxy in d8-cloud-instance-manager: none of 1 is ready",
    ):
        assert words in absent.value.message


@pytest.mark.parametrize(
    "endpoints",
    [
        *('{"a": 1}', '"10.0.0.1:4219"', "[1]", "10.0.0.1:4219", "[" * 100_000, '["a@evil.example:1"]', '["x/y"]'),
        *('["x?y"]', '["a b"]', '["h:0"]', '["h:65536"]', '["h:1:2"]', '["\\u0430.example"]', '["[::1"]', '["a\\nb"]'),
    ],
)
def test_endpoints_that_are_no_list_of_places_are_an_error(endpoints: str) -> None:
    with pytest.raises(DocumentError, match=r"data\.endpoints") as malformed:
        discover(Cluster(config=config(endpoints), ingress=ingress("rpp.example")))
    assert malformed.value.message.isprintable()
    assert len(malformed.value.message) < 500


@pytest.mark.parametrize("host", ["a@evil.example", "a.example/x", "a b", "a\n", "[::1", "-a", "a:b", "x" * 300])
def test_a_host_that_is_none_is_an_error(host: str) -> None:
    for cluster in (Cluster(ingress=ingress(host)), Cluster(route=route(host))):
        if host.strip() == "a":
            continue
        with pytest.raises(DocumentError, match="is no host"):
            discover(cluster)


@pytest.mark.parametrize("public", ["http://rpp.example", "rpp.example", "https://a@b", "https://", "https://a/b"])
def test_a_public_endpoint_that_is_no_https_address_is_an_error(public: str) -> None:
    with pytest.raises(DocumentError, match=r"data\.publicEndpoint"):
        discover(Cluster(config=config(["10.0.0.1:4219"], CA, public)))


def test_an_ipv6_address_gets_its_brackets() -> None:
    found = discover(Cluster(config=config(["fd00::1:4219", "[fd00::2]:4219"], CA)))
    assert [one.url for one in found.endpoints] == ["https://[fd00::1]:4219", "https://[fd00::2]:4219"]


def test_only_so_many_addresses_are_tried() -> None:
    many = [*["10.0.0.1:4219"] * 3, *(f"10.0.{number}.1:4219" for number in range(200))]
    found = discover(Cluster(config=config(many, CA))).endpoints
    assert [one.url for one in found] == [f"https://10.0.{number}.1:4219" for number in range(16)]

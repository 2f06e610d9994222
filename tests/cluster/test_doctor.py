"""``doctor`` in a cluster: who one is and what one may do, where the proxy is, and what to type if that is wrong."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster import faults
from tests.cluster.cluster import PEOPLE
from tests.cluster.connect_proxy import connect_proxy
from tests.cluster.deckhouse import PUBLIC_HOST, needs
from tests.cluster.rights import CLI_DOWNLOAD, LIST_MODULES, READ_CONFIG_MAP, READ_DECKHOUSE, READ_INGRESS, USUAL
from tests.registry.clients import closed_port
from tests.registry.servers import Answer, Received

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse
    from tests.cluster.person import Operator

ME = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@pytest.fixture
def person(deckhouse: Deckhouse, tmp_path: Path) -> Operator:
    deckhouse.announce()
    return deckhouse.person(tmp_path / "home")


def told(person: Operator, *words: str, code: int = 0, **env: str) -> list[str]:
    """Return what ``doctor`` finds of the cluster: level and message."""
    found = person.json("doctor", *words, code=code, **env)["findings"]
    return [f"{one['level']}: {one['message']}" for one in found if one["check"] == "cluster"]


def hints(person: Operator, code: int = 0) -> str:
    """Return all hints about the cluster that are not of level ok."""
    found = person.json("doctor", code=code)["findings"]
    return "\n".join(str(one["hint"]) for one in found if one["check"] == "cluster" and one["level"] != "ok")


def test_all_is_well(person: Operator, deckhouse: Deckhouse) -> None:
    user = f"system:serviceaccount:{PEOPLE}:{person.account}"
    context, identity, api, endpoint, asked, certificate, may, spared = told(person)
    assert context == f"ok: context 'test' of the kubeconfig {person.kubeconfig}; API {deckhouse.cluster.server}"
    assert identity == f"ok: token of a service account from the kubeconfig {person.kubeconfig}, which ends in 60 min"
    assert api == f"ok: the API answers, and calls this user {user}"
    assert endpoint == (
        f"ok: endpoint {deckhouse.front.url}, named by the ConfigMap in d8-cloud-instance-manager, found now"
    )
    place = "d8-cloud-instance-manager/registry-packages-proxy-config"
    assert asked.startswith(
        f"ok: to find it was asked: ConfigMap {place}: {deckhouse.front.url}; {deckhouse.front.url} "
    )
    assert certificate.startswith("ok: the endpoint's certificate is for 127.0.0.1, registry-packages-proxy, ")
    assert may.startswith(f"ok: {user} may download images, read the ConfigMap that names the proxy, ")
    assert spared.endswith(": not needed, since the endpoint is known")


def test_programs_get_the_same(person: Operator, deckhouse: Deckhouse) -> None:
    data = person.json("doctor")["cluster"]
    assert data["kubeconfig"] == [str(person.kubeconfig)]
    assert (data["context"], data["server"], data["reachable"]) == ("test", deckhouse.cluster.server, True)
    assert data["identity"]["kind"] == "token of a service account"
    assert data["identity"]["subject"] == f"system:serviceaccount:{PEOPLE}:{person.account}"
    assert data["identity"]["expires"].startswith(time.strftime("%Y-", time.gmtime()))
    assert (data["endpoint"]["named_by"], data["endpoint"]["url"]) == ("ConfigMap", deckhouse.front.url)
    assert data["certificate"]["verified"]
    assert abs(data["clock_skew_seconds"]) < 30
    allowed = {one["right"]: one["allowed"] for one in data["rights"]}
    assert allowed["list modules.deckhouse.io"] is True
    assert allowed["list pods in d8-cloud-instance-manager"] is False


@pytest.mark.parametrize(
    ("right", "level", "said", "command"),
    [
        (
            CLI_DOWNLOAD,
            "error",
            "so no image can be downloaded",
            "--clusterrole=d8:registry-packages-proxy:cli-download",
        ),
        (LIST_MODULES, "warning", "so some requirements cannot be checked", "create clusterrole d8-installer-modules"),
        (READ_DECKHOUSE, "warning", "so some requirements cannot be checked", "create role d8-installer-deckhouse"),
    ],
    ids=["download", "modules", "deckhouse"],
)
def test_a_missing_right(
    person: Operator, deckhouse: Deckhouse, right: Any, level: str, said: str, command: str
) -> None:
    deckhouse.cluster.take_away(person.account, right)
    code = 1 if level == "error" else 0
    (line,) = (line for line in told(person, code=code) if said in line)
    assert line.startswith(f"{level}: system:serviceaccount:{PEOPLE}:{person.account} may not ")
    assert command in hints(person, code)


def test_an_endpoint_that_is_not_found(deckhouse: Deckhouse, tmp_path: Path) -> None:
    person = deckhouse.person(tmp_path / "home", [right for right in USUAL if right is not READ_CONFIG_MAP])
    lines = told(person, code=1)
    assert any(line.startswith("error: ") and "so the endpoint is not found" in line for line in lines)
    assert any(line.startswith("warning: ") and "one of these may lead to the endpoint" in line for line in lines)
    assert "create role d8-installer-ingress" in hints(person, 1)
    assert len(deckhouse.cluster.admin.call("GET", "/api/v1/namespaces")["items"]) > 1  # the API server goes on


def test_the_certificate_that_is_not_trusted_is_named(deckhouse: Deckhouse, tmp_path: Path) -> None:
    front = deckhouse.public_front()
    deckhouse.cluster.ingress(PUBLIC_HOST)
    person = deckhouse.person(tmp_path / "home", [*USUAL, READ_INGRESS])
    with connect_proxy({PUBLIC_HOST: front.port}) as way:
        lines = told(person, code=1, **way.variables)
    assert any(f"https://{PUBLIC_HOST} (Ingress): the certificate of {PUBLIC_HOST}:443" in line for line in lines)


def test_an_expired_token(person: Operator, deckhouse: Deckhouse) -> None:
    expired = deckhouse.cluster.token_until(person.account, time.time() - 400)
    deckhouse.cluster.kubeconfig_for(person.kubeconfig, token=expired)
    person.secrets.append(expired)
    lines = told(person, code=1)
    assert any(line.startswith("error: token of ") and line.endswith("which expired 7 min ago") for line in lines)
    assert any("401" in line for line in lines)


def test_an_api_server_that_is_down(person: Operator, deckhouse: Deckhouse) -> None:
    port = closed_port()
    deckhouse.cluster.kubeconfig_for(person.kubeconfig, token=person.token, server=f"https://127.0.0.1:{port}")
    lines = told(person, code=1)
    assert sum("the Kubernetes API does not answer" in line for line in lines) == 1
    assert person.json("doctor", code=1)["cluster"]["reachable"] is False


def test_an_api_server_that_cannot_say_who_one_is(person: Operator, deckhouse: Deckhouse) -> None:
    """As those before Kubernetes 1.28: the rest is asked all the same, and the hints know the name from the token."""
    deckhouse.cluster.take_away(person.account, CLI_DOWNLOAD)
    unknown = Answer(404, b"404 page not found\n")
    with faults.lying(deckhouse.cluster, faults.only(ME, lambda: unknown)) as liar:
        deckhouse.cluster.kubeconfig_for(person.kubeconfig, token=person.token, server=liar.url)
        assert f"--serviceaccount={PEOPLE}:{person.account}`" in hints(person, 1)


def test_a_kept_endpoint_that_died(person: Operator, deckhouse: Deckhouse) -> None:
    deckhouse.publish("alpha", "v1.0.0")
    with faults.relay(deckhouse.front.port) as first:
        deckhouse.announce(endpoints=[f"127.0.0.1:{first.port}"])
        person.ok("install", "alpha")
    deckhouse.announce()
    assert any(line.startswith("error: the kept endpoint fails: cannot connect") for line in told(person, code=1))
    assert "`d8-installer doctor --fix`" in hints(person, 1)
    told(person, "--fix")


@pytest.mark.parametrize(("minutes", "way"), [(-10, "ahead of"), (10, "behind")])
def test_a_clock_that_is_wrong(person: Operator, deckhouse: Deckhouse, minutes: int, way: str) -> None:
    def answer(received: Received) -> Answer | None:
        if received.path != ME:
            return None
        said = {"status": {"userInfo": {"username": "somebody"}}}
        return Answer.json(said, Date=formatdate(time.time() + 60 * minutes, usegmt=True))

    with faults.lying(deckhouse.cluster, answer) as liar:
        deckhouse.cluster.kubeconfig_for(person.kubeconfig, token=person.token, server=liar.url)
        (line,) = (line for line in told(person) if "this machine's clock" in line)
    assert line.startswith(f"warning: this machine's clock is 10 min {way} the API server's")


def of_requirements(person: Operator, *words: str, code: int = 0) -> list[str]:
    found = person.json("doctor", *words, code=code)["findings"]
    return [f"{one['level']}: {one['message']}" for one in found if one["check"] == "requirements"]


def test_requirements_of_everything_installed(person: Operator, deckhouse: Deckhouse) -> None:
    cluster = deckhouse.cluster
    deckhouse.publish("alpha", "v1.0.0")
    deckhouse.publish("beta", "v1.0.0", contract=needs(modules={"stronghold": ">= 1.3"}))
    cluster.module("stronghold", "v1.3.0")
    person.ok("install", "alpha")
    assert of_requirements(person) == []
    person.ok("install", "beta")
    assert of_requirements(person) == ["ok: those of 1 image hold"]
    cluster.module("stronghold", "v1.2.0")
    (line,) = of_requirements(person, code=1)
    assert line.startswith("error: beta v1.0.0 does not fit here: ")
    cluster.module("stronghold", "v1.4.0")
    cluster.take_away(person.account, LIST_MODULES)
    (line,) = of_requirements(person)
    assert line.startswith("warning: whether requirements hold is not known: ")
    person.kubeconfig.unlink()
    person.allowed.clear()
    (line,) = of_requirements(person)
    assert line == "warning: not checked: beta"


def test_offline_nothing_is_asked(person: Operator, deckhouse: Deckhouse) -> None:
    with faults.relay(deckhouse.cluster.port) as api:
        deckhouse.cluster.kubeconfig_for(person.kubeconfig, token=person.token, server=f"https://127.0.0.1:{api.port}")
        assert told(person, "--offline")[-1] == "warning: the cluster was not asked: this run is offline"
        assert api.connections == 0


def test_without_a_kubeconfig_one_line_says_so(person: Operator) -> None:
    person.kubeconfig.unlink()
    person.allowed.clear()
    assert told(person) == ["ok: no kubeconfig names a cluster, so nothing was asked"]
    assert person.json("doctor")["cluster"] is None


def test_a_broken_kubeconfig_is_one_finding(person: Operator) -> None:
    person.kubeconfig.write_text("clusters: [")
    (line,) = told(person, code=1)
    assert line.startswith("error: ")
    assert str(person.kubeconfig) in line


def test_fix_drops_what_is_kept_and_nothing_else(person: Operator, deckhouse: Deckhouse) -> None:
    deckhouse.publish("alpha", "v1.0.0")
    person.ok("install", "alpha")
    (kept,) = (person.data / "endpoints").iterdir()
    before = person.state()
    assert ", found now" not in "".join(told(person))
    dropped = person.json("doctor", "--fix")["dropped"]
    assert str(kept) in dropped
    assert all("/endpoints/" in file or "/facts/" in file for file in dropped)
    assert person.state() == before
    assert person.json("doctor", "--fix")["dropped"] == [str(kept)]  # the first one found it again


def test_an_endpoint_that_is_set_is_not_looked_for(person: Operator, deckhouse: Deckhouse) -> None:
    place = f"oci-layout:{deckhouse.layouts}"
    deckhouse.publish("deckhouse-cli", "v1.0.0")
    lines = told(person, D8_RPP_ENDPOINT=place)
    assert any(line.startswith("ok: the endpoint was not looked for: oci-layout:") for line in lines)
    assert any("may download images" in line for line in lines)


def test_the_certificate_of_an_endpoint_that_is_set(person: Operator, deckhouse: Deckhouse, tmp_path: Path) -> None:
    url = deckhouse.front.url
    lines = told(person, "--endpoint", url, code=1)
    assert any(line.startswith("error: the certificate of ") and "is not trusted" in line for line in lines)
    (tmp_path / "ca.pem").write_text(deckhouse.front.ca_pem)
    lines = told(person, "--endpoint", url, "--ca-file", str(tmp_path / "ca.pem"))
    assert f"ok: the endpoint was not looked for: {url} is set" in lines
    assert any(line.startswith("ok: the endpoint's certificate is for 127.0.0.1, ") for line in lines)


def test_config_says_where_images_come_from(person: Operator, deckhouse: Deckhouse) -> None:
    deckhouse.publish("alpha", "v1.0.0")
    done = person.ok("config", "get", "endpoint")
    assert (done.out, "`d8-installer doctor` asks it now" in done.err) == ("\n", True)
    person.ok("install", "alpha")
    done = person.ok("config", "get", "endpoint")
    assert f"the cluster's is {deckhouse.front.url}, named by the ConfigMap" in done.err
    assert "its certificate verifies" in done.err
    assert (
        "which D8_RPP_ENDPOINT names" in person.ok("config", "get", "endpoint", D8_RPP_ENDPOINT="https://a.example").err
    )

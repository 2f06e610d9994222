"""No token and no key is ever shown or kept, whatever kind of identity a kubeconfig has and however a command ends.

`Operator` looks after every command: in its output, in all files below HOME, and in what it started.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import encoded, write_kubeconfig
from tests.cluster.connect_proxy import connect_proxy
from tests.cluster.deckhouse import PUBLIC_HOST, publish_alpha_beta_gamma
from tests.cluster.objects import kubeconfig
from tests.cluster.rights import CLI_DOWNLOAD, READ_INGRESS, USUAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse
    from tests.cluster.person import Operator

ASKING = (
    ("--verbose", "install", "beta"),
    ("--verbose", "install", "alpha"),
    ("--json", "install", "gamma"),
    ("--verbose", "versions", "beta"),
    ("--verbose", "show", "beta"),
    ("--verbose", "run", "alpha", "word"),
    ("--json", "check"),
    ("facts", "-o", "facts.json"),
    ("--json", "doctor"),
)
"""What asks the cluster or the proxy, and keeps what it hears."""
OTHERS = (
    ("--verbose", "sync"),
    ("--json", "list"),
    ("facts",),
    ("--verbose", "show", "gamma"),
    ("lock", "--explain", "beta"),
    ("sync", "--layout", "d8", "--plugins-dir", "plugins"),
    ("import", "d8", "--plugins-dir", "plugins"),
    ("rollback",),
    ("doctor", "--fix"),
    ("doctor",),
    ("--verbose", "verify"),
    ("config", "list"),
    ("env",),
    ("bundle", "create", "-o", "images.tar"),
    ("export", "--format", "cyclonedx"),
    ("--verbose", "upgrade", "--all"),
    ("history",),
    ("--verbose", "uninstall", "beta"),
)


def types(person: Operator, *commands: tuple[str, ...], **env: str) -> None:
    """Type commands; any end will do, but a wrong command line tests nothing."""
    for words in commands:
        done = person.run(*words, **env)
        assert done.code != 2, done


@pytest.fixture
def ready(deckhouse: Deckhouse) -> Deckhouse:
    """A cluster whose front takes client certificates too."""
    publish_alpha_beta_gamma(deckhouse)
    deckhouse.announce(endpoints=[deckhouse.another_front(client_ca=True).address])
    deckhouse.cluster.module("stronghold", "v1.4.0")
    deckhouse.cluster.deckhouse("v1.77.0")
    return deckhouse


@pytest.fixture
def person(ready: Deckhouse, tmp_path: Path) -> Operator:
    return ready.person(tmp_path / "home")


def a_token(person: Operator, _: Deckhouse) -> Mapping[str, object]:
    return {"token": person.token}


def a_token_file(person: Operator, _: Deckhouse) -> Mapping[str, object]:
    path = person.home / ".kube/token"
    path.write_text(person.token)
    path.chmod(0o600)
    person.allowed.add(path)
    return {"tokenFile": "token"}


def a_program(person: Operator, answer: Mapping[str, object]) -> Mapping[str, object]:
    """Let the person have an exec plugin that says *answer*."""
    said = person.home / ".kube/said.json"
    version = "client.authentication.k8s.io/v1"
    said.write_text(json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": answer}))
    person.allowed.add(said)
    how = {"apiVersion": version, "command": "/bin/cat", "args": [str(said)], "interactiveMode": "Never"}
    return {"exec": how | {"provideClusterInfo": True, "env": [{"name": "PLUGIN_MODE", "value": "quiet"}]}}


def a_token_of_a_program(person: Operator, _: Deckhouse) -> Mapping[str, object]:
    return a_program(person, {"token": person.token, "expirationTimestamp": "2999-01-01T00:00:00Z"})


def a_certificate_of_a_program(person: Operator, ready: Deckhouse) -> Mapping[str, object]:
    certificate = ready.cluster.client_certificate("anna")
    ready.cluster.grant_user("anna", *USUAL)
    person.secrets.append(certificate.key)
    return a_program(person, {"clientCertificateData": certificate.cert, "clientKeyData": certificate.key})


def a_certificate(person: Operator, ready: Deckhouse) -> Mapping[str, object]:
    certificate = ready.cluster.client_certificate("anna")
    ready.cluster.grant_user("anna", *USUAL)
    person.secrets += [certificate.key, encoded(certificate.key)]
    return certificate.as_user


def certificate_files(person: Operator, ready: Deckhouse) -> Mapping[str, object]:
    certificate = ready.cluster.client_certificate("anna")
    ready.cluster.grant_user("anna", *USUAL)
    person.secrets.append(certificate.key)
    places = {"client-certificate": certificate.cert, "client-key": certificate.key}
    for name, text in places.items():
        path = person.home / ".kube" / f"{name}.pem"
        path.write_text(text)
        path.chmod(0o600)
        person.allowed.add(path)
    return {name: f"{name}.pem" for name in places}


IDENTITIES = (
    a_token,
    a_token_file,
    a_token_of_a_program,
    a_certificate_of_a_program,
    a_certificate,
    certificate_files,
)


@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda identity: identity.__name__)
def test_whatever_is_typed(person: Operator, ready: Deckhouse, identity: Callable[..., Mapping[str, object]]) -> None:
    user = identity(person, ready)
    write_kubeconfig(person.kubeconfig, kubeconfig(ready.cluster.cluster_entry(), user))
    types(person, *ASKING, *(OTHERS if identity is a_token else ()))
    assert "alpha" in person.has()


def test_whatever_is_refused(person: Operator, ready: Deckhouse) -> None:
    """The same with a right less, with a token that nobody knows, and with no API server."""
    person.ok("install", "beta")
    ready.cluster.take_away(person.account, CLI_DOWNLOAD)
    types(person, *ASKING)
    person.secrets.append("nobody-knows-this")
    ready.cluster.kubeconfig_for(person.kubeconfig, token="nobody-knows-this")
    types(person, *ASKING)
    ready.cluster.kubeconfig_for(person.kubeconfig, token=person.token, server="https://127.0.0.1:1")
    types(person, ("--verbose", "install", "gamma"), ("facts",), ("--json", "doctor"), D8_PATIENCE="1")


def test_a_password_of_the_way_there(person: Operator, ready: Deckhouse, tmp_path: Path) -> None:
    """A kubeconfig's ``proxy-url`` and HTTPS_PROXY may hold a password."""
    front = ready.public_front()
    ready.cluster.delete("ConfigMap", "registry-packages-proxy-config", "d8-cloud-instance-manager")
    ready.cluster.ingress(PUBLIC_HOST)
    ready.cluster.grant(person.account, READ_INGRESS)
    (tmp_path / "ca.pem").write_text(front.ca_pem)
    person.secrets.append("pass-of-the-way")
    with connect_proxy({PUBLIC_HOST: front.port}) as way:
        secret = way.url.replace("http://", "http://user:pass-of-the-way@")
        person.env |= {"HTTPS_PROXY": secret, "NO_PROXY": "127.0.0.1", "SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        types(person, *ASKING)
        assert way.asked
        way.routes.clear()
        types(person, ("--verbose", "versions", "beta"), ("--json", "doctor"), D8_PATIENCE="1")
    assert "alpha" in person.has()

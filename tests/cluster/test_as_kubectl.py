"""Whom the API server takes a kubeconfig's user for is the same with kubectl and with us, also in odd kubeconfigs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from d8_installer.errors import D8Error
from tests.cluster.reading import reading, who
from tests.cluster.test_exec_plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.cluster import Cluster


class Given:
    """What the odd users are made of: two accounts, a certificate and a plugin that says who the second one is."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.cluster = cluster
        self.one = cluster.service_account("one")
        self.two = cluster.service_account("two")
        self.certificate = cluster.client_certificate("certified").as_user
        self.cert, self.key = self.certificate.values()
        self.plugin = Plugin(directory / "plugin").answers(f"answer(token={self.two!r})")
        self.file = directory / "two.token"
        self.file.write_text(f"  {self.two}\n\n")


def oidc(given: Given, id_token: str) -> dict[str, Any]:
    """Return a user whose ID token no issuer renews."""
    config = {"idp-issuer-url": "https://127.0.0.1:1", "client-id": "kubernetes", "id-token": id_token}
    return {"auth-provider": {"name": "oidc", "config": config | {"refresh-token": "secret"}}}


USERS: dict[str, Callable[[Given], dict[str, Any]]] = {
    "a token": lambda given: {"token": given.one},
    "a token file": lambda given: {"tokenFile": str(given.file)},
    "a token and a token file": lambda given: {"token": given.one, "tokenFile": str(given.file)},
    "a token and a missing token file": lambda given: {"token": given.one, "tokenFile": "/no/such/file"},
    "a missing token file": lambda _: {"tokenFile": "/no/such/file"},
    "a plugin": lambda given: given.plugin.user(),
    "a plugin that is not there": lambda given: given.plugin.user(command="no-such-program"),
    "a plugin without interactiveMode": lambda given: given.plugin.user(interactiveMode=None),
    "a plugin with an unknown interactiveMode": lambda given: given.plugin.user(interactiveMode="Sometimes"),
    "a plugin that must ask": lambda given: given.plugin.user(interactiveMode="Always"),
    "a plugin of v1beta1": lambda given: given.plugin.user("client.authentication.k8s.io/v1beta1"),
    "a plugin of v1alpha1": lambda given: given.plugin.user("client.authentication.k8s.io/v1alpha1"),
    "a plugin of no version": lambda given: given.plugin.user("", interactiveMode="Never"),
    "a token and a plugin": lambda given: {"token": given.one, **given.plugin.user()},
    "a token file and a plugin": lambda given: {"tokenFile": str(given.file), **given.plugin.user()},
    "a plugin and an auth provider": lambda given: {"auth-provider": {"name": "oidc"}, **given.plugin.user()},
    "an auth provider that was removed": lambda given: {"auth-provider": {"name": "gcp", "config": {}}},
    "an ID token": lambda given: oidc(given, given.one),
    "an ID token and a token": lambda given: {"token": given.two, **oidc(given, given.one)},
    "an ID token and a token file": lambda given: {"tokenFile": str(given.file), **oidc(given, given.one)},
    "an ID token and a certificate": lambda given: {**given.certificate, **oidc(given, given.one)},
    "no ID token": lambda given: oidc(given, ""),
    "an expired ID token": lambda given: oidc(given, given.cluster.token_until("one", time.time() - 20)),
    "a certificate": lambda given: given.certificate,
    "a certificate and a token": lambda given: {"token": given.one, **given.certificate},
    "a certificate and a plugin": lambda given: {**given.certificate, **given.plugin.user()},
    "a certificate without a key": lambda given: {"client-certificate-data": given.cert},
    "a key without a certificate": lambda given: {"token": given.one, "client-key-data": given.key},
    "a token and a password": lambda given: {"token": given.one, "username": "me", "password": "x"},
    "a token and a user name": lambda given: {"token": given.one, "username": "me"},
    "nothing": lambda _: {},
    "another user": lambda given: {"token": given.cluster.admin.token, "as": "somebody", "as-groups": ["g"]},
    "another user with a uid": lambda given: {"token": given.cluster.admin.token, "as": "somebody", "as-uid": "7"},
    "groups of nobody": lambda given: {"token": given.cluster.admin.token, "as-groups": ["g"]},
}  # fmt: skip


def as_kubectl(cluster: Cluster, kubeconfig: Path) -> str | None:
    """Return whom the server takes kubectl's user for, None if kubectl refuses or is refused."""
    command = [cluster.tools.kubectl, f"--kubeconfig={kubeconfig}", "auth", "whoami", "-o", "json"]
    env = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        return None
    name: str = json.loads(done.stdout)["status"]["userInfo"]["username"]
    return name


def as_we(kubeconfig: Path) -> str | None:
    """Return whom the server takes our user for, None if we refuse or are refused."""
    with reading(kubeconfig) as access:
        try:
            return who(access)
        except D8Error:
            return None


@pytest.mark.parametrize("user", USERS)
def test_the_user_is_the_one_of_kubectl(user: str, cluster: Cluster, tmp_path: Path) -> None:
    given = Given(cluster, tmp_path)
    kubeconfig = cluster.kubeconfig(tmp_path / "config", {k: v for k, v in USERS[user](given).items() if v is not None})
    assert as_we(kubeconfig) == as_kubectl(cluster, kubeconfig)


CLUSTERS: dict[str, Callable[[Cluster], dict[str, Any]]] = {
    "no scheme": lambda cluster: {"server": f"127.0.0.1:{cluster.port}"},
    "no scheme, no CA": lambda cluster: {"server": f"127.0.0.1:{cluster.port}", "certificate_authority_data": None},
    "a scheme in capitals": lambda cluster: {"server": f"HTTPS://127.0.0.1:{cluster.port}"},
    "many slashes": lambda cluster: {"server": f"{cluster.server}///"},
    "http": lambda cluster: {"server": f"http://127.0.0.1:{cluster.port}"},
    "a query": lambda cluster: {"server": f"{cluster.server}/?a=b"},
    "no server": lambda _: {"server": ""},
    "no CA": lambda _: {"certificate_authority_data": None},
    "a CA that is no PEM": lambda _: {"certificate_authority_data": "aGVsbG8="},
    "a CA file that is not there": lambda _: {"certificate_authority_data": None, "certificate_authority": "/none"},
    "insecure": lambda _: {"certificate_authority_data": None, "insecure_skip_tls_verify": True},
    "insecure with a CA": lambda _: {"insecure_skip_tls_verify": True},
    "a name": lambda _: {"tls_server_name": "api.cluster.example"},
    "a wrong name": lambda _: {"tls_server_name": "wrong.example"},
    "no proxy at the proxy's address": lambda _: {"proxy_url": "http://127.0.0.1:1"},
}


@pytest.mark.parametrize("how", CLUSTERS)
def test_the_way_to_the_cluster_is_that_of_kubectl(how: str, cluster: Cluster, tmp_path: Path) -> None:
    token = cluster.service_account("me")
    kubeconfig = cluster.kubeconfig_for(tmp_path / "config", token=token, **CLUSTERS[how](cluster))
    assert as_we(kubeconfig) == as_kubectl(cluster, kubeconfig)


def test_a_line_end_after_a_token_is_no_part_of_it(cluster: Cluster, tmp_path: Path) -> None:
    """Kubectl fails here: it sends the line end."""
    given = Given(cluster, tmp_path)
    assert as_we(cluster.kubeconfig(tmp_path / "config", {"token": f"{given.one}\n"})) is not None

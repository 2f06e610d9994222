"""The authorizing TLS front before a registry-packages-proxy, as kube-rbac-proxy is in a cluster (rpp.md §3).

It asks the API server of the test by TokenReview and SubjectAccessReview. Its caches are off unless a test wants them:
otherwise a right that a test takes away would be there for five minutes more.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.cluster.processes import first_line, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import trustme

    from tests.cluster.cluster import Cluster

NAMES = ("127.0.0.1", "registry-packages-proxy", "registry-packages-proxy.d8-cloud-instance-manager.svc")
"""Some of what the proxy's own certificate is for (rpp.md §18.5)."""
_NO_CACHE = {"token-ttl": "0s", "allow-ttl": "0s", "deny-ttl": "0s"}
REAL_CACHE = {"token-ttl": "2m", "allow-ttl": "5m", "deny-ttl": "30s"}


@dataclass(frozen=True)
class Asked:
    """One request that came to the front; *user* is empty where nobody was known."""

    method: str
    path: str
    host: str
    user: str
    token: bool
    status: int


@dataclass(frozen=True)
class Front:
    """A front that runs."""

    address: str
    authority: trustme.CA
    log: Path

    @property
    def url(self) -> str:
        return f"https://{self.address}"

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def ca_pem(self) -> str:
        return self.authority.cert_pem.bytes().decode()

    @property
    def asked(self) -> list[Asked]:
        """Every request of this test so far."""
        return [Asked(**json.loads(line)) for line in self.log.read_text().splitlines()]

    def forget(self) -> None:
        """Forget the requests so far; the front appends to its log."""
        os.truncate(self.log, 0)


@contextmanager
def front(
    cluster: Cluster,
    upstream: str,
    directory: Path,
    *,
    authority: trustme.CA,
    names: tuple[str, ...] = NAMES,
    listen: str = "127.0.0.1:0",
    api: str | None = None,
    client_ca: bool = False,
    cache: dict[str, str] | None = None,
) -> Iterator[Front]:
    """Run a front before the proxy at *upstream*; its certificate is *authority*'s and for *names*.

    With *client_ca* it takes the client certificates of the cluster's authority, as port 4219 does. *api* is another
    address of the API server.
    """
    directory.mkdir(parents=True, exist_ok=True)
    issued = authority.issue_cert(*names)
    issued.private_key_pem.write_to_path(directory / "key.pem")
    for number, part in enumerate(issued.cert_chain_pems):
        part.write_to_path(directory / "cert.pem", append=number > 0)
    log = directory / "requests.jsonl"
    options = {
        "listen": listen,
        "upstream": upstream,
        "kubeconfig": cluster.kubeconfig_for(
            directory / "front.kubeconfig", token=cluster.admin.token, server=api or cluster.server
        ),
        "cert": directory / "cert.pem",
        "key": directory / "key.pem",
        "log": log,
        **(_NO_CACHE if cache is None else cache),
        **({"client-ca": cluster.control_plane.directory / "ca.pem"} if client_ca else {}),
    }
    command = [cluster.tools.front, *(f"-{name}={value}" for name, value in options.items())]
    with started(command, directory, "front") as process:
        said = first_line(process, directory, "front")
        yield Front(said.removeprefix("listening on "), authority, log)

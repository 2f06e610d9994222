"""The processes of a control plane on loopback: etcd and kube-apiserver, with RBAC and an authority of their own.

etcd listens on sockets in a directory: no port has to be found for it. The API server has no controllers beside it:
a namespace gets no ServiceAccount of itself, a Deployment no pods, and a Pod only the status that a test gives it.
"""

from __future__ import annotations

import secrets
import ssl
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.cluster.admin import Admin
from tests.cluster.processes import held_port, started, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.tools import Tools

NAMES = ("127.0.0.1", "::1", "localhost", "kubernetes.default.svc", "api.cluster.example")
"""What the API server's certificate is for."""
ISSUER = "https://kubernetes.default.svc"
_STOPS_IN = 1.5
"""Nothing of a control plane is kept, so it need not wait for connections that a test left open."""
_ETCD, _PEERS = "unix://localhost:1", "unix://localhost:2"


@dataclass(frozen=True)
class ControlPlane:
    """A control plane that runs: its port, its files, its authority and the key that signs service accounts."""

    port: int
    directory: Path
    authority: trustme.CA
    signing_key: ec.EllipticCurvePrivateKey
    admin: Admin
    tools: Tools


@contextmanager
def control_plane(tools: Tools, directory: Path) -> Iterator[ControlPlane]:
    """Run a control plane whose data is in *directory*, while the context lasts."""
    with ExitStack() as stack:
        stack.enter_context(started(_etcd(tools), directory, "etcd", stops_in=_STOPS_IN))
        authority, key, token = trustme.CA(), ec.generate_private_key(ec.SECP256R1()), secrets.token_urlsafe(24)
        _write_files(directory, authority, key, token)
        port = stack.enter_context(held_port())
        log = directory / "kube-apiserver.log"
        command = _apiserver(tools, directory, port)
        api = stack.enter_context(started(command, directory, "kube-apiserver", stops_in=_STOPS_IN))
        trust = ssl.create_default_context(cafile=str(directory / "ca.pem"))
        admin = stack.enter_context(Admin("127.0.0.1", port, token, trust))

        def serves() -> bool:
            if api.poll() is not None:
                raise RuntimeError(f"kube-apiserver ended:\n{log.read_text(errors='replace')[-4000:]}")
            return admin.is_ready()

        until("kube-apiserver serves", serves, log=log)
        yield ControlPlane(port, directory, authority, key, admin, tools)


def _etcd(tools: Tools) -> list[str]:
    urls = {
        "listen-client-urls": _ETCD,
        "advertise-client-urls": _ETCD,
        "listen-peer-urls": _PEERS,
        "initial-advertise-peer-urls": _PEERS,
        "initial-cluster": f"default={_PEERS}",
    }
    soon = ["--unsafe-no-fsync", "--heartbeat-interval=10", "--election-timeout=100"]
    return [tools.etcd, "--data-dir=etcd", "--logger=zap", *soon, *(f"--{name}={url}" for name, url in urls.items())]


def _write_files(directory: Path, authority: trustme.CA, key: ec.EllipticCurvePrivateKey, token: str) -> None:
    """Write what the API server reads: certificates, the key of the service accounts, the administrator's token."""
    authority.cert_pem.write_to_path(directory / "ca.pem")
    serving = authority.issue_cert(*NAMES)
    serving.private_key_pem.write_to_path(directory / "serving.key")
    for number, part in enumerate(serving.cert_chain_pems):
        part.write_to_path(directory / "serving.pem", append=number > 0)
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    (directory / "accounts.key").write_bytes(pem)
    (directory / "tokens.csv").write_text(f'{token},admin,1,"system:masters"\n')


def _apiserver(tools: Tools, directory: Path, port: int) -> list[str]:
    options = {
        "etcd-servers": _ETCD,
        "bind-address": "127.0.0.1",
        "secure-port": port,
        "permit-port-sharing": "true",
        "advertise-address": "127.0.0.1",
        "endpoint-reconciler-type": "none",
        "service-cluster-ip-range": "10.0.0.0/24",
        "authorization-mode": "RBAC",
        "anonymous-auth": "true",
        "token-auth-file": directory / "tokens.csv",
        "client-ca-file": directory / "ca.pem",
        "tls-cert-file": directory / "serving.pem",
        "tls-private-key-file": directory / "serving.key",
        "service-account-issuer": ISSUER,
        "service-account-signing-key-file": directory / "accounts.key",
        "service-account-key-file": directory / "accounts.key",
        "disable-admission-plugins": "ServiceAccount",
        "enable-priority-and-fairness": "false",
        "enable-bootstrap-token-auth": "true",
        "cert-dir": directory,
    }
    return [tools.apiserver, *(f"--{name}={value}" for name, value in options.items())]

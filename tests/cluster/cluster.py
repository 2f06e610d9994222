"""A cluster that a test can shape: accounts and rights, kubeconfigs, and the objects that the tool reads.

Every object that a test makes is gone before the next test: `Cluster.reset`.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.cluster import objects
from tests.cluster.admin import KINDS, MERGE, Object, path_of
from tests.cluster.control_plane import ISSUER
from tests.cluster.processes import until
from tests.cluster.rights import PROXY_NAMESPACE, RIGHTS, SYSTEM_NAMESPACE, USUAL, Right

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import trustme

    from tests.cluster.admin import Admin
    from tests.cluster.control_plane import ControlPlane
    from tests.cluster.tools import Tools

PEOPLE = "people"
"""The namespace of the service accounts that tests make."""
BY_MODULE_MANAGER = "EnabledByModuleManager"
BY_MODULE_CONFIG = "EnabledByModuleConfig"


@dataclass(frozen=True)
class Certificate:
    """A client certificate and its key, as PEM."""

    cert: str
    key: str

    @property
    def as_user(self) -> dict[str, str]:
        """Return the fields of a kubeconfig's user."""
        return {"client-certificate-data": encoded(self.cert), "client-key-data": encoded(self.key)}


@dataclass
class Cluster:
    """One control plane, and what a test made in it."""

    control_plane: ControlPlane
    _made: dict[str, None] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # -- where it is

    @property
    def server(self) -> str:
        """The API server's address."""
        return f"https://127.0.0.1:{self.control_plane.port}"

    @property
    def port(self) -> int:
        return self.control_plane.port

    @property
    def authority(self) -> trustme.CA:
        """What signs the API server's certificate, and those of clients."""
        return self.control_plane.authority

    @property
    def ca_pem(self) -> str:
        return self.authority.cert_pem.bytes().decode()

    @property
    def admin(self) -> Admin:
        """Calls with all rights."""
        return self.control_plane.admin

    @property
    def tools(self) -> Tools:
        return self.control_plane.tools

    # -- objects

    def prepare(self) -> None:
        """Make what every test finds: namespaces, the CRD of modules, and the roles, bound to nobody."""
        for name in (PROXY_NAMESPACE, SYSTEM_NAMESPACE, PEOPLE):
            self.admin.apply(objects.namespace(name))
        self.admin.apply(objects.MODULES)
        for right in RIGHTS:
            self.admin.apply(right.role)
        until("modules are served", lambda: self.admin.serves(KINDS["Module"].path("")))

    def reset(self) -> None:
        """Remove everything that was made since, the newest first."""
        while self._made:
            path, _ = self._made.popitem()
            self.admin.delete(path)
            if path == path_of(objects.HTTP_ROUTES):
                until("a CRD is gone", lambda: not self.admin.serves(path_of(objects.HTTP_ROUTES)))
        self.until_there_are_no_pods()

    def until_there_are_no_pods(self) -> None:
        """Wait until deleted pods are gone."""
        pods = KINDS["Pod"].path("", PROXY_NAMESPACE)
        until("pods are gone", lambda: not self.admin.call("GET", pods)["items"])

    def apply(self, thing: Mapping[str, Any]) -> Object:
        """Make an object, or change it to be like this one."""
        self._made[path_of(thing)] = None
        return self.admin.apply(thing)

    def adopt(self, thing: Mapping[str, Any]) -> None:
        """Remove an object after the test that somebody else made."""
        self._made[path_of(thing)] = None

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        """Remove an object."""
        path = KINDS[kind].path(name, namespace)
        self.admin.delete(path)
        self._made.pop(path, None)

    def patch_status(self, thing: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """Give an object its status, as the controller does that there is none of."""
        self.admin.call("PATCH", f"{path_of(thing)}/status", {"status": status}, MERGE)

    def module(
        self, name: str, version: str | None = None, *, enabled: bool = True, by: str = BY_MODULE_MANAGER
    ) -> None:
        """Let the cluster have a module."""
        self.apply(objects.module(name, version, enabled=enabled, by=by))

    def deckhouse(self, version: str | None) -> None:
        """Let the cluster run this version of Deckhouse; None leaves the annotation out."""
        self.apply(objects.deckhouse(version))

    def config_map(self, endpoints: Sequence[str] | str, ca: str | None = None, public: str | None = None) -> None:
        """Publish where the proxy is (rpp.md §18.6)."""
        self.apply(objects.config_map(endpoints, ca, public))

    def ingress(self, *hosts: str) -> None:
        self.apply(objects.ingress(*hosts))

    def http_routes(self) -> None:
        """Let the cluster know HTTPRoutes; before that it has no CRD for them."""
        self.apply(objects.HTTP_ROUTES)
        until("routes are served", lambda: self.admin.serves(KINDS["HTTPRoute"].path("", PROXY_NAMESPACE)))

    def http_route(self, *hosts: str) -> None:
        """Let there be the proxy's HTTPRoute."""
        self.http_routes()
        self.apply(objects.http_route(*hosts))

    def pod(self, ip: str, *, ready: bool = True, phase: str = "Running") -> None:
        """Let a pod of the proxy run at an address."""
        thing = objects.pod(f"proxy-{next(self._numbers)}")
        self.apply(thing)
        self.patch_status(thing, objects.pod_status(ip, ready=ready, phase=phase))

    # -- people

    def service_account(self, name: str = "", rights: Sequence[Right] = USUAL) -> str:
        """Make a service account that has *rights*; return a token of it, good for an hour."""
        name = name or f"person-{next(self._numbers)}"
        self.apply(objects.service_account(name, PEOPLE))
        self.grant(name, *rights)
        return self.token(name)

    def token(self, name: str) -> str:
        """Return a token of a service account from the API (TokenRequest)."""
        path = f"{KINDS['ServiceAccount'].path(name, PEOPLE)}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        token: str = self.admin.call("POST", path, asked)["status"]["token"]
        return token

    def token_until(self, name: str, expires: float) -> str:
        """Return a token of a service account that expires when a test wants it (the API gives none under 10 minutes).

        The API server takes a token for a minute after that (leeway for clocks), and a token that it has seen for 10 s
        longer.
        """
        account = self.admin.call("GET", KINDS["ServiceAccount"].path(name, PEOPLE))
        inside = {"namespace": PEOPLE, "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]}}
        claims = {
            "iss": ISSUER,
            "aud": [ISSUER],
            "sub": f"system:serviceaccount:{PEOPLE}:{name}",
            "iat": int(min(time.time(), expires)) - 3600,
            "nbf": int(min(time.time(), expires)) - 3600,
            "exp": int(expires),
            "kubernetes.io": inside,
        }
        return _signed(self.control_plane.signing_key, claims)

    def grant(self, account: str, *rights: Right) -> None:
        """Give rights to a service account."""
        subject = {"kind": "ServiceAccount", "name": account, "namespace": PEOPLE}
        for right in rights:
            self.apply(right.binding(subject))

    def take_away(self, account: str, *rights: Right) -> None:
        """Take rights from a service account."""
        for right in rights:
            binding = right.binding({"kind": "ServiceAccount", "name": account})
            self.delete(binding["kind"], binding["metadata"]["name"], right.namespace)

    def grant_user(self, user: str, *rights: Right) -> None:
        """Give rights to a user, as client certificates name one."""
        subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
        for right in rights:
            self.apply(right.binding(subject))

    def client_certificate(self, user: str, group: str = "", authority: trustme.CA | None = None) -> Certificate:
        """Return a client certificate that the API server takes for *user*."""
        # Without a name beside the user's, trustme writes an empty extension that Go refuses.
        issued = (authority or self.authority).issue_cert("client.example", common_name=user, organization_name=group)
        chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
        return Certificate(chain.decode(), issued.private_key_pem.bytes().decode())

    # -- kubeconfigs

    def cluster_entry(self, **changes: Any) -> dict[str, Any]:
        """Return a kubeconfig's cluster; *changes* have underscores for hyphens, and None leaves a field out."""
        return _changed({"server": self.server, "certificate-authority-data": encoded(self.ca_pem)}, changes)

    def kubeconfig(self, path: Path, user: Mapping[str, Any], **changes: Any) -> Path:
        """Write a kubeconfig for any user entry; *changes* are of its cluster."""
        return write_kubeconfig(path, objects.kubeconfig(self.cluster_entry(**changes), user))

    def kubeconfig_for(
        self, path: Path, *, token: str = "", certificate: Certificate | None = None, **changes: Any
    ) -> Path:
        """Write a kubeconfig for a token or a client certificate; *changes* are of its cluster."""
        user = {"token": token} if certificate is None else certificate.as_user
        return self.kubeconfig(path, user, **changes)

    def admin_kubeconfig(self, path: Path) -> Path:
        """Write the administrator's."""
        return self.kubeconfig_for(path, token=self.admin.token)


def write_kubeconfig(path: Path, document: object) -> Path:
    """Write a kubeconfig (JSON is YAML) that nobody else can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2))
    os.chmod(path, 0o600)
    return path


def encoded(text: str) -> str:
    """Return base64 of a text, as a kubeconfig holds PEM."""
    return base64.b64encode(text.encode()).decode()


def _changed(entry: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = entry | {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in merged.items() if value is not None}


def _signed(key: ec.EllipticCurvePrivateKey, claims: Mapping[str, Any]) -> str:
    """Return a JWT (ES256)."""
    parts = [_base64url(json.dumps(part).encode()) for part in ({"alg": "ES256", "typ": "JWT"}, claims)]
    signed = ".".join(parts)
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA256())))
    return f"{signed}.{_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

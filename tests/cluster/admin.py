"""The cluster's administrator, who makes what tests need: the few calls of the API that this takes."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

Object = dict[str, Any]
"""An object of the API, as JSON has it."""
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
_SECONDS = 30


@dataclass(frozen=True)
class Kind:
    """Where objects of a kind are: below ``/api/v1`` or ``/apis/<group>/<version>``, in a namespace or not."""

    root: str
    plural: str
    namespaced: bool = True

    def path(self, name: str, namespace: str = "") -> str:
        """Return the path of one object; without a name, of all."""
        parts = [
            self.root,
            *(["namespaces", namespace] if self.namespaced else []),
            self.plural,
            *([name] * bool(name)),
        ]
        return "/".join(parts)


_RBAC = "/apis/rbac.authorization.k8s.io/v1"
KINDS = {
    "Namespace": Kind("/api/v1", "namespaces", namespaced=False),
    "ServiceAccount": Kind("/api/v1", "serviceaccounts"),
    "ConfigMap": Kind("/api/v1", "configmaps"),
    "Secret": Kind("/api/v1", "secrets"),
    "Pod": Kind("/api/v1", "pods"),
    "Deployment": Kind("/apis/apps/v1", "deployments"),
    "Ingress": Kind("/apis/networking.k8s.io/v1", "ingresses"),
    "HTTPRoute": Kind("/apis/gateway.networking.k8s.io/v1", "httproutes"),
    "Module": Kind("/apis/deckhouse.io/v1alpha1", "modules", namespaced=False),
    "Role": Kind(_RBAC, "roles"),
    "RoleBinding": Kind(_RBAC, "rolebindings"),
    "ClusterRole": Kind(_RBAC, "clusterroles", namespaced=False),
    "ClusterRoleBinding": Kind(_RBAC, "clusterrolebindings", namespaced=False),
    "CustomResourceDefinition": Kind("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False),
}


class RefusedError(Exception):
    """The API server refuses a call of the administrator."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Admin:
    """Calls of the API with the rights to do everything, over one connection."""

    def __init__(self, host: str, port: int, token: str, trust: ssl.SSLContext) -> None:
        self.token = token
        self._connection = http.client.HTTPSConnection(host, port, context=trust, timeout=_SECONDS)

    def __enter__(self) -> Admin:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def call(self, method: str, path: str, document: object = None, content_type: str = "application/json") -> Object:
        """Make one call, and return the answer's document; raise RefusedError unless it is 2xx."""
        status, body = self._ask(method, path, document, content_type)
        if not 200 <= status < 300:
            raise RefusedError(status, body.decode(errors="replace"))
        answer: Object = json.loads(body)
        return answer

    def is_ready(self) -> bool:
        """Whether the API server has started as a whole."""
        try:
            return self._ask("GET", "/readyz", None, "")[0] == 200
        except OSError:
            self._connection.close()
            return False

    def serves(self, path: str) -> bool:
        """Whether there is something at *path*."""
        return self._ask("GET", path, None, "")[0] == 200

    def apply(self, thing: Mapping[str, Any]) -> Object:
        """Make an object, or change it to be like this one."""
        return self.call("PATCH", f"{path_of(thing)}?fieldManager=tests&force=true", thing, APPLY)

    def delete(self, path: str) -> None:
        """Remove an object; it may be gone already."""
        try:
            self.call("DELETE", f"{path}?gracePeriodSeconds=0")
        except RefusedError as error:
            if error.status != 404:
                raise

    def _ask(self, method: str, path: str, document: object, content_type: str) -> tuple[int, bytes]:
        body = None if document is None else json.dumps(document).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError):  # it was idle for too long
            self._connection.close()
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        return answer.status, answer.read()


def path_of(thing: Mapping[str, Any]) -> str:
    """Return the path of an object."""
    meta = thing["metadata"]
    return KINDS[thing["kind"]].path(meta["name"], meta.get("namespace", ""))

"""What an administrator grants: the roles of a Deckhouse cluster, and the ones that people make beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PROXY_NAMESPACE = "d8-cloud-instance-manager"
PROXY = "registry-packages-proxy"
CONFIG_MAP_NAME = "registry-packages-proxy-config"
SYSTEM_NAMESPACE = "d8-system"


@dataclass(frozen=True)
class Right:
    """A ClusterRole, or a Role in *namespace*, with one rule."""

    name: str
    group: str
    resource: str
    verb: str
    object_name: str = ""
    namespace: str = ""

    @property
    def role(self) -> Mapping[str, Any]:
        """Return the Role or ClusterRole."""
        rule = {"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]}
        if self.object_name:
            rule["resourceNames"] = [self.object_name]
        return {**_RBAC, "kind": self._kind, "metadata": self._meta(self.name), "rules": [rule]}

    def binding(self, subject: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what gives the right to a ServiceAccount, a User or a Group."""
        name = f"{self.name}:{subject['name']}"
        return {
            **_RBAC,
            "kind": f"{self._kind}Binding",
            "metadata": self._meta(name),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": self._kind, "name": self.name},
            "subjects": [dict(subject)],
        }

    @property
    def _kind(self) -> str:
        return "Role" if self.namespace else "ClusterRole"

    def _meta(self, name: str) -> dict[str, str]:
        return {"name": name, **({"namespace": self.namespace} if self.namespace else {})}


_RBAC = {"apiVersion": "rbac.authorization.k8s.io/v1"}

CLI_DOWNLOAD = Right(f"d8:{PROXY}:cli-download", "apps", "deployments/cli-binary", "get", PROXY)
"""What the proxy asks for (rpp.md §3); in a newer cluster the same ClusterRole has READ_CONFIG_MAP's rule too."""
READ_CONFIG_MAP = Right("read-proxy-config", "", "configmaps", "get", CONFIG_MAP_NAME, PROXY_NAMESPACE)
READ_INGRESS = Right("read-proxy-ingress", "networking.k8s.io", "ingresses", "get", PROXY, PROXY_NAMESPACE)
READ_HTTP_ROUTE = Right("read-proxy-route", "gateway.networking.k8s.io", "httproutes", "get", PROXY, PROXY_NAMESPACE)
LIST_PODS = Right("list-proxy-pods", "", "pods", "list", namespace=PROXY_NAMESPACE)
LIST_MODULES = Right("list-modules", "deckhouse.io", "modules", "list")
READ_DECKHOUSE = Right("read-deckhouse", "apps", "deployments", "get", "deckhouse", SYSTEM_NAMESPACE)
RIGHTS = (
    *(CLI_DOWNLOAD, READ_CONFIG_MAP, READ_INGRESS, READ_HTTP_ROUTE),
    *(LIST_PODS, LIST_MODULES, READ_DECKHOUSE),
)
USUAL = (CLI_DOWNLOAD, READ_CONFIG_MAP, LIST_MODULES, READ_DECKHOUSE)
"""What the tool needs to do everything in a cluster that publishes the ConfigMap."""

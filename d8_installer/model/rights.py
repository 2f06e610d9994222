"""Rights: what a person needs in a cluster (rpp.md §3, §18.5), how it is spelled, and the command that grants it.

The commands are for an administrator. Each can be pasted as it stands, so that names from a cluster are quoted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from d8_installer.model.shell_words import quoted
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMESPACE = "d8-cloud-instance-manager"
"""The namespace of the registry-packages-proxy (rpp.md §1)."""
PROXY = "registry-packages-proxy"
"""The name of its Deployment, Ingress and HTTPRoute, and the value of the label ``app`` of its pods."""
PROXY_CONFIG = "registry-packages-proxy-config"
"""The name of the ConfigMap that says where it is (rpp.md §18.6)."""
DOWNLOAD_ROLE = "d8:registry-packages-proxy:cli-download"
"""The ClusterRole that allows downloads. Newer clusters let it read the ConfigMap too (rpp.md §18.5)."""

ANONYMOUS = "system:anonymous"
"""Who sends a request without an identity, to Kubernetes."""
_SERVICE_ACCOUNT = "system:serviceaccount:"
_LONGEST = 200


class Right(Struct, frozen=True, kw_only=True):
    """One verb on one resource; ``purpose`` says in words what it lets a person do.

    ``cluster_role`` is a ClusterRole of Deckhouse that grants it; empty if none does. ``short`` names the Role or
    ClusterRole that an administrator makes where there is none.
    """

    verb: str
    resource: str
    short: str
    purpose: str
    group: str = ""
    subresource: str = ""
    name: str = ""
    namespace: str = ""
    cluster_role: str = ""

    @property
    def kind(self) -> str:
        """Return the resource as kubectl takes it: ``ingresses.networking.k8s.io``."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    @property
    def text(self) -> str:
        """Return the right in words: ``get ingresses.networking.k8s.io/NAME in NAMESPACE``."""
        named = f"{self.kind}/{self.name}" if self.name else self.kind
        part = f" (subresource {self.subresource})" if self.subresource else ""
        return f"{self.verb} {named}{part}" + (f" in {self.namespace}" if self.namespace else "")

    @property
    def attributes(self) -> dict[str, str]:
        """Return the ``resourceAttributes`` of a SelfSubjectAccessReview."""
        values = {
            "verb": self.verb,
            "group": self.group,
            "resource": self.resource,
            "subresource": self.subresource,
            "name": self.name,
            "namespace": self.namespace,
        }
        return {key: value for key, value in values.items() if value}

    def grant(self, user: str | None) -> str:
        """Return what to type to give *user* the right; who the user is must be asked for if it is None."""
        return grant_any([self], user)

    @property
    def what(self) -> str:
        """Return what to ask an administrator for."""
        return f"the ClusterRole {self.cluster_role}" if self.cluster_role else f"the right to {self.text}"

    def command(self, user: str) -> str:
        """Return what an administrator types to give *user* the right, for a shell."""
        role = self.cluster_role or f"d8-installer-{self.short}"
        binding = f"d8-installer-{self.short}-{_slug(user)}"
        if self.cluster_role or not self.namespace:
            bound = f"kubectl create clusterrolebinding {binding} --clusterrole={role} {_subject(user)}"
            return bound if self.cluster_role else f"kubectl create clusterrole {role} {self._rule()}; {bound}"
        made = f"kubectl create role {role} -n {self.namespace} {self._rule()}"
        return f"{made}; kubectl create rolebinding {binding} -n {self.namespace} --role={role} {_subject(user)}"

    def _rule(self) -> str:
        named = f" --resource-name={self.name}" if self.name else ""
        return f"--verb={self.verb} --resource={self.kind}{named}"


def grant_any(wanted: Sequence[Right], user: str | None) -> str:
    """Return what to type to give *user* any one of the rights that are *wanted*.

    Nobody is advised to give everybody a right: who is not known to the cluster logs in first.
    """
    if user == ANONYMOUS:
        return "the cluster does not know who you are: log in, so that the kubeconfig's user has a token or certificate"
    if user is None or len(user) > _LONGEST:
        what = " or ".join(dict.fromkeys(right.what for right in wanted))
        return f"ask an administrator for {what}; `kubectl auth whoami` shows the name to give it to"
    commands = dict.fromkeys(right.command(user) for right in wanted)
    return f"an administrator types {', or '.join(f'`{command}`' for command in commands)}"


DOWNLOAD = Right(
    verb="get",
    group="apps",
    resource="deployments",
    subresource="cli-binary",
    name=PROXY,
    namespace=NAMESPACE,
    short="download",
    purpose="download images",
    cluster_role=DOWNLOAD_ROLE,
)
READ_CONFIG = Right(
    verb="get",
    resource="configmaps",
    name=PROXY_CONFIG,
    namespace=NAMESPACE,
    short="download",
    purpose="read the ConfigMap that names the proxy",
    cluster_role=DOWNLOAD_ROLE,
)
READ_INGRESS = Right(
    verb="get",
    group="networking.k8s.io",
    resource="ingresses",
    name=PROXY,
    namespace=NAMESPACE,
    short="ingress",
    purpose="read the proxy's Ingress",
)
READ_HTTP_ROUTE = Right(
    verb="get",
    group="gateway.networking.k8s.io",
    resource="httproutes",
    name=PROXY,
    namespace=NAMESPACE,
    short="httproute",
    purpose="read the proxy's HTTPRoute",
)
LIST_PODS = Right(verb="list", resource="pods", namespace=NAMESPACE, short="pods", purpose="list the proxy's pods")
LIST_MODULES = Right(
    verb="list", group="deckhouse.io", resource="modules", short="modules", purpose="list the cluster's modules"
)
READ_DECKHOUSE = Right(
    verb="get",
    group="apps",
    resource="deployments",
    name="deckhouse",
    namespace="d8-system",
    short="deckhouse",
    purpose="read the version of Deckhouse",
)
DISCOVERY_RIGHTS = (READ_CONFIG, READ_INGRESS, READ_HTTP_ROUTE, LIST_PODS)
"""What discovery reads, in its order; each is needed only if those before it lead nowhere."""
REQUIREMENT_RIGHTS = (LIST_MODULES, READ_DECKHOUSE)
"""What the requirements of contracts need to know (rpp.md §9)."""


def user_of(text: str) -> str | None:
    """Return the user whom a refusal names, or None.

    The API server says ``User "NAME" cannot get resource …``, kube-rbac-proxy ``Forbidden (user=NAME, verb=…`` (rpp.md
    §2.3).
    """
    found = re.search(r'[Uu]ser "([^"]+)"|\(user=(.+?), verb=', text)
    name = (found[1] or found[2]) if found else None
    return name if name and name.isprintable() and len(name) <= _LONGEST else None


def _subject(user: str) -> str:
    namespace, colon, name = user.removeprefix(_SERVICE_ACCOUNT).partition(":")
    if user.startswith(_SERVICE_ACCOUNT) and colon:
        return f"--serviceaccount={quoted(f'{namespace}:{name}')}"
    return f"--user={quoted(user)}"


def _slug(user: str) -> str:
    """Return *user* as the end of a binding's name, so that each user gets a binding of their own."""
    short = user.removeprefix(_SERVICE_ACCOUNT).lower()
    return re.sub(r"[^a-z0-9.]+", "-", short, flags=re.ASCII).strip("-.")[:60] or "user"

"""The objects of a Deckhouse cluster that the tool reads, as documents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.cluster.rights import CONFIG_MAP_NAME, PROXY, PROXY_NAMESPACE, SYSTEM_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Document = dict[str, Any]
_AT_THE_PROXY = {"name": PROXY, "namespace": PROXY_NAMESPACE}
_ANY_OBJECT = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def namespace(name: str) -> Document:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config_map(endpoints: Sequence[str] | str, ca: str | None, public: str | None) -> Document:
    """Return the proxy's ConfigMap (rpp.md §18.6); *endpoints* may be any text, or a list that becomes JSON."""
    text = endpoints if isinstance(endpoints, str) else json.dumps(list(endpoints))
    data = {"endpoints": text, "ca.crt": ca, "publicEndpoint": public}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP_NAME, "namespace": PROXY_NAMESPACE},
        "data": {key: value for key, value in data.items() if value is not None},
    }


def ingress(*hosts: str) -> Document:
    """Return the proxy's Ingress with one rule for each host; an empty host is a rule without one."""
    backend = {"service": {"name": PROXY, "port": {"number": 443}}}
    path = {"path": "/v1/images", "pathType": "Prefix", "backend": backend}
    rules = [{**({"host": host} if host else {}), "http": {"paths": [path]}} for host in hosts]
    spec: Document = {"rules": rules} if rules else {"defaultBackend": backend}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": dict(_AT_THE_PROXY), "spec": spec}


def http_route(*hosts: str) -> Document:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": dict(_AT_THE_PROXY),
        "spec": {"hostnames": list(hosts)},
    }


def pod(name: str) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": PROXY_NAMESPACE, "labels": {"app": PROXY}},
        "spec": {"containers": [{"name": "proxy", "image": "proxy"}], "terminationGracePeriodSeconds": 0},
    }


def pod_status(ip: str, *, ready: bool, phase: str) -> Document:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {"phase": phase, "conditions": [condition], **({"podIP": ip, "podIPs": [{"ip": ip}]} if ip else {})}


def deckhouse(version: str | None) -> Document:
    """Return Deckhouse's Deployment, which says its version in an annotation (rpp.md §9)."""
    labels = {"app": "deckhouse"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "deckhouse",
            "namespace": SYSTEM_NAMESPACE,
            "annotations": {} if version is None else {"core.deckhouse.io/version": version},
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "deckhouse", "image": "deckhouse"}]},
            },
        },
    }


def module(name: str, version: str | None, *, enabled: bool, by: str) -> Document:
    """Return a Module; *by* names the condition that says whether it is enabled (rpp.md §18.10)."""
    return {
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": "Module",
        "metadata": {"name": name},
        "properties": {} if version is None else {"version": version},
        "status": {"conditions": [{"type": by, "status": "True" if enabled else "False"}]},
    }


def service_account(name: str, in_namespace: str) -> Document:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": in_namespace}}


def definition(group: str, version: str, kind: str, plural: str, scope: str) -> Document:
    """Return a CustomResourceDefinition whose objects may hold anything."""
    schema = {**_ANY_OBJECT, "properties": {"spec": _ANY_OBJECT, "status": _ANY_OBJECT}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        # The API server refuses a group of Kubernetes' own that nobody has approved.
        "metadata": {"name": f"{plural}.{group}", "annotations": {"api-approved.kubernetes.io": "unapproved, a test"}},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


MODULES = definition("deckhouse.io", "v1alpha1", "Module", "modules", "Cluster")
HTTP_ROUTES = definition("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes", "Namespaced")


def kubeconfig(
    cluster: Mapping[str, Any], user: Mapping[str, Any], *, context: str = "test", namespace_name: str = ""
) -> Document:
    """Return a kubeconfig with one context."""
    inside = {"cluster": "deckhouse", "user": "person", **({"namespace": namespace_name} if namespace_name else {})}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "deckhouse", "cluster": dict(cluster)}],
        "users": [{"name": "person", "user": dict(user)}],
        "contexts": [{"name": context, "context": inside}],
        "current-context": context,
    }

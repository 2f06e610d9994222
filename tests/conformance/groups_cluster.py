"""The group about finding the proxy in a cluster: an adapter over ``cluster.discovery``, with an API of the case's."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from d8_installer.cluster.discovery import discover
from d8_installer.errors import D8Error, NotAllowedError, NotFoundError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.conformance.group import Group, Input, Output


class _Api:
    """Answers what the case says; the Go client asks for neither a ConfigMap nor an HTTPRoute, so there is none."""

    def __init__(self, case: Input) -> None:
        self._case = case
        self.asked_for_pods = False

    def items(self, _path: str, _query: Sequence[tuple[str, str]]) -> list[object]:
        self.asked_for_pods = True
        pods = cast("list[Mapping[str, object]]", self._case.get("pods") or [])
        return [_pod(pod) for pod in pods]

    def get(self, path: str) -> object:
        if "/ingresses/" not in path:
            raise NotFoundError("not there")
        if error := self._case.get("ingress_error"):
            raise (NotAllowedError if "403" in str(error) else UnreachableError)(str(error))
        ingress = cast("Mapping[str, list[str]] | None", self._case.get("ingress"))
        if ingress is None:
            raise NotFoundError("not there")
        return {"spec": {"rules": [{"host": host} for host in ingress["hosts"]]}}


def _pod(pod: Mapping[str, object]) -> dict[str, object]:
    ready = {"type": "Ready", "status": "True" if pod["ready"] else "False"}
    deleted = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if pod["terminating"] else {}
    status = {"phase": pod["phase"], "podIP": pod["podIP"], "conditions": [ready]}
    return {"metadata": {"name": "registry-packages-proxy-x", **deleted}, "status": status}


def _endpoint_discovery(case: Input) -> Output:
    api = _Api(case)
    try:
        first = discover(api).endpoints[0]
    except D8Error:
        return {"error": "endpoint discovery failed", "pod_fallback": api.asked_for_pods}
    return {"endpoint": first.url, "via": first.named_by.lower()}


GROUPS: dict[str, Group] = {"endpoint_discovery": _endpoint_discovery}

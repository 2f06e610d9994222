"""The service account of the pod that the command runs in: its token, its CA and the address of the API."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.cluster.context import ClusterContext, ClusterUser, Pem

if TYPE_CHECKING:
    from collections.abc import Mapping

DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"


def in_cluster_context(env: Mapping[str, str], directory: str = DIRECTORY) -> ClusterContext | None:
    """Return the context of the pod's service account; None outside a pod, and in one without a token."""
    host, port = env.get("KUBERNETES_SERVICE_HOST"), env.get("KUBERNETES_SERVICE_PORT")
    token, ca = os.path.join(directory, "token"), os.path.join(directory, "ca.crt")
    if not host or not port or not os.path.isfile(token):
        return None
    return ClusterContext(
        name="",
        cluster="in-cluster",
        user=ClusterUser(name="service account", token_file=token),
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca=Pem(file=ca) if os.path.isfile(ca) else None,
        place="the service account of this pod",
        is_in_cluster=True,
    )

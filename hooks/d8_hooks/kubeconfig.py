"""Who the kubeconfig's user is, or the service account of the pod: a token, a password, a client certificate."""

from __future__ import annotations

from d8_installer.plugin.hookspec import hookimpl
from d8_installer.plugin.records import Credential


@hookimpl
def d8_credentials() -> list[Credential]:
    """Offer the identity of the kubeconfig's user, after all other credentials."""
    return [Credential("kubeconfig", token=lambda request: request.cluster_identity(), order=100)]

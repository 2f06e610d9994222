"""Turns an ``Access`` into options of the HTTP client, for the hooks that use HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.registry.client import CONNECT_TIMEOUT, ClientOptions
from d8_installer.registry.retry import RetryPolicy
from d8_installer.registry.tls import ClientCertificate

if TYPE_CHECKING:
    from d8_installer.plugin.records import Access
    from d8_installer.registry.origin import Origin


def client_options(access: Access, origin: Origin) -> ClientOptions:
    """Return the options of a client for *origin*, the only origin that sees the client certificate.

    The token is not among them: it is for the endpoint alone.
    """
    certificate = None
    if access.client_cert:
        certificate = ClientCertificate(origin, access.client_cert, access.client_key)
    return ClientOptions(
        ca_file=access.ca_file,
        roots=access.roots,
        insecure=access.insecure,
        env=access.env,
        forward_proxy=access.forward_proxy,
        offline=access.offline,
        connections=access.connections,
        connect_timeout=min(access.stall_timeout, CONNECT_TIMEOUT),
        read_timeout=access.stall_timeout,
        certificate=certificate,
        retry=RetryPolicy(tries=access.tries, max_wait=access.max_wait),
        wait=access.wait,
        secrets=access.secrets,
        trace=access.trace,
    )

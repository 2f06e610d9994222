"""Turns what a person chose (``Access``) into options of the HTTP client; for the hooks that speak HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.registry.client import CONNECT_TIMEOUT, ClientOptions
from d8_installer.registry.retry import RetryPolicy

if TYPE_CHECKING:
    from d8_installer.plugin.types import Access


def client_options(access: Access) -> ClientOptions:
    """Return the client's options; the token is not among them, for it belongs to one origin."""
    return ClientOptions(
        ca_file=access.ca_file,
        insecure=access.insecure,
        env=access.env,
        offline=access.offline,
        connections=access.connections,
        connect_timeout=min(access.stall, CONNECT_TIMEOUT),
        read_timeout=access.stall,
        retry=RetryPolicy(tries=access.tries, patience=access.patience),
        wait=access.wait,
        secrets=access.secrets,
    )

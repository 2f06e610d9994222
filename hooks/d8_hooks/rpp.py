"""``https://HOST``, and ``http://`` to this machine: a registry-packages-proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_hooks.connection import client_options
from d8_installer.model.identity import Identity
from d8_installer.plugin.hookspec import hookimpl
from d8_installer.plugin.records import SourceScheme
from d8_installer.registry.client import Client, OriginIdentity
from d8_installer.registry.endpoint import Endpoint
from d8_installer.registry.origin import Origin
from d8_installer.registry.rpp import RppSource

if TYPE_CHECKING:
    from d8_installer.plugin.records import Access


@hookimpl
def d8_sources() -> list[SourceScheme]:
    """Offer ``https`` and ``http``."""
    return [SourceScheme(name, open=_open) for name in ("https", "http")]


def _open(url: str, access: Access) -> RppSource:
    endpoint = Endpoint.parse(url)
    origin = Origin.parse(url)
    client = Client(client_options(access, origin), _identity(access, origin))
    return RppSource(endpoint, client, access.token_from)


def _identity(access: Access, origin: Origin) -> OriginIdentity | None:
    if access.identity is not None:
        return OriginIdentity(origin, access.identity, access.renewed)
    ask = access.token
    return None if ask is None else OriginIdentity(origin, lambda: _bearer(ask()))


def _bearer(token: str | None) -> Identity | None:
    return None if token is None else Identity(token=token)

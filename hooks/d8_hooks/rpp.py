"""``https://HOST``, and ``http://`` to this machine: a registry-packages-proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_hooks.connection import client_options
from d8_installer.plugin.hookspec import hookimpl
from d8_installer.plugin.records import SourceScheme
from d8_installer.registry.client import BearerToken, Client
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
    token = BearerToken(origin, access.token) if access.token is not None else None
    return RppSource(endpoint, Client(client_options(access, origin), token), access.token_from)

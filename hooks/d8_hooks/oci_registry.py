"""``oci://host[:port]/repository``: an OCI registry, read and written without any proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_hooks.connection import client_options
from d8_installer.plugin.hookspec import hookimpl
from d8_installer.plugin.types import DestinationScheme, SourceScheme
from d8_installer.registry.client import Client
from d8_installer.registry.distribution import Registry, RegistrySource
from d8_installer.registry.pushing import RegistryDestination

if TYPE_CHECKING:
    from d8_installer.plugin.types import Access


@hookimpl
def d8_sources() -> list[SourceScheme]:
    """Offer ``oci`` for reading."""
    return [SourceScheme("oci", open=lambda url, access: RegistrySource(_registry(url, access)))]


@hookimpl
def d8_destinations() -> list[DestinationScheme]:
    """Offer ``oci`` for writing."""
    return [DestinationScheme("oci", open=lambda url, access: RegistryDestination(_registry(url, access)))]


def _registry(url: str, access: Access) -> Registry:
    # The endpoint's bearer token is not for a registry: that has credentials of its own (docker's config.json).
    return Registry(url, Client(client_options(access)), access.env)

"""``oci://host[:port]/repository``: an OCI registry, read and written directly.

``oci+https:`` and ``oci+http:`` name the protocol; ``oci:`` is https, but http to this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_hooks.connection import client_options
from d8_installer.plugin.hookspec import hookimpl
from d8_installer.plugin.records import DestinationScheme, SourceScheme
from d8_installer.registry.client import Client
from d8_installer.registry.oci_address import OCI_SCHEMES, OciAddress
from d8_installer.registry.oci_push import RegistryDestination
from d8_installer.registry.oci_registry import Registry, RegistrySource

if TYPE_CHECKING:
    from d8_installer.plugin.records import Access


@hookimpl
def d8_sources() -> list[SourceScheme]:
    """Offer ``oci`` and its two variants for reading."""
    return [SourceScheme(name, open=_source) for name in OCI_SCHEMES]


@hookimpl
def d8_destinations() -> list[DestinationScheme]:
    """Offer ``oci`` and its two variants for writing."""
    return [DestinationScheme(name, open=_destination) for name in OCI_SCHEMES]


def _source(url: str, access: Access) -> RegistrySource:
    return RegistrySource(_registry(url, access))


def _destination(url: str, access: Access) -> RegistryDestination:
    return RegistryDestination(_registry(url, access))


def _registry(url: str, access: Access) -> Registry:
    # The endpoint's bearer token is not for a registry, which has credentials of its own (docker's config.json).
    return Registry(url, Client(client_options(access, OciAddress.parse(url).origin)), access.env)

"""``oci-layout:DIR``: a directory with one OCI image layout per repository."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.plugin.hookspec import hookimpl
from d8_installer.plugin.records import DestinationScheme, SourceScheme
from d8_installer.registry.oci_layout import LayoutDestination, LayoutSource

if TYPE_CHECKING:
    from d8_installer.plugin.records import Access

_NAME = "oci-layout"


@hookimpl
def d8_sources() -> list[SourceScheme]:
    """Offer ``oci-layout`` for reading."""
    return [SourceScheme(_NAME, open=_open_source)]


@hookimpl
def d8_destinations() -> list[DestinationScheme]:
    """Offer ``oci-layout`` for writing."""
    return [DestinationScheme(_NAME, open=_open_destination)]


def _open_source(url: str, access: Access) -> LayoutSource:  # noqa: ARG001 - files need no access
    return LayoutSource(_directory(url))


def _open_destination(url: str, access: Access) -> LayoutDestination:  # noqa: ARG001 - files need no access
    return LayoutDestination(_directory(url))


def _directory(url: str) -> str:
    """Return the directory in the URL; ``~`` is expanded here, since no shell does it after a colon."""
    return os.path.expanduser(url.removeprefix(f"{_NAME}:"))

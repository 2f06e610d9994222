"""``bundle:FILE``: one file with images, lock and manifests, made by ``d8-installer bundle create``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.plugin.hookspec import hookimpl
from d8_installer.plugin.records import SourceScheme
from d8_installer.registry.bundle import BundleSource

if TYPE_CHECKING:
    from d8_installer.plugin.records import Access

_NAME = "bundle"


@hookimpl
def d8_sources() -> list[SourceScheme]:
    """Offer ``bundle`` for reading."""
    return [SourceScheme(_NAME, open=_open)]


def _open(url: str, access: Access) -> BundleSource:  # noqa: ARG001 - a file needs no access
    # No shell expands a `~` after a colon.
    return BundleSource(os.path.expanduser(url.removeprefix(f"{_NAME}:")))

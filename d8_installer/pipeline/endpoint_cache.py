"""The endpoints that were found in clusters, kept for an hour: then an install need not ask the API server.

A file for each cluster and user, ``endpoints/<key>.json``. It holds the address, who named it and the published CA, and
no secret.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, get_args

from d8_installer.cluster.discovery import NamedBy, NamedEndpoint
from d8_installer.pipeline.endpoint_choice import ChosenEndpoint
from d8_installer.store import fs, private_document
from d8_installer.store.stamp import modification_time

if TYPE_CHECKING:
    from datetime import datetime

    from d8_installer.store.paths import Home

KEPT_SECONDS = 3600
_FORGOTTEN_SECONDS = 30 * 24 * 3600
"""After that time the file of a cluster that is asked no more is removed."""
_CUT_SECONDS = 60
"""After that time a temporary file is known to be the leftover of a killed process."""


def load(home: Home, key: str, now: datetime) -> ChosenEndpoint | None:
    """Return the endpoint that was found within the last hour; None also if it comes from the future."""
    chosen = _parse(private_document.read(home.endpoint(key)) or {})
    return chosen if chosen is not None and 0 <= now.timestamp() - chosen.found <= KEPT_SECONDS else None


def save(home: Home, key: str, chosen: ChosenEndpoint) -> None:
    """Keep an endpoint that was just found. Nothing is written into a home that does not exist or is not one's own."""
    if not os.path.isfile(home.schema) or not private_document.is_own_directory(home.root):
        return
    endpoint = chosen.endpoint
    private_document.write(
        home.endpoint(key),
        {
            "url": endpoint.url,
            "named_by": endpoint.named_by,
            "ca": endpoint.ca,
            "asked": list(chosen.asked),
            "found": chosen.found,
        },
    )
    _sweep(home, chosen.found)


def drop(home: Home, key: str) -> None:
    """Forget the endpoint of one cluster and user."""
    fs.remove(home.endpoint(key))


def forget(home: Home, *, dry_run: bool = False) -> list[str]:
    """Forget all endpoints; return the files that were removed, or would be in a *dry_run*."""
    files = [os.path.join(home.endpoints, name) for name in fs.list_directory(home.endpoints)]
    for file in files if not dry_run else ():
        fs.remove(file)
    return files


def _parse(content: dict[str, object]) -> ChosenEndpoint | None:
    url, named_by, ca = content.get("url"), content.get("named_by"), content.get("ca")
    asked, found = content.get("asked"), content.get("found")
    if not isinstance(url, str) or not url.startswith("https://") or named_by not in get_args(NamedBy):
        return None
    if not isinstance(asked, list) or not isinstance(found, (int, float)) or not isinstance(ca, (str, type(None))):
        return None
    kind = next(kind for kind in get_args(NamedBy) if kind == named_by)
    endpoint = NamedEndpoint(url, kind, ca)
    return ChosenEndpoint(endpoint=endpoint, asked=tuple(map(str, asked)), found=float(found), is_cached=True)


def _sweep(home: Home, now: float) -> None:
    for name in fs.list_directory(home.endpoints):
        path = os.path.join(home.endpoints, name)
        modified = modification_time(path)
        longest = _FORGOTTEN_SECONDS if fs.final_name(name) == name else _CUT_SECONDS
        if modified is not None and now - modified / 1e9 > longest:
            fs.remove(path)

"""JSON as Go's ``encoding/json`` reads it into a struct, where that is wider than Python's. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def member(document: Mapping[str, object], name: str) -> object:
    """Return the member *name* in any spelling of its case; of several the last one, as Go does. None: there is none.

    The registry-packages-proxy and the Go client read tag lists in this way (rpp.md §18.4).
    """
    found = [value for key, value in document.items() if key.casefold() == name]
    return found[-1] if found else None

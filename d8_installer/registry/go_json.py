"""JSON as Go's ``encoding/json`` reads it into a struct, where that differs from Python's. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def member(document: Mapping[str, object], name: str) -> object:
    """Return the member *name*, in upper or lower case, or None; of several the last one, as in Go.

    The registry-packages-proxy and the Go client read tag lists in this way (rpp.md §18.4).
    """
    found = [value for key, value in document.items() if key.casefold() == name]
    return found[-1] if found else None

"""Which published versions may be the one that the Go tool installed: it writes down only the major for certain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 5
"""How many versions are compared with what is installed: each may be a download."""


def candidates(tags: Iterable[str], major: int | None, written: str | None) -> tuple[str, ...]:
    """Return the *tags* to try, the likeliest first: the version that is *written* beside the program, then the newest.

    The written version may be spelled in another way than its tag, and may be the contract's own (rpp.md §18, 11).
    """
    versions = [version for tag in tags if (version := Version.try_parse(tag)) is not None]
    versions.sort(key=lambda version: version.preference_key, reverse=True)
    told = None if written is None else Version.try_parse(written)
    first = [v for v in versions if v.text == written]
    first += [v for v in versions if told is not None and v.compare(told) == 0]
    rest = [v for v in versions if major is None or v.major == major]
    return tuple(dict.fromkeys(version.text for version in (*first, *rest)))[:MOST]

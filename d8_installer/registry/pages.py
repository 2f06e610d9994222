"""The next page of a list: the ``Link`` header (RFC 8288 §3; distribution-spec, Listing Tags). No I/O."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from d8_installer.errors import ConfigError, MismatchError
from d8_installer.registry.origin import Origin

_TCHAR = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
# Possessive quantifiers: a hostile header of 100 kB costs linear time.
_TARGET = re.compile(r"[\s,]*+<([^<>]*+)>", re.ASCII)
_PARAMETER = re.compile(
    rf'\s*+;\s*+(?:({_TCHAR})\s*+(?:=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s",;]*+)))?+)?+', re.ASCII | re.DOTALL
)
_BETWEEN = re.compile(r"\s*+(?:,[\s,]*+|\Z)", re.ASCII)


def next_page(header: str, url: str) -> str | None:
    """Return the URL of the page behind the one at *url*, or None; several headers are joined by commas.

    Only the path and the query of the target count, on the origin of *url*: behind a proxy a registry does not know
    its own name. A header that cannot be read, or leads nowhere, is a MismatchError: to take it for the end of the
    list would hide the newest versions.
    """
    for target, parameters in _links(header):
        if "next" in parameters.get("rel", "").lower().split() and "anchor" not in parameters:
            return _on_own_origin(url, target)
    return None


def _links(header: str) -> list[tuple[str, dict[str, str]]]:
    """Return each target with its parameters, names in lower case; of a repeated one the first counts."""
    links, at = [], 0
    end = len(header.rstrip(" \t,"))
    while at < end:
        target = _TARGET.match(header, at)
        if target is None:
            raise _unreadable(header, at)
        at = target.end()
        parameters: dict[str, str] = {}
        while (found := _PARAMETER.match(header, at)) is not None:
            at = found.end()
            if found[1]:
                quoted = found[2]
                value = (found[3] or "") if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
                parameters.setdefault(found[1].lower(), value)
        links.append((target[1], parameters))
        between = _BETWEEN.match(header, at)
        if between is None:
            raise _unreadable(header, at)
        at = between.end()
    return links


def _on_own_origin(url: str, target: str) -> str:
    own = urlsplit(url)
    try:
        there = urlsplit(urljoin(url, target.strip()))
        following = f"{own.scheme}://{own.netloc}{there.path}" + (f"?{there.query}" if there.query else "")
        if not there.path.startswith("/") or Origin.parse(following) != Origin.parse(url):
            raise ValueError
    except (ValueError, ConfigError):
        raise MismatchError(
            f"{Origin.parse(url)}: the next page of the list has no usable address",
            hint="check that this is an OCI registry",
        ) from None
    return following


def _unreadable(header: str, at: int) -> MismatchError:
    return MismatchError(
        f"the header Link, which leads to the next page, cannot be read at character {at + 1} of {len(header)}",
        hint="check that this is an OCI registry, or use another source",
    )

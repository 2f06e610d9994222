"""The proxy's routes: what a path and its query ask for (rpp.md §2.1, §2.4). No I/O.

Both ends read paths here. Requests are made in ``rpp_wire``, and routes are answered in ``proxy``.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import unquote_to_bytes

from d8_installer.model.platform import Platform
from d8_installer.model.value import Struct

PREFIX = "/v1/images/"
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
"""A percent sign that begins no escape: no URL has one (RFC 3986 §2.1)."""

Action = Literal["tags", "image", "manifest"]
Generation = Literal["current", "G1"]


class Route(Struct, frozen=True):
    """What a path asks for; ``ref`` is the version or manifest reference, empty for tags."""

    action: Action
    image: str
    ref: str = ""


def parse_path(path: str, generation: Generation = "current") -> Route | None:
    """Read a percent-DECODED path (rpp.md §2.1, G1: §2.7); None where the proxy has no route.

    The allow-list is not asked here (``model.reference.is_allowed_image``).
    """
    if not path.startswith(PREFIX):
        return None
    rest = path.removeprefix(PREFIX).strip("/")
    if generation == "G1":
        return _parse_g1(rest)
    if rest.endswith("/tags"):
        return Route("tags", rest.removesuffix("/tags"))
    return _split(rest, "/images/", "image") or _split(rest, "/manifests/", "manifest")


def _split(rest: str, separator: str, action: Action) -> Route | None:
    image, found, ref = rest.rpartition(separator)
    return Route(action, image, ref) if found and image and ref and "/" not in ref else None


def _parse_g1(rest: str) -> Route | None:
    image, found, tail = rest.rpartition("/tags")
    if not found or not image:
        return None
    ref = tail.removeprefix("/")
    if not tail:
        return Route("tags", image)
    return Route("image", image, ref) if tail.startswith("/") and ref and "/" not in ref else None


class InvalidPlatform(Exception):  # noqa: N818 - it is an answer of the protocol (400), not an error of ours
    """The query's ``platform`` is not two non-empty parts around one dash."""


def parse_platform_query(raw_query: str) -> Platform | None:
    """Read ``platform`` out of a raw query as Go's parser does (rpp.md §2.4); None if absent or empty.

    The first value counts; pairs with a bad escape or ``;`` count as absent. Any two non-empty parts are
    a platform here: ``Linux-amd64`` is valid, and matches no child.
    """
    for pair in raw_query.split("&"):
        key, _, raw = pair.partition("=")
        if ";" in pair or BAD_ESCAPE.search(pair) or _unescape(key) != "platform":
            continue
        value = _unescape(raw)
        system, _, architecture = value.partition("-")
        if value and (not system or not architecture or "-" in architecture):
            raise InvalidPlatform(value[:100])
        return Platform(system, architecture) if value else None
    return None


def _unescape(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode(errors="surrogateescape")

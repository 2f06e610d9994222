"""The proxy's routes, for both ends: what a path and its query ask for, and the texts of a 404 (rpp.md §2). No I/O.

Requests are made in ``rpp_wire``; routes are answered in ``proxy``.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import unquote_to_bytes

from d8_installer.model.platform import Platform
from d8_installer.model.value import Struct

PREFIX = "/v1/images/"
NOT_FOUND_BODY = "404 page not found\n"
MANIFEST_NOT_FOUND_BODY = "manifest not found\n"
IMAGE_NOT_FOUND_BODY = "image not found\n"

Action = Literal["tags", "image", "manifest"]


class Route(Struct, frozen=True):
    """What a path asks for; ``ref`` is the version or manifest reference, empty for tags."""

    action: Action
    image: str
    ref: str = ""


def parse_path(path: str) -> Route | None:
    """Return the route of a percent-decoded path (rpp.md §2.1), or None if the proxy has no such route.

    The allow-list is not consulted here (``model.reference.is_allowed_image``).
    """
    if not path.startswith(PREFIX):
        return None
    rest = path.removeprefix(PREFIX).strip("/")
    if rest.endswith("/tags"):
        return Route("tags", rest.removesuffix("/tags"))
    return _split(rest, "/images/", "image") or _split(rest, "/manifests/", "manifest")


def _split(rest: str, separator: str, action: Action) -> Route | None:
    image, found, ref = rest.rpartition(separator)
    return Route(action, image, ref) if found and image and ref and "/" not in ref else None


class InvalidPlatform(Exception):  # noqa: N818 - it is an answer of the protocol (400), not an error of ours
    """The query's ``platform`` is not two non-empty parts around one dash."""


def parse_platform_query(raw_query: str) -> Platform | None:
    """Read ``platform`` from a raw query as Go's parser does (rpp.md §2.4); None if absent or empty.

    The first value counts; pairs with a bad escape or ``;`` count as absent. Any two non-empty parts are a platform
    here: ``Linux-amd64`` is valid, and matches no child. Anything else is an InvalidPlatform.
    """
    for pair in raw_query.split("&"):
        key, _, raw = pair.partition("=")
        if ";" in pair or has_bad_escape(pair) or _unescape(key) != "platform":
            continue
        value = _unescape(raw)
        system, _, architecture = value.partition("-")
        if value and (not system or not architecture or "-" in architecture):
            raise InvalidPlatform(value[:100])
        return Platform(system, architecture) if value else None
    return None


def has_bad_escape(text: str) -> bool:
    """Whether *text* has a percent sign that begins no escape: no URL has one (RFC 3986 §2.1)."""
    return "%" in text and re.search(r"%(?![0-9A-Fa-f]{2})", text) is not None


def _unescape(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode(errors="surrogateescape")

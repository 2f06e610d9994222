"""What may be shown of an address: the only way an address reaches a message, JSON, a log or an exception.

An address is anything that leads to a source, a destination, a proxy, a token service or a redirect's target. People
and servers put passwords and signatures into it, also in forms that no parser accepts. So only the parts that were
parsed are shown, and of these neither user, query nor fragment.
"""

from __future__ import annotations

import re
from typing import NewType

Shown = NewType("Shown", str)
"""Text of an address that may be shown. Only ``shown`` makes one."""

HIDDEN = "\N{HORIZONTAL ELLIPSIS}"
"""Stands for the parts that are not shown."""

_LONGEST = 200
_PATH_SCHEMES = ("bundle", "oci-layout")
_SCHEMES = ("https", "http", "oci", "oci+https", "oci+http", "socks5", "socks5h")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):(?=//)", re.ASCII | re.IGNORECASE)
# The characters of RFC 3986 without "@", which may only end a user's part, and without "\", which browsers read as "/".
_AUTHORITY = re.compile(
    r"//(?:[!-.0->A-\[\]-~]*@)?([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?=[/?#]|\Z)",
    re.ASCII | re.IGNORECASE,
)
_PATH = re.compile(r"(?:/[A-Za-z0-9._~:+,-]*)*", re.ASCII)
_DIGEST = re.compile(r"@sha(?:256|512):[0-9a-f]{64,128}\Z", re.ASCII)
_LOOKS_LIKE_ONE = re.compile(r"://|:[^@]*@")
_BETWEEN = re.compile(r"[/:@?#&;=\s\\]+")
_AT = re.compile(r"@|%(?:25)*40")


def shown(text: str) -> Shown:
    """Return what may be shown of the address *text*: ``scheme://host[:port]/path``, at most about 200 characters.

    Parts that are left out, or cannot be parsed (RFC 3986 §3), are ``…``: a path with other characters than letters,
    digits and ``._~:+,-``, and everything behind the scheme where there is an ``@`` outside the user's part, a
    space, a control character, a backslash or a character that is not ASCII. Text without a scheme is ``…``.
    ``bundle:`` and ``oci-layout:`` are followed by a path of this machine, which is shown. Applied twice, it changes
    nothing. Never raises.
    """
    scheme, colon, path = text.partition(":")
    if colon and scheme in _PATH_SCHEMES:
        return Shown(f"{scheme}:{shown(path)}" if _leads_away(path) else text)
    if text.endswith(f"/{HIDDEN}") and shown(text[:-2]) == text[:-2]:
        return Shown(text)
    named = _SCHEME.match(text)
    if named is None:
        known = scheme.lower() in _SCHEMES
        return Shown(f"{scheme.lower()}:{HIDDEN}" if colon and known else HIDDEN)
    return Shown(f"{named[1].lower()}://{_place(text[named.end() :])}")


def hides(text: str) -> bool:
    """Whether ``shown`` leaves anything out of *text*: a user, a query, what cannot be parsed."""
    return shown(text).lower() != text.lower()


def hidden_parts(text: str) -> tuple[str, ...]:
    """Return the parts of an address that ``shown`` leaves out, for messages that quote a word typed in a wrong place.

    Empty for text that is not an address: it has neither ``://`` nor a user's part, and no scheme of ours.
    """
    word = text.partition("=")[2] if text.startswith("--") else text
    if not hides(word) or not (_LOOKS_LIKE_ONE.search(word) or word.partition(":")[0].lower() in _SCHEMES):
        return ()
    seen = set(_BETWEEN.split(shown(word).lower()))
    return tuple(part for part in _BETWEEN.split(word) if part.lower() not in seen)


def _leads_away(path: str) -> bool:
    """Whether a path is an address by mistake: ``bundle:https://…``, ``bundle:https:…``, ``bundle://host/…``."""
    scheme, colon, _ = path.partition(":")
    is_host = path.startswith("//") and not path.startswith("///")
    return is_host or _SCHEME.match(path) is not None or (bool(colon) and scheme.lower() in _SCHEMES)


def _place(rest: str) -> str:
    """Return host, port and path of what follows ``scheme:``; ``…`` where they cannot be told for certain."""
    digest = _DIGEST.search(rest)
    plain = rest[: digest.start()] if digest else rest
    found = _AUTHORITY.match(plain)
    if found is None or not rest.isascii() or re.search(r"[\x00-\x20\x7f\\]", rest) or int(found[2] or 1) > 65535:
        return HIDDEN
    behind = plain[found.end() :]
    if _AT.search(behind):
        return HIDDEN  # a user's part with a "/", "?" or "#" in it: what looks like the host is a part of the secret
    host = found[1].lower() + (f":{found[2]}" if found[2] else "")
    path = re.split(r"[?#;]", behind, maxsplit=1)[0]
    if not _PATH.fullmatch(path) or len(path) > _LONGEST:
        return f"{host}/{HIDDEN}"
    whole = digest[0] if digest and len(path) == len(behind) else ""
    return f"{host}{path}{whole}"

"""The parts of an address that may be shown: the only form of an address in a message, JSON, a log or an exception.

An address leads to a source, a destination, a proxy, a token service or the target of a redirect. People and servers
put passwords and signatures into addresses, also in forms that no parser accepts. So only parts that were parsed are
shown, and of these neither the user, the query nor the fragment.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NewType

Shown = NewType("Shown", str)
"""The text of an address that may be shown. Only ``shown`` makes one."""

HIDDEN = "\N{HORIZONTAL ELLIPSIS}"
"""Stands for every part that is not shown."""

_LONGEST = 200
PATH_SCHEMES = frozenset(["bundle", "oci-layout"])
"""The schemes that are followed by a path of this machine."""
_SCHEMES = ("https", "http", "oci", "oci+https", "oci+http", "socks5", "socks5h")
_ALPHANUMERIC = "abcdefghijklmnopqrstuvwxyz0123456789"
_PATH_CHARACTERS = f"{_ALPHANUMERIC}{_ALPHANUMERIC.upper()}/._~:+,-"
_NEVER_IN_AN_ADDRESS = frozenset([*map(chr, range(0x21)), "\x7f", "\\"])
_BETWEEN = r"[/:@?#&;=\s\\]+"


@cache
def _authority() -> re.Pattern[str]:
    # RFC 3986's characters, but "@" only at the end of a user's part, and no "\", which browsers read as "/".
    pattern = r"//(?:[!-.0->A-\[\]-~]*@)?([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?=[/?#]|\Z)"
    return re.compile(pattern, re.ASCII | re.IGNORECASE)


def shown(text: str) -> Shown:
    """Return the parts of the address *text* that may be shown: ``scheme://host[:port]/path``, about 200 characters.

    A part that is left out, or that cannot be parsed (RFC 3986 §3), is ``…``: a path with other characters than
    letters, digits and ``._~:+,-``, and all that follows the scheme if it has an ``@`` outside the user's part, a
    space, a control character, a backslash or a character that is not ASCII. Text without a scheme is ``…``. The path
    of this machine that follows ``bundle:`` or ``oci-layout:`` is shown. Applied twice, the function changes nothing.
    It never raises.
    """
    scheme, colon, path = text.partition(":")
    if colon and scheme in PATH_SCHEMES:
        return Shown(f"{scheme}:{shown(path)}" if _leads_away(path) else text)
    if text.endswith(f"/{HIDDEN}") and shown(text[:-2]) == text[:-2]:
        return Shown(text)
    if not _has_scheme(text):
        known = scheme.lower() in _SCHEMES
        return Shown(f"{scheme.lower()}:{HIDDEN}" if colon and known else HIDDEN)
    return Shown(f"{scheme.lower()}://{_place(path)}")


def hides(text: str) -> bool:
    """Whether ``shown`` leaves anything out of *text*: a user, a query, or a part that cannot be parsed."""
    return shown(text).lower() != text.lower()


def hidden_parts(text: str) -> tuple[str, ...]:
    """Return the parts of an address that ``shown`` leaves out, for messages that quote a misplaced word.

    Empty for text that is not an address: it has neither ``://`` nor a user's part, nor a scheme that the tool knows.
    """
    word = text.partition("=")[2] if text.startswith("--") else text
    if not hides(word) or not (re.search("://|:[^@]*@", word) or word.partition(":")[0].lower() in _SCHEMES):
        return ()
    seen = set(re.split(_BETWEEN, shown(word).lower()))
    return tuple(part for part in re.split(_BETWEEN, word) if part.lower() not in seen)


def _has_scheme(text: str) -> bool:
    """Whether *text* begins with a scheme and two slashes."""
    scheme, colon, rest = text.partition(":")
    is_word = scheme[:1].isascii() and scheme[:1].isalpha() and not scheme.lower().strip(f"{_ALPHANUMERIC}+.-")
    return bool(colon) and is_word and rest.startswith("//")


def _leads_away(path: str) -> bool:
    """Whether *path* is an address by mistake: ``bundle:https://…``, ``bundle:https:…``, ``bundle://host/…``."""
    scheme, colon, _ = path.partition(":")
    is_host = path.startswith("//") and not path.startswith("///")
    return is_host or _has_scheme(path) or (bool(colon) and scheme.lower() in _SCHEMES)


def _place(rest: str) -> str:
    """Return the host, port and path of the text that follows ``scheme:``, or ``…`` if they are not certain."""
    digest = re.search(r"@sha(?:256|512):[0-9a-f]{64,128}\Z", rest) if "@sha" in rest else None
    plain = rest[: digest.start()] if digest else rest
    found = _authority().match(plain)
    is_clean = rest.isascii() and _NEVER_IN_AN_ADDRESS.isdisjoint(rest)
    if found is None or not is_clean or int(found[2] or 1) > 65535:
        return HIDDEN
    behind = plain[found.end() :]
    if "@" in behind or ("%" in behind and re.search("%(?:25)*40", behind)):
        return HIDDEN  # the user's part has a "/", "?" or "#" in it: what looks like the host belongs to the secret
    host = found[1].lower() + (f":{found[2]}" if found[2] else "")
    path = behind.partition("?")[0].partition("#")[0].partition(";")[0]
    if path[:1] not in ("", "/") or path.strip(_PATH_CHARACTERS) or len(path) > _LONGEST:
        return f"{host}/{HIDDEN}"
    whole = digest[0] if digest and len(path) == len(behind) else ""
    return f"{host}{path}{whole}"

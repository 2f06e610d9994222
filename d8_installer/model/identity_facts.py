"""What an identity says of itself: its kind, whose it is and when it ends. Nothing is verified, and nothing is secret.

A token that is a JWT (RFC 7519) has readable claims; of a certificate the subject and the end are read (RFC 5280).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.identity import Identity

_LONGEST_TOKEN = 1 << 16
_ACCOUNT = "system:serviceaccount:"
_BOOTSTRAP = r"[a-z0-9]{6}\.[a-z0-9]{16}"
_SHOWN = 200


class IdentityFacts(Struct, frozen=True):
    """What can be told of an identity: ``kind`` in words, ``subject`` if it names one, and its end if it has one."""

    kind: str
    subject: str = ""
    expires: datetime | None = None

    def has_expired(self, now: datetime) -> bool:
        """Whether its end has passed."""
        return self.expires is not None and self.expires <= now

    @property
    def until(self) -> str:
        """The end as messages show it, empty if there is none."""
        return "" if self.expires is None else self.expires.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def facts_of(identity: Identity) -> IdentityFacts:
    """Return what *identity* says of itself. An end that its giver named counts before the one that it has inside."""
    facts = _facts(identity)
    given = None if identity.expires is None else _moment(identity.expires)
    return facts if given is None else IdentityFacts(facts.kind, facts.subject, given)


def _facts(identity: Identity) -> IdentityFacts:
    if identity.token is not None:
        return _of_token(identity.token)
    if identity.username is not None:
        return IdentityFacts("password", _plain(identity.username))
    return IdentityFacts("client certificate", *_of_certificate(identity.certificate or b""))


def _of_token(token: str) -> IdentityFacts:
    claims = _claims(token)
    if claims is None:
        is_bootstrap = re.fullmatch(_BOOTSTRAP, token, re.ASCII) is not None
        return IdentityFacts("bootstrap token" if is_bootstrap else "token", token[:6] if is_bootstrap else "")
    subject, expires = claims.get("sub"), claims.get("exp")
    name = subject if isinstance(subject, str) else ""
    end = _moment(expires) if isinstance(expires, int | float) and not isinstance(expires, bool) else None
    if name.startswith(_ACCOUNT):
        return IdentityFacts("token of a service account", _plain(name), end)
    shown = next((value for value in map(claims.get, ("email", "preferred_username", "sub")) if value), "")
    return IdentityFacts("token", _plain(shown) if isinstance(shown, str) else "", end)


def _claims(token: str) -> dict[str, object] | None:
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _LONGEST_TOKEN:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _plain(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text[:_SHOWN])


# -- certificates ----------------------------------------------------------------------------------------------

_COMMON_NAME = bytes.fromhex("550403")
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_TAGGED = 0xA0


def _of_certificate(pem: bytes) -> tuple[str, datetime | None]:
    """Return common name and end of the first certificate in *pem*; nothing of what cannot be read."""
    match = re.search(rb"-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----", pem)
    try:
        whole = base64.b64decode(match[1]) if match else b""
        ((_, certificate),) = _elements(whole)
        signed = next(_elements(certificate))[1]
        # Without the version: serial number, algorithm, issuer, validity, subject.
        fields = [value for tag, value in _elements(signed) if tag != _TAGGED]
        _, end = _elements(fields[3])
        return _common_name(fields[4]), _time(*end)
    except (ValueError, IndexError, StopIteration, binascii.Error):
        return "", None


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element of *der*; ValueError or IndexError if a length is wrong."""
    at = 0
    while at < len(der):
        tag, size, at = der[at], der[at + 1], at + 2
        if size & 0x80:
            width = size & 0x7F
            size, at = int.from_bytes(der[at : at + width], "big"), at + width
        if at + size > len(der):
            raise ValueError("an element is cut")
        yield tag, der[at : at + size]
        at += size


def _common_name(subject: bytes) -> str:
    for _, group in _elements(subject):
        for _, attribute in _elements(group):
            (_, kind), (_, value) = _elements(attribute)
            if kind == _COMMON_NAME:
                return _plain(value.decode("utf-8", "replace"))
    return ""


def _time(tag: int, value: bytes) -> datetime | None:
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        return None
    text = value.decode("ascii", "replace")
    if tag == _UTC_TIME:  # RFC 5280 §4.1.2.5.1
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)

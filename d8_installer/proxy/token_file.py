"""The bearer tokens that the proxy accepts, read from a file and compared in constant time."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.model.value import Struct
from d8_installer.proxy import answers

if TYPE_CHECKING:
    from d8_installer.proxy.answers import Answer

_TOKEN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~+/-")
"""The characters of a token, which may end with ``=`` (RFC 6750 §2.1, b64token). A colon is never part of it."""
_DENY = "deny:"


class TokenFile(Struct, frozen=True):
    """The tokens that are accepted, and those that are known but refused (403). They are never shown."""

    allowed: tuple[bytes, ...]
    denied: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"TokenFile({len(self.allowed)} allowed, {len(self.denied)} denied)"

    @classmethod
    def parse(cls, text: str) -> TokenFile:
        """Read a token file: one ``TOKEN`` or ``deny:TOKEN`` a line, with blank lines and ``#`` comments.

        Raises ConfigError, which names only the line's number, if a line is not a token, or if no token is accepted.
        """
        allowed: list[bytes] = []
        denied: list[bytes] = []
        for number, line in enumerate(text.splitlines(), 1):
            token = line.strip()
            if not token or token.startswith("#"):
                continue
            if not _is_token(token.removeprefix(_DENY)):
                raise ConfigError(
                    f"line {number} of the token file is not a bearer token",
                    hint="write one token a line, of letters, digits and . _ ~ + / - with = at its end",
                    code="bad-token",
                )
            (denied if token.startswith(_DENY) else allowed).append(token.removeprefix(_DENY).encode())
        if not allowed:
            raise ConfigError("the token file holds no token", hint="write one bearer token a line", code="bad-token")
        return cls(tuple(allowed), tuple(denied))

    def refusal(self, authorization: bytes) -> Answer | None:
        """Return the answer that refuses this ``Authorization`` header, or None if it is accepted (rpp.md §2.3)."""
        scheme, _, token = authorization.partition(b" ")
        token = token.strip() if scheme.lower() == b"bearer" else b""
        if _is_one_of(token, self.denied):
            return answers.FORBIDDEN
        return None if _is_one_of(token, self.allowed) else answers.UNAUTHORIZED


def _is_token(text: str) -> bool:
    characters = text.rstrip("=")
    return bool(characters) and _TOKEN.issuperset(characters)


def _is_one_of(token: bytes, known: tuple[bytes, ...]) -> bool:
    # All tokens are compared, so that the time does not tell which one matched.
    return sum(hmac.compare_digest(token, other) for other in known) > 0

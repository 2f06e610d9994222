"""The secrets that a command knows, so that none is shown where somebody else says them back to us."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

HIDDEN = "[hidden]"
VARIABLES = frozenset(["D8_RPP_TOKEN"])
"""Variables that are ours alone and hold a secret: no other program gets them."""

SHORTEST = 4
"""Shorter ones cannot be told from other text."""
_SHOWN = 8
UNMISTAKABLE = 16
"""From this length on, a secret is replaced in documents too: no tag or name is that text by chance."""


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a program that is given none of our secrets."""
    return {name: value for name, value in environ.items() if name not in VARIABLES}


class Secrets:
    """Tokens and passwords of one command; safe for threads. They are in no repr."""

    __slots__ = ("_texts",)

    def __init__(self) -> None:
        self._texts: tuple[str, ...] = ()

    def add(self, *texts: str | None) -> None:
        """Remember *texts*; the longest are replaced first, so that no rest of one stays."""
        known = {*self._texts, *(text for text in texts if text is not None and len(text) >= SHORTEST)}
        self._texts = tuple(sorted(known, key=len, reverse=True))

    def add_authorization(self, header: str) -> None:
        """Remember what a value of ``Authorization`` holds, a Basic one's password too (RFC 7617)."""
        scheme, _, value = header.partition(" ")
        self.add(value)
        if scheme.lower() == "basic":
            from base64 import b64decode
            from binascii import Error

            try:
                self.add(b64decode(value).decode(errors="replace").partition(":")[2])
            except Error:
                return

    def hide(self, text: str, shortest: int = SHORTEST) -> str:
        """Return *text* with ``[hidden]`` for every secret of at least *shortest* characters."""
        for secret in self._texts:
            if len(secret) >= shortest and secret in text:
                text = text.replace(secret, HIDDEN)
        return text

    def hide_shown(self, text: str) -> str:
        """As ``hide``, for a whole line or document: a short password that is a word may be there by chance."""
        for secret in self._texts:
            if secret in text and (len(secret) >= UNMISTAKABLE or (len(secret) >= _SHOWN and not secret.isalpha())):
                text = text.replace(secret, HIDDEN)
        return text

    def hide_in(self, body: bytes, shortest: int = SHORTEST) -> bytes:
        """As ``hide``, for bytes that need not be text."""
        for secret in self._texts:
            if len(secret) >= shortest and secret.encode() in body:
                body = body.replace(secret.encode(), HIDDEN.encode())
        return body

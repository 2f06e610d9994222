"""The secrets that a command knows, so that none is shown when a server or a program repeats it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

HIDDEN = "[hidden]"
VARIABLES = frozenset(["D8_RPP_TOKEN"])
"""The tool's own variables that hold a secret: no other program gets them."""

SHORTEST = 4
"""A shorter secret cannot be told from other text."""
_SHOWN = 8
UNMISTAKABLE = 16
"""From this length on, a secret is replaced in documents too: no tag or name is that text by chance."""


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for another program, without the tool's secrets."""
    return {name: value for name, value in environ.items() if name not in VARIABLES}


def text_of_token(raw: bytes) -> str:
    """Return the token in a file, without white space around it. A byte order mark of Windows's editors is no part.

    Windows PowerShell's ``>`` writes UTF-16.
    """
    if raw[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return raw.decode("utf-16", "replace").strip()
    return raw.removeprefix(b"\xef\xbb\xbf").decode("ascii", "replace").strip()


class Secrets:
    """The tokens and passwords of one command. Safe for threads; no repr shows them."""

    __slots__ = ("_texts",)

    def __init__(self) -> None:
        self._texts: tuple[str, ...] = ()

    def add(self, *texts: str | None) -> None:
        """Remember *texts*. The longest are replaced first, so that no part of one stays."""
        known = {*self._texts, *(text for text in texts if text is not None and len(text) >= SHORTEST)}
        self._texts = tuple(sorted(known, key=len, reverse=True))

    def add_authorization(self, header: str) -> None:
        """Remember the secrets in a value of ``Authorization``, including the password of a Basic one (RFC 7617)."""
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
        """Hide secrets in a whole line or document, but not a short password that may be in it by chance, as a word."""
        for secret in self._texts:
            if secret in text and (len(secret) >= UNMISTAKABLE or (len(secret) >= _SHOWN and not secret.isalpha())):
                text = text.replace(secret, HIDDEN)
        return text

    def hide_in(self, body: bytes, shortest: int = SHORTEST) -> bytes:
        """Hide secrets in bytes that need not be text."""
        for secret in self._texts:
            if len(secret) >= shortest and secret.encode() in body:
                body = body.replace(secret.encode(), HIDDEN.encode())
        return body

"""What a registry may be told about us: a user and a password, or a token. Values; secrets are in no repr."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password, or an identity token (docker's name for an OAuth2 refresh token)."""

    user: str = field(repr=False)
    password: str = field(repr=False)
    identity_token: str | None = field(default=None, repr=False)

    def basic(self) -> str:
        """Return the value of ``Authorization`` (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Login:
    """What this machine knows of a registry: ``credentials`` and the ``place`` that they come from, or None twice.

    ``troubles`` are the files and helpers that could not be asked. A public image needs none of them, so they are
    told only after a registry refused.
    """

    credentials: Credentials | None = None
    place: str | None = None
    troubles: tuple[str, ...] = ()

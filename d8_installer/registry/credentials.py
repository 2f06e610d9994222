"""What a registry may be told about us: a user and a password, or a token. Values; secrets are in no repr."""

from __future__ import annotations

import base64

from d8_installer.model.value import Struct, repr_without


class Credentials(Struct, frozen=True):
    """A user and a password, or an identity token (docker's name for an OAuth2 refresh token)."""

    user: str
    password: str
    identity_token: str | None = None

    def __repr__(self) -> str:
        return repr_without(self, "user", "password", "identity_token")

    def basic(self) -> str:
        """Return the value of ``Authorization`` (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Login(Struct, frozen=True):
    """What this machine knows of a registry: ``credentials`` and the ``place`` that they come from, or None twice.

    ``troubles`` are the files and helpers that could not be asked. A public image needs none of them, so they are
    told only after a registry refused.
    """

    credentials: Credentials | None = None
    place: str | None = None
    troubles: tuple[str, ...] = ()

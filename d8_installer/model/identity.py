"""Identity: what a command shows a server to say who it is: a bearer token, a password, a client certificate."""

from __future__ import annotations

from d8_installer.model.value import Struct, repr_without


class Identity(Struct, frozen=True, kw_only=True):
    """A bearer token, or a user name and a password, and perhaps a client certificate with its key.

    ``certificate`` and ``key`` are PEM text. ``expires`` is the time in seconds since the epoch after which another
    identity is asked for; None: it is used until a server refuses it. ``place`` names where it came from, for messages.
    No secret is in the repr.
    """

    token: str | None = None
    username: str | None = None
    password: str | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    expires: float | None = None
    place: str = ""

    def __repr__(self) -> str:
        return repr_without(self, "token", "password", "certificate", "key")

    @property
    def is_certificate_only(self) -> bool:
        """Whether nothing but a client certificate says who this is, so that no header can carry it."""
        return self.certificate is not None and self.token is None and self.username is None

    @property
    def kind(self) -> str:
        """What messages call it."""
        if self.token is not None:
            return "token"
        return "password" if self.username is not None else "client certificate"

"""``logins.json``: the tokens that a person keeps with ``login``, each for one origin."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.value import Struct, repr_without

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMA = 1
_HINT = "type `d8-installer logout --all`, then log in again"


class KeptLogin(Struct, frozen=True, kw_only=True):
    """What is kept for one *origin*, such as ``https://rpp.example.com:443``: a token, or that the keyring has it.

    ``cluster`` is the key of the cluster that named the endpoint and published the CA for it; None: the person named
    the endpoint, or its certificate is one that this machine trusts. No token is in the repr.
    """

    origin: str
    cluster: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        return repr_without(self, "token")

    @property
    def is_in_keyring(self) -> bool:
        """Whether the system's keyring has the token."""
        return self.token is None

    @property
    def name(self) -> str:
        """The name of the token in the keyring."""
        return self.origin if self.cluster is None else f"{self.origin} {self.cluster}"


class Logins(Struct, frozen=True):
    """Every kept login, at most one for each origin and cluster."""

    kept: tuple[KeptLogin, ...] = ()

    @classmethod
    def parse(cls, raw: bytes, file: str) -> Logins:
        """Read the file; a DocumentError names it, and never shows what is in it."""
        try:
            document = json.loads(raw)
            if document["schema"] != _SCHEMA:
                raise DocumentError("a newer d8-installer wrote it", file=file, hint="upgrade d8-installer")
            return cls(tuple(map(_login, document["logins"])))
        except (ValueError, LookupError, TypeError, RecursionError):
            # Nothing is chained: the text may hold a token.
            raise DocumentError("is damaged", file=file, hint=_HINT, about_file=True) from None

    def render(self) -> bytes:
        """Return the bytes of the file."""
        rows = [_row(one) for one in sorted(self.kept, key=lambda one: one.name)]
        return f"{json.dumps({'schema': _SCHEMA, 'logins': rows}, indent=2)}\n".encode()

    def find(self, origin: str, cluster: str | None) -> KeptLogin | None:
        """Return the login for *origin*. One for an endpoint that a *cluster* vouches for counts with that cluster.

        With None the person named the origin, so that a login that was made with a cluster counts too.
        """
        own = [one for one in self.of(origin) if one.cluster == cluster]
        return next(iter(own or (self.of(origin) if cluster is None else ())), None)

    def of(self, origin: str) -> tuple[KeptLogin, ...]:
        """Return every login for *origin*."""
        return tuple(one for one in self.kept if one.origin == origin)

    def without(self, *gone: KeptLogin) -> Logins:
        """Return the others."""
        names = {one.name for one in gone}
        return Logins(tuple(one for one in self.kept if one.name not in names))

    def adding(self, login: KeptLogin) -> Logins:
        """Return these with *login* in place of the one for the same origin and cluster."""
        return Logins((*self.without(login).kept, login))


def _login(row: Mapping[str, object]) -> KeptLogin:
    origin, cluster, token = row["origin"], row.get("cluster"), row.get("token")
    texts = (origin, *(one for one in (cluster, token) if one is not None))
    if not isinstance(origin, str) or not all(isinstance(text, str) and text for text in texts):
        raise ValueError
    if (token is None) != (row.get("keyring") is True):
        raise ValueError
    return KeptLogin(origin=origin, cluster=_text(cluster), token=_text(token))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _row(login: KeptLogin) -> dict[str, object]:
    row: dict[str, object] = {"origin": login.origin}
    row |= {} if login.cluster is None else {"cluster": login.cluster}
    return row | ({"keyring": True} if login.token is None else {"token": login.token})

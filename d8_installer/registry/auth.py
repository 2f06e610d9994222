"""Who we are to an OCI registry: its challenges are answered with a password or a token.

Credentials are read when a registry asks for them and not before. They are in no repr, message or log, and go
nowhere but over https or inside this machine.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from d8_installer.errors import ConfigError, NotAllowedError, TryAgainError, UnreachableError
from d8_installer.model.address import shown
from d8_installer.model.value import Struct, repr_without
from d8_installer.registry.challenges import parse_challenges
from d8_installer.registry.keychain import Keychain
from d8_installer.registry.origin import Origin
from d8_installer.registry.retry import is_passing
from d8_installer.registry.scopes import joined_scopes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.registry.client import Client, Response
    from d8_installer.registry.credentials import Credentials, Login

_MAX_TOKEN_BYTES = 1 << 20
_MARGIN = 10.0
"""Seconds before a token's end at which it is renewed; a quarter of a shorter life."""
_TOKEN = re.compile(r"[!-~]+", re.ASCII)


class _Grant(Struct, frozen=True):
    """A value of ``Authorization``, the challenge that it answers, and when it is to be earned again (monotonic)."""

    value: str
    challenges: str
    until: float = math.inf

    def __repr__(self) -> str:
        return repr_without(self, "value")


class RegistryAuth:
    """The ``Authorization`` values of one registry, earned by answering its challenges; kept per scope, for threads.

    ``host`` is how the credentials files call it.
    """

    def __init__(self, client: Client, origin: Origin, host: str, env: Mapping[str, str]) -> None:
        self._client = client
        self._origin = origin
        self._host = host
        self._keychain = Keychain(env, client.patience)
        self._logins: dict[str, Login] = {}
        self._known: dict[str, _Grant] = {}
        self._lock = threading.Lock()

    def header(self, scope: str) -> str | None:
        """Return the value that was good for *scope* last time, or None; a token about to end is renewed first."""
        with self._lock:
            grant = self._known.get(scope)
            if grant is not None and grant.until <= time.monotonic():
                grant = self._known[scope] = self._earn(grant.challenges, scope)
            return None if grant is None else grant.value

    def answer(self, challenges: str, scope: str, refused: str | None) -> str:
        """Return a new value after a 401; *refused* is what was sent. NotAllowedError if there is nothing new.

        *scope* is ``repository:<name>:pull`` or ``…:pull,push`` (distribution's token.md).
        """
        with self._lock:
            grant = self._known.get(scope)
            if grant is None or grant.value == refused:  # else another thread was here
                grant = self._earn(challenges, scope)
                if grant.value == refused:
                    raise self._refused(scope)
                self._known[scope] = grant
            return grant.value

    def why_refused(self, scope: str, *, is_known: bool = False) -> tuple[str, str]:
        """Return what to say, and the hint, after a registry refused *scope*.

        *is_known*: it knows the account, and does not let it do this (403).
        """
        login = self._login(scope)
        if login.place is not None and is_known:
            what = f"the account whose credentials are in {login.place} may not do this"
        elif login.place is not None:
            what = f"{self._host} refuses the credentials from {login.place}"
        else:
            what = f"{self._host} wants a login, and no credentials for it are stored on this machine"
        said = "; ".join([what, *login.troubles])
        return said, f"log in first: type `docker login {self._host}` or `skopeo login {self._host}`"

    def _refused(self, scope: str) -> NotAllowedError:
        message, hint = self.why_refused(scope)
        return NotAllowedError(message, hint=hint)

    def _login(self, scope: str) -> Login:
        repository = scope.split(":")[1]
        if repository not in self._logins:
            self._logins[repository] = self._keychain.find(self._host, repository)
        return self._logins[repository]

    def _earn(self, challenges: str, scope: str) -> _Grant:
        offered = {item.scheme: item.parameters for item in reversed(parse_challenges(challenges))}
        credentials = self._login(scope).credentials
        if "bearer" in offered:
            response = self._ask_for_token(offered["bearer"], scope, credentials)
            token, until = self._token_of(response, offered["bearer"]["realm"], scope)
            return _Grant(f"Bearer {token}", challenges, until)
        if "basic" not in offered or credentials is None or credentials.identity_token:
            raise self._refused(scope)
        return _Grant(credentials.basic(), challenges)

    def _ask_for_token(self, challenge: Mapping[str, str], scope: str, credentials: Credentials | None) -> Response:
        """Ask the token service (distribution's token.md; with an identity token oauth.md) for all that is wanted."""
        realm = challenge.get("realm", "")
        self._check_realm(realm)
        outside = self._client.is_elsewhere(self._origin)
        service = challenge.get("service", "")
        scopes = joined_scopes(challenge.get("scope", ""), scope)
        if credentials is not None and credentials.identity_token:
            form = {"grant_type": "refresh_token", "client_id": "d8-installer", "scope": " ".join(scopes)}
            form |= {"service": service, "refresh_token": credentials.identity_token}
            self._client.secrets.add(credentials.identity_token)
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return self._client.send("POST", realm, headers, urlencode(form).encode(), outside=outside)
        query = urlencode([("service", service)] * bool(service) + [("scope", one) for one in scopes])
        headers = {} if credentials is None else {"Authorization": credentials.basic()}
        realm = realm.partition("#")[0]
        url = f"{realm}{'&' if '?' in realm else '?'}{query}"
        return self._client.get(url, headers, _MAX_TOKEN_BYTES, outside=outside)

    def _check_realm(self, realm: str) -> None:
        """Refuse a realm that would carry the credentials readably.

        The client refuses one that a registry elsewhere places inside this machine or its link (``reach.inside``).
        """
        try:
            origin = Origin.parse(realm)
        except ConfigError as error:
            raise UnreachableError(
                f"{self._host} names no token service: {error}", hint="check the registry's address"
            ) from error
        if origin.scheme != "https" and not (origin.is_loopback and self._origin.is_loopback):
            raise NotAllowedError(
                f"{self._host} wants its credentials sent to {shown(realm)!r}, which is not https",
                hint="give the registry an https token service",
            )

    def _token_of(self, response: Response, realm: str, scope: str) -> tuple[str, float]:
        if response.status in (400, 401, 403):
            raise self._refused(scope)
        if is_passing(response.status):
            raise TryAgainError(f"the token service {shown(realm)} answers {response.status}", hint="try again later")
        try:
            document = json.loads(response.body) if response.status == 200 else None
        except (ValueError, RecursionError):
            document = None
        token = document.get("token") or document.get("access_token") if isinstance(document, dict) else None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            # nothing is chained: the body may hold a token
            raise UnreachableError(
                f"the token service {shown(realm)} gives no token (status {response.status})",
                hint="check the registry's address",
            ) from None
        return token, _end_of(document.get("expires_in") if isinstance(document, dict) else None)


def _end_of(seconds: object) -> float:
    """Return when a token is to be renewed, some time before it ends; never where its service does not say.

    Such a token is used until the registry refuses it. A wrong ``expires_in`` (0, a negative one, a text) says nothing.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        return math.inf
    return time.monotonic() + seconds - min(seconds / 4, _MARGIN)

"""Who we are to an OCI registry: its challenges are answered with a password or a token.

Credentials are read when a registry asks for them and not before. They are in no repr, message or log, and go
nowhere but over https or inside this machine.
"""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from d8_installer.errors import ConfigError, NotAllowedError, TryAgainError, UnreachableError
from d8_installer.model.address import shown
from d8_installer.registry.challenges import parse_challenges
from d8_installer.registry.keychain import Keychain
from d8_installer.registry.origin import Origin
from d8_installer.registry.retry import is_passing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.registry.client import Client, Response
    from d8_installer.registry.credentials import Credentials

_MAX_TOKEN_BYTES = 1 << 20
_TOKEN = re.compile(r"[!-~]+", re.ASCII)


class RegistryAuth:
    """The ``Authorization`` values of one registry, earned by answering its challenges; kept per scope, for threads.

    ``host`` is how the credentials files call it.
    """

    def __init__(self, client: Client, origin: Origin, host: str, env: Mapping[str, str]) -> None:
        self._client = client
        self._origin = origin
        self._host = host
        self._keychain = Keychain(env)
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()

    def header(self, scope: str) -> str | None:
        """Return the value that was good for *scope* last time, or None."""
        return self._known.get(scope)

    def answer(self, challenges: str, scope: str, refused: str | None) -> str:
        """Return a new value after a 401; *refused* is what was sent. NotAllowedError if there is nothing new.

        *scope* is ``repository:<name>:pull`` or ``…:pull,push`` (distribution's token.md).
        """
        with self._lock:
            known = self._known.get(scope)
            if known is None or known == refused:  # else another thread was here
                known = self._earn(
                    {item.scheme: item.parameters for item in reversed(parse_challenges(challenges))}, scope
                )
                if known == refused:
                    raise self._unknown()
                self._known[scope] = known
            return known

    def _earn(self, challenges: Mapping[str, Mapping[str, str]], scope: str) -> str:
        credentials = self._keychain.find(self._host, scope.split(":")[1])
        if "bearer" in challenges:
            return "Bearer " + self._fetch_token(challenges["bearer"], scope, credentials)
        if "basic" not in challenges or credentials is None or credentials.identity_token:
            raise self._unknown()
        return credentials.basic()

    def _fetch_token(self, challenge: Mapping[str, str], scope: str, credentials: Credentials | None) -> str:
        realm = challenge.get("realm", "")
        self._check_realm(realm)
        query = {"service": challenge.get("service", ""), "scope": challenge.get("scope") or scope}
        query = {name: value for name, value in query.items() if value}
        if credentials is not None and credentials.identity_token:
            form = {**query, "grant_type": "refresh_token", "client_id": "d8-installer"}
            body = urlencode({**form, "refresh_token": credentials.identity_token}).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            response = self._client.send("POST", realm, headers, body)
        else:
            headers = {} if credentials is None else {"Authorization": credentials.basic()}
            url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
            response = self._client.get(url, headers, _MAX_TOKEN_BYTES)
        return self._token_of(response, realm)

    def _check_realm(self, realm: str) -> None:
        """Refuse a realm that would carry the credentials readably, or into a service of this machine."""
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

    def _token_of(self, response: Response, realm: str) -> str:
        if response.status in (400, 401, 403):
            raise self._unknown()
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
        return token

    def _unknown(self) -> NotAllowedError:
        return NotAllowedError(
            f"{self._host} does not accept who we are",
            hint=f"log in first: docker login {self._host} (or skopeo login)",
        )

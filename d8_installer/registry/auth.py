"""Authentication at an OCI registry: answers its challenges with a password or a token.

Credentials are read only when a registry asks for them. They appear in no repr, message or log, and are sent only over
https or within this machine. Finding them on this machine is ``keychain``'s job.
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
from d8_installer.registry.client import is_token
from d8_installer.registry.http_status import is_passing
from d8_installer.registry.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.registry.client import Client, Response
    from d8_installer.registry.keychain import Credentials, Login

_MAX_TOKEN_BYTES = 1 << 20
_MARGIN = 10.0
"""A token is renewed this many seconds before it expires, or after three quarters of a shorter lifetime."""


class _Grant(Struct, frozen=True):
    """A value of ``Authorization``, the challenges that it answers, and when to renew it (monotonic clock)."""

    value: str
    challenges: str
    until: float = math.inf

    def __repr__(self) -> str:
        return repr_without(self, "value")


class RegistryAuth:
    """The ``Authorization`` values of one registry, one for each scope; safe for threads.

    A value is obtained by answering the registry's challenges. *host* is the registry's name in credentials files.
    """

    def __init__(self, client: Client, origin: Origin, host: str, env: Mapping[str, str]) -> None:
        self._client = client
        self._origin = origin
        self._host = host
        self._env = env
        self._logins: dict[str, Login] = {}
        self._known: dict[str, _Grant] = {}
        self._lock = threading.Lock()

    def header(self, scope: str) -> str | None:
        """Return the last accepted value for *scope*, or None; a token that is about to expire is renewed first."""
        with self._lock:
            grant = self._known.get(scope)
            if grant is not None and grant.until <= time.monotonic():
                grant = self._known[scope] = self._obtain(grant.challenges, scope)
            return None if grant is None else grant.value

    def answer(self, challenges: str, scope: str, refused: str | None) -> str:
        """Return a new value after a 401; *refused* is the value that was sent. NotAllowedError if there is no new one.

        *scope* is ``repository:<name>:pull`` or ``…:pull,push`` (distribution's token.md).
        """
        with self._lock:
            grant = self._known.get(scope)
            if grant is None or grant.value == refused:  # else another thread has renewed it
                grant = self._obtain(challenges, scope)
                if grant.value == refused:
                    raise self.refusal(scope)
                self._known[scope] = grant
            return grant.value

    def refusal(self, scope: str, *, is_known: bool = False) -> NotAllowedError:
        """Return the error of a registry's refusal of *scope*.

        *is_known*: the registry knows the account, and denies it this scope (403).
        """
        login = self._login(scope)
        if login.file is not None and is_known:
            what = f"the account whose credentials are in {login.file} may not do this"
        elif login.file is not None:
            what = f"{self._host} refuses the credentials from {login.file}"
        else:
            what = f"{self._host} wants a login, and no credentials for it are stored on this machine"
        return NotAllowedError(
            "; ".join([what, *login.troubles]),
            hint=f"log in first: type `docker login {self._host}` or `skopeo login {self._host}`",
            code="registry-login",
        )

    def _login(self, scope: str) -> Login:
        repository = scope.split(":")[1]
        if repository not in self._logins:
            from d8_installer.registry.keychain import Keychain

            keychain = Keychain(self._env, self._client.read_timeout)
            found = self._logins[repository] = keychain.find(self._host, repository)
            whose = "nobody, as no credentials are stored" if found.file is None else f"credentials from {found.file}"
            self._client.tell(f"identity for {self._host}: {whose}")
        return self._logins[repository]

    def _obtain(self, challenges: str, scope: str) -> _Grant:
        offered = {item.scheme: item.parameters for item in reversed(parse_challenges(challenges))}
        credentials = self._login(scope).credentials
        if "bearer" in offered:
            response = self._ask_for_token(offered["bearer"], scope, credentials)
            document = self._token_document(response, offered["bearer"]["realm"], scope)
            token = document.get("token") or document.get("access_token")
            return _Grant(f"Bearer {token}", challenges, _renewal_time(document.get("expires_in")))
        if "basic" not in offered or credentials is None or credentials.identity_token:
            raise self.refusal(scope)
        return _Grant(credentials.basic(), challenges)

    def _ask_for_token(self, challenge: Mapping[str, str], scope: str, credentials: Credentials | None) -> Response:
        """Ask the token service for all scopes (distribution's token.md; with an identity token oauth.md)."""
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
        """Refuse a realm to which the credentials would travel in clear text.

        The client itself refuses a realm inside this machine or its link that a registry elsewhere names
        (``network.inside``).
        """
        try:
            origin = Origin.parse(realm)
        except ConfigError as error:
            raise UnreachableError(
                f"{self._host} names no token service: {error}",
                hint="check the registry's address",
                code="not-a-source",
            ) from error
        if origin.scheme != "https" and not (origin.is_loopback and self._origin.is_loopback):
            raise NotAllowedError(
                f"{self._host} wants its credentials sent to {shown(realm)!r}, which is not https",
                hint="give the registry an https token service",
                code="unsafe-redirect",
            )

    def _token_document(self, response: Response, realm: str, scope: str) -> Mapping[str, object]:
        """Return the answer of the token service, which holds a usable ``token`` or ``access_token``."""
        if response.status in (400, 401, 403):
            raise self.refusal(scope)
        if is_passing(response.status):
            raise TryAgainError(
                f"the token service {shown(realm)} answers {response.status}",
                hint="try again later",
                code="server-fails",
            )
        try:
            document = json.loads(response.body) if response.status == 200 else None
        except (ValueError, RecursionError):
            document = None
        token = document.get("token") or document.get("access_token") if isinstance(document, dict) else None
        if not isinstance(token, str) or not is_token(token):
            # Nothing is chained: the body may hold a token.
            raise UnreachableError(
                f"the token service {shown(realm)} gives no token (status {response.status})",
                hint="check the registry's address",
                code="not-a-source",
            ) from None
        return document or {}


def _renewal_time(seconds: object) -> float:
    """Return when to renew a token, some time before it expires; never if *seconds* is not a positive number.

    Such a token is used until the registry refuses it.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        return math.inf
    return time.monotonic() + seconds - min(seconds / 4, _MARGIN)


# -- the texts of the protocol: WWW-Authenticate and scopes ------------------------------------------------

_TCHAR = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_SCHEME = rf"[\s,]*+({_TCHAR})(?!\s*+=)"
_TOKEN68 = r" ++[A-Za-z0-9._~+/-]++=*+\s*+(?=,|\Z)"
# By the grammar an unquoted value is a token, but registries send bare URLs.
_PARAMETER = rf'[\s,]*+({_TCHAR})\s*+=\s*+(?:"((?:[^"\\]++|\\.)*)"|([^\s",]++))'


class Challenge(Struct, frozen=True):
    """One way to authenticate: ``scheme`` and the names of ``parameters`` in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Read ``WWW-Authenticate`` (RFC 9110 §11.6.1), several joined by commas; stop at the first malformed part."""
    challenges, at = [], 0
    while match := re.compile(_SCHEME, re.ASCII).match(header, at):
        parameters: dict[str, str] = {}
        at = match.end()
        if blob := re.compile(_TOKEN68, re.ASCII).match(header, at):
            at = blob.end()
        while pair := re.compile(_PARAMETER, re.ASCII | re.DOTALL).match(header, at):
            quoted = pair[2]
            value = pair[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
            parameters.setdefault(pair[1].lower(), value)
            at = pair.end()
        challenges.append(Challenge(match[1].lower(), parameters))
    return tuple(challenges)


def joined_scopes(*scopes: str) -> tuple[str, ...]:
    """Return the union of *scopes*, one for each resource; a scope may hold several, separated by spaces.

    A challenge may name less than the call needs (Quay: ``pull`` alone for a push), and other resources as well (the
    repository that a blob is mounted from). The order and spelling of the first mention are kept.
    """
    actions: dict[str, dict[str, None]] = {}
    for scope in " ".join(scopes).split():
        resource, colon, allowed = scope.rpartition(":")
        if colon:
            actions.setdefault(resource, {}).update(dict.fromkeys(filter(None, allowed.split(","))))
    return tuple(f"{resource}:{','.join(allowed)}" for resource, allowed in actions.items())

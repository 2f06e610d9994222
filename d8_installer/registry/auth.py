"""Who we are to an OCI registry: credentials on this machine, challenges, tokens.

Credentials are read when a registry asks for them and not before, from docker's ``config.json`` and podman's
``auth.json``. They are in no repr, message or log, and go nowhere but over https or inside this machine.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from d8_installer.errors import ConfigError, NotAllowedError, TryAgainError, UnreachableError
from d8_installer.registry.origin import Origin, without_query
from d8_installer.registry.retry import is_passing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from d8_installer.registry.client import Client, Response

_MAX_CONFIG_BYTES = 4 << 20
_MAX_TOKEN_BYTES = 1 << 20
_HELPER_SECONDS = 60
_HELPER_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
_TOKEN = re.compile(r"[!-~]+", re.ASCII)
# What docker-credential-helpers print (credentials/error.go) when they know nothing of a server.
_HELPER_HAS_NONE = "credentials not found"

# -- challenges ------------------------------------------------------------------------------------------

_TCHAR = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_SCHEME = re.compile(rf"[\s,]*+({_TCHAR})(?!\s*+=)", re.ASCII)
_TOKEN68 = re.compile(r" ++[A-Za-z0-9._~+/-]++=*+\s*+(?=,|\Z)", re.ASCII)
_PARAMETER = re.compile(rf'[\s,]*+({_TCHAR})\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|({_TCHAR}))', re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to authenticate: ``scheme`` and the names of ``parameters`` in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Read ``WWW-Authenticate`` (RFC 9110 §11.6.1), several joined by commas; stops at what is malformed."""
    challenges, at = [], 0
    while match := _SCHEME.match(header, at):
        parameters: dict[str, str] = {}
        at = match.end()
        if blob := _TOKEN68.match(header, at):
            at = blob.end()
        while pair := _PARAMETER.match(header, at):
            quoted = pair[2]
            value = pair[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
            parameters.setdefault(pair[1].lower(), value)
            at = pair.end()
        challenges.append(Challenge(match[1].lower(), parameters))
    return tuple(challenges)


# -- credentials -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password, or an identity token (docker's name for an OAuth2 refresh token)."""

    user: str = field(repr=False)
    password: str = field(repr=False)
    identity_token: str | None = field(default=None, repr=False)

    def basic(self) -> str:
        """Return the value of ``Authorization`` (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Keychain:
    """The credentials files that *env* points to: DOCKER_CONFIG or HOME, XDG_RUNTIME_DIR; PATH for helpers."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def find(self, host: str, repository: str) -> Credentials | None:
        """Return what is known for ``host[:port]``, the longest matching key first, or None.

        A file that is not what it should be, or a helper that fails, is a ConfigError that names it.
        """
        for path in self._files():
            config = _read_config(path)
            if config is not None:
                found = self._from_helper(config, host, path) or _from_auths(config, f"{host}/{repository}", path)
                if found is not None:
                    return found
        return None

    def _files(self) -> Iterator[str]:
        home = self._env.get("HOME") or self._env.get("USERPROFILE")
        docker = self._env.get("DOCKER_CONFIG") or (os.path.join(home, ".docker") if home else None)
        if docker:
            yield os.path.join(docker, "config.json")
        runtime = self._env.get("XDG_RUNTIME_DIR")
        if runtime:
            yield os.path.join(runtime, "containers", "auth.json")

    def _from_helper(self, config: Mapping[str, object], host: str, path: str) -> Credentials | None:
        helpers = config.get("credHelpers")
        helper = helpers.get(host) if isinstance(helpers, dict) else None
        helper = helper or config.get("credsStore")
        if not helper:
            return None
        if not isinstance(helper, str) or not _HELPER_NAME.fullmatch(helper):
            raise ConfigError(f"{path}: {str(helper)[:100]!r} is not the name of a credential helper")
        return _ask_helper(f"docker-credential-{helper}", host, self._env)


def _read_config(path: str) -> Mapping[str, object] | None:
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(_MAX_CONFIG_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint="check its owner and mode") from error
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        # `from` nothing: the parser's message quotes the file, which holds passwords
        raise ConfigError(f"{path} is no JSON object", hint="repair it, or log in again: docker login HOST") from None
    return document


def _from_auths(config: Mapping[str, object], name: str, path: str) -> Credentials | None:
    auths = config.get("auths")
    if not isinstance(auths, dict):
        return None
    matching = [key for key in auths if f"{name}/".startswith(f"{_plain_key(key)}/")]
    for key in sorted(matching, key=lambda key: len(_plain_key(key)), reverse=True):
        entry = auths[key]
        found = _decode_entry(entry, f"{path}: auths[{key!r}]") if isinstance(entry, dict) else None
        if found is not None:
            return found
    return None


def _plain_key(key: str) -> str:
    """Return ``host[:port][/path]`` of a key as docker or podman write it: ``https://host/v1/`` is ``host``."""
    return re.sub(r"^https?://|/v[12]/*$|/+$", "", key)


def _decode_entry(entry: Mapping[str, object], where: str) -> Credentials | None:
    token, auth = entry.get("identitytoken"), entry.get("auth")
    user, password = entry.get("username"), entry.get("password")
    if isinstance(auth, str) and auth:
        try:
            user, _, password = base64.b64decode(auth, validate=True).decode().rstrip("\x00").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise ConfigError(f"{where} is not base64 of user:password", hint="log in again") from None
    identity = token if isinstance(token, str) and token else None
    if isinstance(user, str) and isinstance(password, str) and (user or identity):
        return Credentials(user, password, identity)
    return Credentials("", "", identity) if identity else None


def _ask_helper(program: str, host: str, env: Mapping[str, str]) -> Credentials | None:
    """Run ``docker-credential-X get`` (docker/docker-credential-helpers, README): host on stdin, JSON on stdout."""
    import shutil

    path = shutil.which(program, path=env.get("PATH", os.defpath))
    if path is None:
        raise ConfigError(f"{program} is not on PATH", hint="install it, or take it out of docker's config.json")
    try:
        done = subprocess.run(
            [path, "get"],
            input=host,
            env=dict(env),
            capture_output=True,
            text=True,
            timeout=_HELPER_SECONDS,
            check=False,
        )
        if done.returncode and _HELPER_HAS_NONE in done.stdout + done.stderr:
            return None
        answer = json.loads(done.stdout) if not done.returncode else None
    except (OSError, ValueError, subprocess.SubprocessError):
        answer = None
    user, secret = (answer.get("Username"), answer.get("Secret")) if isinstance(answer, dict) else (None, None)
    if not isinstance(user, str) or not isinstance(secret, str):
        # its output may be a secret: neither shown nor chained
        raise ConfigError(
            f"{program} gave no credentials for {host}", hint=f"see why: echo {host} | {program} get"
        ) from None
    return Credentials("", "", secret) if user == "<token>" else Credentials(user, secret)


# -- one registry ----------------------------------------------------------------------------------------


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
                f"{self._host} wants its credentials sent to {without_query(realm)!r}, which is not https",
                hint="give the registry an https token service",
            )

    def _token_of(self, response: Response, realm: str) -> str:
        if response.status in (400, 401, 403):
            raise self._unknown()
        if is_passing(response.status):
            raise TryAgainError(
                f"the token service {without_query(realm)} answers {response.status}", hint="try again later"
            )
        try:
            document = json.loads(response.body) if response.status == 200 else None
        except (ValueError, RecursionError):
            document = None
        token = document.get("token") or document.get("access_token") if isinstance(document, dict) else None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            # nothing is chained: the body may hold a token
            raise UnreachableError(
                f"the token service {without_query(realm)} gives no token (status {response.status})",
                hint="check the registry's address",
            ) from None
        return token

    def _unknown(self) -> NotAllowedError:
        return NotAllowedError(
            f"{self._host} does not accept who we are",
            hint=f"log in first: docker login {self._host} (or skopeo login)",
        )

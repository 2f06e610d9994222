"""The credentials files on this machine: podman's and skopeo's ``auth.json``, docker's ``config.json``.

Their places, order and keys are those of containers-auth.json(5). They are read when a registry asks for credentials
and not before. What is wrong with a file or helper is kept in the Login: a public image needs none of them.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.model.secrets import without_secrets
from d8_installer.registry.credential_helper import ask_helper
from d8_installer.registry.credentials import Credentials, Login

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAX_CONFIG_BYTES = 4 << 20
_HELPER_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
_HELPER_SECONDS = 30.0
_RUNTIME = "/run/containers"
_HUB_SERVER = "https://index.docker.io/v1/"
"""What docker's helpers call Docker Hub; podman's call it ``docker.io``."""
_HUB = frozenset(["docker.io", "index.docker.io", "registry-1.docker.io"])
_OLD_DOCKER = ".dockercfg"
"""Docker's file before version 1.7: the object of ``auths`` alone."""


class Keychain:
    """The credentials files that *env* points to, and the helpers on its PATH, which may take *seconds* to answer.

    *runtime* is the directory that podman uses where XDG_RUNTIME_DIR is not set: one directory for each user id.
    """

    def __init__(self, env: Mapping[str, str], seconds: float = _HELPER_SECONDS, runtime: str = _RUNTIME) -> None:
        self._env = env
        self._seconds = seconds
        self._runtime = runtime

    def find(self, host: str, repository: str) -> Login:
        """Return the first credentials for ``host[:port]/repository``, in the order of containers-auth.json(5).

        In one file a helper comes first, then the longest key that is the repository or a path above it.
        """
        troubles: list[str] = []
        for path in self._files():
            config = _read_config(path, troubles)
            if config is not None and path.endswith(_OLD_DOCKER):
                config = {"auths": config}
            credentials = None if config is None else self._find_in(config, path, host, repository, troubles)
            if credentials is not None:
                return Login(credentials, path, tuple(troubles))
        return Login(troubles=tuple(troubles))

    def _files(self) -> Iterator[str]:
        env = self._env
        home = env.get("HOME") or env.get("USERPROFILE")
        runtime = env.get("XDG_RUNTIME_DIR")
        settings = env.get("XDG_CONFIG_HOME") or (os.path.join(home, ".config") if home else None)
        docker = env.get("DOCKER_CONFIG") or (os.path.join(home, ".docker") if home else None)
        if env.get("REGISTRY_AUTH_FILE"):
            yield env["REGISTRY_AUTH_FILE"]
        if runtime:
            yield os.path.join(runtime, "containers", "auth.json")
        if hasattr(os, "getuid"):
            yield os.path.join(self._runtime, str(os.getuid()), "auth.json")
        if settings:
            yield os.path.join(settings, "containers", "auth.json")
        if docker:
            yield os.path.join(docker, "config.json")
        if home:
            yield os.path.join(home, _OLD_DOCKER)

    def _find_in(
        self, config: Mapping[str, object], path: str, host: str, repository: str, troubles: list[str]
    ) -> Credentials | None:
        try:
            for program, server in _helpers(config, host):
                found = ask_helper(program, server, without_secrets(self._env), self._seconds)
                if found is not None:
                    return found
        except ConfigError as error:
            troubles.append(f"{error} (named in {path})")
        return _from_auths(config, f"{_plain_host(host)}/{repository}", path, troubles)


def _read_config(path: str, troubles: list[str]) -> Mapping[str, object] | None:
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(_MAX_CONFIG_BYTES) or b"{}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        troubles.append(f"{path} cannot be read: {error.strerror}")
        return None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        # the parser's message quotes the file, which holds passwords
        troubles.append(f"{path} is not a JSON object")
        return None
    return document


def _helpers(config: Mapping[str, object], host: str) -> Iterator[tuple[str, str]]:
    """Yield the helpers to ask, and what they call the server.

    A helper in ``credHelpers`` is for one host and goes before ``credsStore``; an empty one switches that off.
    """
    named = config.get("credHelpers")
    own = {_key(name): helper for name, helper in named.items()} if isinstance(named, dict) else {}
    helper = own.get(_plain_host(host), config.get("credsStore"))
    if not helper:
        return
    if not isinstance(helper, str) or not _HELPER_NAME.fullmatch(helper):
        raise ConfigError(f"{str(helper)[:100]!r} is not the name of a credential helper")
    for server in (_HUB_SERVER, "docker.io") if _plain_host(host) == "docker.io" else (host,):
        yield f"docker-credential-{helper}", server


def _from_auths(config: Mapping[str, object], name: str, path: str, troubles: list[str]) -> Credentials | None:
    auths = config.get("auths")
    if not isinstance(auths, dict):
        return None
    matching = [key for key in auths if f"{name}/".startswith(f"{_key(key)}/")]
    for key in sorted(matching, key=lambda key: len(_key(key)), reverse=True):
        entry = auths[key]
        try:
            found = _decode_entry(entry) if isinstance(entry, dict) else None
        except ValueError:  # its text may hold the password
            troubles.append(f"{path}: auths[{key[:100]!r}] is not base64 of user:password")
            continue
        if found is not None:
            return found
    return None


def _key(text: str) -> str:
    """Return ``host[:port][/path]`` of a key; one with a scheme, as docker writes, is for the whole host."""
    plain = re.sub(r"^https?://([^/]*).*", r"\1", text, flags=re.DOTALL).rstrip("/")
    host, slash, path = plain.partition("/")
    host = _plain_host(host)
    return host if host == "docker.io" and path in ("v1", "v2") else f"{host}{slash}{path}"


def _plain_host(host: str) -> str:
    """Return the one name of a host: lower case, and ``docker.io`` for each name of Docker Hub."""
    lower = host.lower()
    return "docker.io" if lower in _HUB else lower


def _decode_entry(entry: Mapping[str, object]) -> Credentials | None:
    """Return what an entry of ``auths`` holds, or None; ValueError if ``auth`` is malformed.

    Line ends are left out: ``base64`` breaks its lines, and ``echo`` ends the password with one.
    """
    token, auth = entry.get("identitytoken"), entry.get("auth")
    user, password = entry.get("username"), entry.get("password")
    if isinstance(auth, str) and auth.strip():
        try:
            plain = base64.b64decode("".join(auth.split()), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError from None
        user, colon, password = plain.rstrip("\x00\r\n").partition(":")
        if not colon:
            raise ValueError
    identity = token.strip() if isinstance(token, str) and token.strip() else None
    if isinstance(user, str) and isinstance(password, str) and (user or identity):
        return Credentials(user, password, identity)
    return Credentials("", "", identity) if identity else None

"""The credentials files on this machine: docker's ``config.json`` and podman's ``auth.json``.

They are read when a registry asks for credentials and not before. No secret is in a repr, a message or a log.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.registry.credential_helper import ask_helper
from d8_installer.registry.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAX_CONFIG_BYTES = 4 << 20
_HELPER_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)


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
        return ask_helper(f"docker-credential-{helper}", host, self._env)


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

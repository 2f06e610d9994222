"""The endpoint's bearer token from ``--token-file``, D8_RPP_TOKEN, the setting ``token_file`` or a kept login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.model.secrets import text_of_token
from d8_installer.plugin.hookspec import hookimpl
from d8_installer.plugin.records import Credential

if TYPE_CHECKING:
    from d8_installer.plugin.records import CredentialRequest

_LIMIT = 1 << 16


@hookimpl
def d8_credentials() -> list[Credential]:
    """Offer the typed and exported token before those of plugins, the configured and kept one after them."""
    return [
        Credential("--token-file", token=_typed, order=-102),
        Credential("D8_RPP_TOKEN", token=_exported, order=-101),
        Credential("the setting token_file", token=_configured, order=50),
        Credential("your login", token=lambda request: request.kept_login(), order=60),
    ]


def _typed(request: CredentialRequest) -> str | None:
    return None if request.token_file is None else _read(request.token_file)


def _exported(request: CredentialRequest) -> str | None:
    """Return the exported token. It is for an endpoint that the person chose, not for one that a cluster names."""
    return None if request.is_discovered else request.env.get("D8_RPP_TOKEN") or None


def _configured(request: CredentialRequest) -> str | None:
    if request.configured_file is None or request.is_discovered:
        return None
    return _read(request.configured_file)


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            raw = file.read(_LIMIT)
    except FileNotFoundError:
        raw = b""
    except OSError as error:
        raise ConfigError(
            f"the token file {path} cannot be read: {(error.strerror or 'unknown').lower()}",
            hint="name the file that holds the token",
            code="bad-token",
        ) from error
    token = text_of_token(raw)
    if not token:
        raise ConfigError(
            f"the token file {path} is missing or empty", hint="name the file that holds the token", code="bad-token"
        )
    return token

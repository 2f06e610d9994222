"""The endpoint's bearer token as a person gives it: ``--token-file``, else D8_RPP_TOKEN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.plugin.hookspec import hookimpl
from d8_installer.plugin.types import Credential

if TYPE_CHECKING:
    from d8_installer.plugin.types import CredentialRequest

_LIMIT = 1 << 16


@hookimpl
def d8_credentials() -> list[Credential]:
    """Offer what was typed or exported, before anybody else is asked."""
    return [Credential("token-file", token=_token, order=-100)]


def _token(request: CredentialRequest) -> str | None:
    if request.token_file is None:
        return request.env.get("D8_RPP_TOKEN") or None
    try:
        with open(request.token_file, "rb") as file:
            raw = file.read(_LIMIT)
    except FileNotFoundError:
        raw = b""
    except OSError as error:
        raise ConfigError(
            f"the token file {request.token_file} cannot be read: {(error.strerror or 'unknown').lower()}",
            hint="name the file that holds the token",
        ) from error
    if not raw.strip():
        raise ConfigError(
            f"the token file {request.token_file} is missing or empty", hint="name the file that holds the token"
        )
    return raw.decode("ascii", "replace").strip()

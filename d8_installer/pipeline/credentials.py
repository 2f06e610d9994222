"""The credentials for sources: the endpoint's bearer token, asked for once per command, and a client certificate."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.plugin.calling import PLUGIN_HINT, guarded
from d8_installer.plugin.records import Credential

if TYPE_CHECKING:
    from collections.abc import Callable

    from d8_installer.plugin.calling import Hooks, Offer
    from d8_installer.plugin.records import CredentialRequest


class Token:
    """The bearer token of the endpoint: None if no credential has one. May be called from any thread.

    ``origin`` is the name of the credential that gave it, once it was asked for.
    """

    def __init__(self, hooks: Callable[[], Hooks], request: Callable[[], CredentialRequest]) -> None:
        self._hooks = hooks
        self._request = request
        self._lock = threading.Lock()
        self._is_known = False
        self._token: str | None = None
        self.origin: str | None = None

    def __call__(self) -> str | None:
        """Return the token. Only the first call asks the credentials."""
        with self._lock:
            if not self._is_known:
                self._token = self._ask()
                self._is_known = True
            return self._token

    def _ask(self) -> str | None:
        request = self._request()
        offers = self._hooks().records("d8_credentials", Credential)
        for offer in sorted(offers, key=lambda offer: (offer.record.order, offer.record.name)):
            token = _of(offer, request)
            if token is not None:
                self.origin = offer.record.name
                return token
        return None


def certificate_files(*pairs: tuple[str | None, str | None]) -> tuple[str | None, str | None]:
    """Return certificate and key of the first pair that has either; raise ConfigError for a key alone.

    A pair comes from one place as a whole, because a key does not fit another certificate.
    """
    certificate, key = next((pair for pair in pairs if any(pair)), (None, None))
    if key and not certificate:
        raise ConfigError("a client's key is given without its certificate", hint="give both: --client-cert FILE")
    return certificate, key


def _of(offer: Offer[Credential], request: CredentialRequest) -> str | None:
    name, ask = offer.record.name, offer.record.token
    token: object = guarded(offer.plugin, f"the credential {name!r}", lambda: ask(request), secret=True)
    if token is None or isinstance(token, str):
        return token
    raise ConfigError(
        f"plugin {offer.plugin} failed in the credential {name!r}: it must return text or None", hint=PLUGIN_HINT
    )

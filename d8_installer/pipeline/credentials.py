"""Who the command is to a server: asked for once, again when it has expired or was refused, and certificate files."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError, D8Error
from d8_installer.model.identity import Identity
from d8_installer.model.value import replace
from d8_installer.plugin.calling import guarded, hint_about
from d8_installer.plugin.records import Credential

if TYPE_CHECKING:
    from collections.abc import Callable

    from d8_installer.model.secrets import Secrets
    from d8_installer.plugin.calling import Hooks, Offer
    from d8_installer.plugin.records import CredentialRequest


class Renewing:
    """An identity, None if there is none. May be called from any thread.

    *ask* is called at the first use, and once more for an identity that has expired or was refused, which it then gets.
    A new one that has expired as well is used: whose clock is wrong, the server must say. If *ask* fails, it is not
    called again, so that no program asks a person twice. *now* returns the time in seconds since the epoch.
    """

    def __init__(self, ask: Callable[[Identity | None], Identity | None], now: Callable[[], float]) -> None:
        self._answer = ask
        self._failure: D8Error | None = None
        self._now = now
        self._lock = threading.Lock()
        self._is_known = False
        self._identity: Identity | None = None
        self._final: Identity | None = None
        """The identity that is not asked for again: asking for another one gave this one, or one as late."""

    def current(self) -> Identity | None:
        """Return the identity. Only the first call asks for it, unless it has expired since."""
        with self._lock:
            if not self._is_known:
                self._identity = self._ask(None)
                self._is_known = True
            elif self._identity is not None and self._has_expired(self._identity):
                self._renew(self._identity)
            return self._identity

    def renewed(self, refused: Identity) -> Identity | None:
        """Return another identity than the one that a server *refused* with 401; None if there is none."""
        with self._lock:
            if self._identity == refused and refused is not self._final:
                self._renew(refused)
            return None if self._identity == refused else self._identity

    def _has_expired(self, identity: Identity) -> bool:
        return identity is not self._final and identity.expires is not None and identity.expires <= self._now()

    def _ask(self, old: Identity | None) -> Identity | None:
        if self._failure is not None:
            raise self._failure.within()
        try:
            return self._answer(old)
        except D8Error as error:
            self._failure = error
            raise

    def _renew(self, old: Identity) -> None:
        new = self._ask(old)
        if new is None or new == old:
            self._final = old
            return
        self._identity = new
        if self._has_expired(new):
            self._final = new


class EndpointIdentity:
    """Who the command is to the endpoint: the answer of the first credential that has one.

    ``origin`` is where the identity came from, once it was asked for. What it says is added to *secrets*.
    """

    def __init__(
        self,
        hooks: Callable[[], Hooks],
        request: Callable[[Identity | None], CredentialRequest],
        *,
        now: Callable[[], float],
        secrets: Secrets,
        tell: Callable[[str], object],
    ) -> None:
        self._hooks = hooks
        self._request = request
        self._secrets = secrets
        self._tell = tell
        self._answered: Offer[Credential] | None = None
        self._kept = Renewing(self._ask, now)
        self.origin: str | None = None
        self.kind = "token"
        """What messages call it, once it was asked for."""

    def current(self) -> Identity | None:
        """Return the identity, None if no credential has one."""
        return self._kept.current()

    def renewed(self, refused: Identity) -> Identity | None:
        """Return another identity from the same credential, after *refused* got a 401; None if it has no other."""
        return self._kept.renewed(refused)

    def token(self) -> str | None:
        """Return the bearer token, None if the identity is none or of another kind."""
        identity = self.current()
        return None if identity is None else identity.token

    def _ask(self, refused: Identity | None) -> Identity | None:
        request = self._request(refused)
        for offer in self._offers():
            identity = _of(offer, request)
            if identity is not None:
                self._learn(offer, identity)
                return identity
        return None

    def _offers(self) -> list[Offer[Credential]]:
        """Return the places to ask: all of them in their order, or the one that has answered before."""
        if self._answered is not None:
            return [self._answered]
        offers = self._hooks().records("d8_credentials", Credential)
        return sorted(offers, key=lambda offer: (offer.record.order, offer.record.name))

    def _learn(self, offer: Offer[Credential], identity: Identity) -> None:
        again = " again" if self._answered is not None else ""
        self._answered = offer
        self.origin = identity.place
        self.kind = identity.kind
        self._secrets.add(identity.token, identity.password)
        self._tell(f"identity for the endpoint{again}: a {identity.kind} from {identity.place}")


def certificate_files(*pairs: tuple[str | None, str | None]) -> tuple[str | None, str | None]:
    """Return certificate and key of the first pair that has either; raise ConfigError for a key alone.

    A pair comes from one place as a whole, because a key does not fit another certificate.
    """
    certificate, key = next((pair for pair in pairs if any(pair)), (None, None))
    if key and not certificate:
        raise ConfigError(
            "a client's key is given without its certificate",
            hint="give both: --client-cert FILE",
            code="bad-certificate-file",
        )
    return certificate, key


def _of(offer: Offer[Credential], request: CredentialRequest) -> Identity | None:
    name, ask = offer.record.name, offer.record.token
    found: object = guarded(offer.plugin, f"the credential {name!r}", lambda: ask(request), secret=True)
    if isinstance(found, str):
        return Identity(token=found, place=name)
    if isinstance(found, Identity):
        return found if found.place else replace(found, place=name)
    if found is None:
        return None
    raise ConfigError(
        f"plugin {offer.plugin} failed in the credential {name!r}: it must return an Identity, text or None",
        hint=hint_about(offer.plugin),
        code="plugin-failed",
    )

"""Sends one request once, and turns every failure of the transport into an error for a person.

Each failure says whether another try may succeed. TLS failures name the certificate that is at fault.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from d8_installer.errors import NotAllowedError, TryAgainError, UnreachableError
from d8_installer.model.address import shown
from d8_installer.model.shell_words import CLOCK
from d8_installer.registry.http_status import CLIENT_CERTIFICATE_HINT

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator

    import httpx2

    from d8_installer.errors import D8Error
    from d8_installer.model.secrets import Secrets
    from d8_installer.registry.origin import Origin

_ADDRESS_HINT = (
    "check the address (--endpoint, --to, or `d8-installer config get endpoint`) and the network "
    "(HTTPS_PROXY, NO_PROXY)"
)


class FailedTryError(Exception):
    """One try failed; ``error`` is raised if it was the last one, ``is_passing`` says whether another may succeed."""

    def __init__(self, error: D8Error, *, is_passing: bool) -> None:
        super().__init__(error.message)
        self.error = error
        self.is_passing = is_passing


def not_asked(origin: Origin) -> UnreachableError:
    """Return the error of a request to *origin* in a run that is offline."""
    return UnreachableError(
        f"{origin} was not asked: this run is offline",
        hint="leave out --offline (D8_OFFLINE), or name a source on this machine: --from bundle:FILE",
        code="offline",
    )


def send_once(
    http: httpx2.Client, request: httpx2.Request, origin: Origin, proxy: str | None, secrets: Secrets
) -> httpx2.Response:
    """Send *request* once and return its answer, the body unread; every failure of the transport is a FailedTryError.

    The library's messages quote what a server sent, so *secrets* are hidden in them.
    """
    import httpx2

    try:
        return http.send(request, stream=True)
    except httpx2.ProxyError as error:
        raise _proxy_refused(secrets.hide(str(error)), origin, proxy or "") from error
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        raise _not_connected(error, origin, proxy) from error
    except httpx2.TimeoutException as error:
        late = TryAgainError(
            f"{origin} took the request and did not answer in time", hint="try again later", code="server-fails"
        )
        raise FailedTryError(late, is_passing=False) from error
    except httpx2.TransportError as error:
        raise _dropped(error, origin, secrets) from error


def _dropped(error: httpx2.TransportError, origin: Origin, secrets: Secrets) -> FailedTryError:
    # In TLS 1.3 a server asks for a client certificate only after the handshake.
    if (fault := tls_fault(_causes(error), origin, str(origin))) is not None:
        return FailedTryError(fault, is_passing=False)
    other = "https:// (for a registry oci+https://)" if origin.scheme == "http" else "another port"
    dropped = TryAgainError(
        f"{origin} closed the connection without a valid answer{_clause(secrets.hide(str(error)))}",
        hint=f"try again; if that does not help, check the address: it may need {other}",
        code="server-fails",
    )
    return FailedTryError(dropped, is_passing=True)


def _clause(text: str) -> str:
    """Return a library's message about a broken answer as the end of a clause, or nothing if it says nothing new.

    The messages quote the server's bytes as Python spells them (``illegal status line: bytearray(b'…')``), name states
    of the library (``_SWITCH_UPGRADE``), or repeat that the connection ended.
    """
    plain = re.sub(r"^\[Errno -?[0-9]+\] ", "", text.partition(": bytearray(")[0]).strip(" .")
    if "disconnected without" in plain or not plain:
        return ""
    return ": it is not HTTP/1.1" if "_" in plain else f": {plain[:1].lower()}{plain[1:100]}"


def connection_fault(error: BaseException, origin: Origin, proxy: str | None) -> D8Error:
    """Return the error of a connection that was not made, or whose TLS failed."""
    return _not_connected(error, origin, proxy).error


def _not_connected(error: BaseException, origin: Origin, proxy: str | None) -> FailedTryError:
    where = f"{origin} through the proxy {shown(proxy)}" if proxy else str(origin)
    causes = list(_causes(error))
    if (fault := tls_fault(causes, origin, where)) is not None:
        if proxy and isinstance(fault, UnreachableError) and fault.fault is None:
            fault.fault = "proxy"
        return FailedTryError(fault, is_passing=False)
    reasons = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    why = reasons[-1] if reasons else _plain_reason(str(error)) or "no answer in time"
    refused = UnreachableError(f"cannot connect to {where}: {why[:200]}", hint=_ADDRESS_HINT)
    refused.fault = "proxy" if proxy else None
    # A timeout has already waited through the system's own retries.
    return FailedTryError(refused, is_passing=bool(reasons))


def _proxy_refused(why: str, origin: Origin, proxy: str) -> FailedTryError:
    refused = UnreachableError(
        f"the proxy {shown(proxy)} does not connect to {origin}: {why[:100]}",
        hint="check HTTPS_PROXY, and name the host in NO_PROXY if it needs no proxy",
        code="forward-proxy",
    )
    refused.fault = "proxy"
    return FailedTryError(refused, is_passing=False)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# -- TLS ---------------------------------------------------------------------------------------------------

# OpenSSL's x509_vfy.h
_NOT_YET_VALID, _EXPIRED = 9, 10
_WRONG_NAMES = (62, 64)
# A server's alerts about the client's certificate (RFC 8446 §6.2). A failed handshake may have other reasons.
_ALERTS = ("CERTIFICATE_REQUIRED", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE_", "ALERT_UNKNOWN_CA")
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")


def tls_fault(causes: Iterable[BaseException], origin: Origin, where: str) -> D8Error | None:
    """Return the error of the first TLS failure among *causes*, or None; *where* names *origin* in the message."""
    import ssl

    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _untrusted(cause, origin, where)
        if isinstance(cause, ssl.SSLError):
            return _broken(cause, origin, where)
    return None


def _untrusted(cause: ssl.SSLCertVerificationError, origin: Origin, where: str) -> UnreachableError:
    code = getattr(cause, "verify_code", 0)
    why = (getattr(cause, "verify_message", "") or str(cause)).rstrip(" .")
    if code == _EXPIRED:
        hint = f"have it renewed; if it is valid, this machine's clock is wrong: see `{CLOCK}`"
    elif code == _NOT_YET_VALID:
        hint = f"this machine's clock may be wrong: see `{CLOCK}`"
    elif code in _WRONG_NAMES:
        hint = f"write a name that the certificate is for, or have one issued for {origin.host}"
    else:
        hint = "give its CA with --ca-file FILE (D8_RPP_CA_FILE)"
    untrusted = UnreachableError(
        f"the certificate of {where} is not trusted: {why[:200]}", hint=hint, code="certificate-not-trusted"
    )
    untrusted.fault = "certificate"
    return untrusted


def _broken(cause: ssl.SSLError, origin: Origin, where: str) -> D8Error:
    reason = (cause.reason or str(cause)).upper()
    if any(alert in reason for alert in _ALERTS):
        return NotAllowedError(
            f"{where} requires a client certificate, or another one: {reason[:100]}",
            hint=CLIENT_CERTIFICATE_HINT,
            code="client-certificate",
        )
    if any(sign in reason for sign in _NOT_TLS):
        plain = "write http:// in the address, or oci+http:// for a registry"
        hint = f"it may speak plain http: {plain}" if origin.is_loopback else "check the port: it does not speak https"
        return UnreachableError(f"no TLS with {where}: the server does not speak it", hint=hint, code="no-tls")
    if "HANDSHAKE_FAILURE" in reason:
        return UnreachableError(
            f"no TLS with {where}: {reason[:100]}",
            hint=f"if it requires a client certificate, {CLIENT_CERTIFICATE_HINT}",
            code="no-tls",
        )
    why = "it closes the connection" if "EOF" in reason else _plain_reason(str(cause))
    return UnreachableError(
        f"no TLS with {where}: {why[:200]}", hint="check the address and the network", code="no-tls"
    )


def _plain_reason(text: str) -> str:
    """Return what OpenSSL says without its file and line: ``_ssl.c:989: The handshake operation timed out``."""
    plain = re.sub(r"^_ssl\.c:[0-9]+: (?:The )?| \(_ssl\.c:[0-9]+\)$", "", text)
    return "no answer in time to the TLS handshake" if plain == "handshake operation timed out" else plain

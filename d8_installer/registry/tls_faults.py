"""What failed in TLS, in a person's words: whose certificate is at fault, and what to type about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import NotAllowedError, UnreachableError
from d8_installer.registry.client_certificate import CLIENT_CERTIFICATE_HINT

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from d8_installer.errors import D8Error
    from d8_installer.registry.origin import Origin

# OpenSSL's x509_vfy.h
_NOT_YET_VALID, _EXPIRED = 9, 10
_WRONG_NAMES = (62, 64)
# What a server says of the client's certificate (RFC 8446 §6.2). A failed handshake may have other reasons.
_ALERTS = ("CERTIFICATE_REQUIRED", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE_", "ALERT_UNKNOWN_CA")
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")


def tls_fault(causes: Iterable[BaseException], origin: Origin, where: str) -> D8Error | None:
    """Return the error that the first TLS failure among *causes* is, or None; *where* is how messages call *origin*."""
    import ssl

    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _untrusted(cause, origin, where)
        if isinstance(cause, ssl.SSLError):
            return _broken(cause, origin, where)
    return None


def _untrusted(cause: ssl.SSLCertVerificationError, origin: Origin, where: str) -> UnreachableError:
    code = getattr(cause, "verify_code", 0)
    why = getattr(cause, "verify_message", "") or str(cause)
    if code == _EXPIRED:
        hint = "have it renewed; if it is valid, this machine's clock is wrong: see `date`"
    elif code == _NOT_YET_VALID:
        hint = "this machine's clock may be wrong: see `date`"
    elif code in _WRONG_NAMES:
        hint = f"write a name that the certificate is for, or have one issued for {origin.host}"
    else:
        hint = "give its CA with --ca-file FILE (D8_RPP_CA_FILE)"
    return UnreachableError(f"the certificate of {where} is not trusted: {why[:200]}", hint=hint)


def _broken(cause: ssl.SSLError, origin: Origin, where: str) -> D8Error:
    reason = (cause.reason or str(cause)).upper()
    if any(alert in reason for alert in _ALERTS):
        return NotAllowedError(
            f"{where} wants a client certificate, or another one: {reason[:100]}", hint=CLIENT_CERTIFICATE_HINT
        )
    if any(sign in reason for sign in _NOT_TLS):
        plain = "write http:// in the address, or oci+http:// for a registry"
        hint = f"it may speak plain http: {plain}" if origin.is_loopback else "check the port: no https is spoken there"
        return UnreachableError(f"no TLS with {where}: what answers does not speak it", hint=hint)
    if "HANDSHAKE_FAILURE" in reason:
        return UnreachableError(
            f"no TLS with {where}: {reason[:100]}", hint=f"if it wants a client certificate, {CLIENT_CERTIFICATE_HINT}"
        )
    return UnreachableError(f"no TLS with {where}: {str(cause)[:200]}", hint="check the address and the network")

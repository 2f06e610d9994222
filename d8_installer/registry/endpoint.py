"""Where a registry-packages-proxy is, and the options of trust (rpp.md §4.2). No I/O."""

from __future__ import annotations

import binascii
import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from d8_installer.errors import ConfigError
from d8_installer.model.address import hides, shown
from d8_installer.model.value import Struct
from d8_installer.registry.rpp_routes import BAD_ESCAPE

if TYPE_CHECKING:
    from d8_installer.model.version import Compat
    from d8_installer.registry.rpp_wire import ProxyCall


class Endpoint(Struct, frozen=True):
    """Where a proxy is: ``base`` is its URL without a trailing slash, a path prefix kept."""

    base: str
    host: str
    tls: bool

    @classmethod
    def parse(cls, url: str, compat: Compat = "d8") -> Endpoint:
        """Read a base URL: https with a host, or (not for ``go``) plain http to loopback; else ConfigError.

        ``go`` lets userinfo, query and fragment slip through, as the Go client does (rpp.md §4.2). Of what it lets
        through otherwise, ``shown`` leaves nothing out, so that a source may be named by its address.
        """
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            # The parser's message quotes what it took for the port, which may be a password: it is not chained either.
            raise _bad_endpoint(url, "its host or port cannot be read") from None
        if re.search(r"[\x00-\x20\x7f\\]", url):
            raise _bad_endpoint(url, "it has a space or control character")
        if not host:
            raise _bad_endpoint(url, "it has no host")
        if BAD_ESCAPE.search(parts.netloc + parts.path):
            raise _bad_endpoint(url, "it has a % that two hexadecimal digits do not follow")
        if parts.scheme != "https" and not (compat == "d8" and parts.scheme == "http" and is_loopback(host)):
            raise _bad_endpoint(url, "only https is spoken, and plain http to loopback")
        if compat == "d8" and re.search(r"[@?#]", url):
            raise _bad_endpoint(url, "it must not hold a user, query or fragment")
        if compat == "d8" and hides(url):
            raise _bad_endpoint(url, "its path may hold letters, digits and ._~:+,- only")
        return cls(url.rstrip("/"), host, parts.scheme == "https")

    @property
    def prefix(self) -> str:
        """The path in ``base``, which stands before that of every request; empty if there is none."""
        return urlsplit(self.base).path

    def url(self, request: ProxyCall) -> str:
        """The whole URL of *request* here."""
        return self.base + request.target


def is_loopback(host: str) -> bool:
    """Whether *host* is ``localhost`` or an address of 127.0.0.0/8 or ::1, without asking any resolver."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bad_endpoint(url: str, why: str) -> ConfigError:
    return ConfigError(
        f"{shown(url)!r} is not an endpoint: {why}",
        hint="write --endpoint https://HOST, or set D8_RPP_ENDPOINT; a token belongs into D8_RPP_TOKEN or a token file",
    )


_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


def check_tls_options(
    *, insecure: bool = False, ca_data: str | None = None, ca_file: str | None = None, custom_transport: bool = False
) -> None:
    """Refuse trust options that contradict each other or hold no certificate: ConfigError (rpp.md §4.2).

    *ca_data* is PEM text; empty data and an empty *ca_file* count as not given.
    """
    if custom_transport or (insecure and (ca_data or ca_file)) or (ca_data and ca_file):
        raise ConfigError(
            "unsupported client configuration",
            hint="give one of --ca-file and --insecure-skip-tls-verify, not both",
        )
    if ca_data and not any(_is_certificate(block) for block in _PEM.findall(ca_data)):
        raise ConfigError("invalid CA bundle", hint="--ca-file needs at least one PEM block BEGIN CERTIFICATE")


def _is_certificate(block: str) -> bool:
    try:
        # a certificate is a DER SEQUENCE; whether it is a good one is for the TLS library
        return binascii.a2b_base64("".join(block.split()), strict_mode=True)[:1] == b"\x30"
    except binascii.Error:
        return False

"""The address of a registry-packages-proxy (rpp.md §4.2). No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from d8_installer.errors import ConfigError
from d8_installer.model.address import hides, shown
from d8_installer.model.value import Struct
from d8_installer.registry.origin import is_loopback
from d8_installer.registry.rpp_routes import has_bad_escape

if TYPE_CHECKING:
    from d8_installer.registry.rpp_wire import ProxyCall


class Endpoint(Struct, frozen=True):
    """The address of a proxy: ``base`` is its URL without a trailing slash; a path prefix is kept."""

    base: str
    host: str
    tls: bool

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Read a base URL: https with a host, or plain http to loopback. Anything else is a ConfigError.

        ``shown`` leaves nothing out of an accepted URL, so a source may be named by its address.
        """
        endpoint = cls.split(url)
        if not endpoint.tls and not (url.lower().startswith("http:") and is_loopback(endpoint.host)):
            raise _bad_endpoint(url, "it is neither https nor plain http to loopback")
        if any(mark in url for mark in "@?#"):
            raise _bad_endpoint(url, "it must not hold a user, query or fragment")
        if hides(url):
            raise _bad_endpoint(url, "its path may hold letters, digits and ._~:+,- only")
        return endpoint

    @classmethod
    def split(cls, url: str) -> Endpoint:
        """Split a URL into its parts, by the rules that we share with the Go client (rpp.md §4.2); else ConfigError.

        Any scheme passes, and so do a user, a query and a fragment: ``parse`` refuses them.
        """
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            # The parser's message quotes what it took for the port, perhaps a password, so it is not chained.
            raise _bad_endpoint(url, "its host or port cannot be read") from None
        if re.search(r"[\x00-\x20\x7f\\]", url):
            raise _bad_endpoint(url, "it has a space or control character")
        if not host:
            raise _bad_endpoint(url, "it has no host")
        if has_bad_escape(parts.netloc + parts.path):
            raise _bad_endpoint(url, "it has a % that is not followed by two hexadecimal digits")
        return cls(url.rstrip("/"), host, parts.scheme == "https")

    @property
    def prefix(self) -> str:
        """The path in ``base``, which precedes the path of every request; empty if there is none."""
        return urlsplit(self.base).path

    def url(self, call: ProxyCall) -> str:
        """Return the whole URL of *call* at this endpoint."""
        return self.base + call.target


def _bad_endpoint(url: str, why: str) -> ConfigError:
    return ConfigError(
        f"{shown(url)!r} is not an endpoint: {why}",
        hint="write --endpoint https://HOST, or set D8_RPP_ENDPOINT; a token belongs in D8_RPP_TOKEN or a token file",
        code="bad-address",
    )

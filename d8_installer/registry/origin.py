"""The origin of a URL, whether it is this machine, and which forward proxy leads to it. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from d8_installer.errors import ConfigError, MismatchError
from d8_installer.model.address import shown
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

_URL = r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?:[/?][!-\[\]-~]*)?"
_PORTS = {"http": 80, "https": 443}


class Origin(Struct, frozen=True, order=True):
    """Scheme, host and port: what a credential belongs to (RFC 6454). ``host`` has no brackets."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Origin:
        """Return the origin of an http or https URL. Anything else, a URL with a user name included, is a ConfigError.

        The grammar is strict, so that no other parser can see another host in the same text.
        """
        match = re.fullmatch(_URL, url, re.ASCII | re.IGNORECASE)
        port = int(match[3] or _PORTS[match[1].lower()]) if match else 0
        if match is None or not 0 < port < 65536:
            without = shown(url)
            if without != url and re.fullmatch(_URL, without, re.ASCII | re.IGNORECASE):
                raise ConfigError(
                    f"the address {without!r} has a user name or a password in it",
                    hint=f"leave them out: {without}",
                    code="bad-address",
                )
            raise ConfigError(
                f"{without!r} is not an http or https address",
                hint="write it as https://host[:port]/path",
                code="bad-address",
            )
        return cls(match[1].lower(), match[2].lower().strip("[]"), port)

    @property
    def is_loopback(self) -> bool:
        """Whether nothing sent there leaves this machine."""
        return is_loopback(self.host)

    @property
    def is_private(self) -> bool:
        """Whether what is sent cannot be read on its way: https, or this machine."""
        return self.scheme == "https" or self.is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether *host* is ``localhost`` or an address of 127.0.0.0/8 or ::1; no resolver is asked."""
    if host.lower() == "localhost":
        return True
    if not (":" in host or host.startswith("127.")):
        return False
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def resolve(base: str, location: str) -> str:
    """Return the absolute http or https URL of a ``Location`` in an answer to *base*; else a MismatchError."""
    try:
        url = urljoin(base, location)
        Origin.parse(url)
    except (ValueError, ConfigError) as error:
        raise MismatchError(
            f"{Origin.parse(base)} redirects to something that is not an http or https address",
            hint="check that the address belongs to a registry, or use another source",
            code="not-a-manifest",
        ) from error
    return url


def proxy_for(origin: Origin, env: Mapping[str, str]) -> str | None:
    """Return the URL of the forward proxy that *env* names for *origin*, or None; loopback never has one.

    The variables are ``https_proxy`` (``http_proxy``) and ``all_proxy``, in lower or upper case. ``no_proxy`` exempts
    hosts as in curl: ``*``, a host with its subdomains, ``host:port``, an address or a network.
    """
    if origin.is_loopback or _is_exempt(origin, _variable(env, "no_proxy")):
        return None
    proxy = _variable(env, f"{origin.scheme}_proxy") or _variable(env, "all_proxy")
    if not proxy:
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    if not is_proxy_url(url):
        raise ConfigError(
            f"the proxy for {origin} is not an http or https address",
            hint="set HTTPS_PROXY to http://host:port",
            code="bad-address",
        )
    return url


def is_proxy_url(url: str) -> bool:
    """Whether *url* is the address of an http or https proxy, perhaps with a user's name and password."""
    try:
        parts = urlsplit(url)
        return parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        return False


def _variable(env: Mapping[str, str], name: str) -> str:
    return (env.get(name) or env.get(name.upper()) or "").strip()


def _is_exempt(origin: Origin, no_proxy: str) -> bool:
    entries = [entry.strip().lower() for entry in no_proxy.split(",")]
    return any(entry and _exempts(entry, origin) for entry in entries)


def _exempts(entry: str, origin: Origin) -> bool:
    if "/" in entry:
        return _in_network(origin.host, entry)
    entry = entry.removesuffix(f":{origin.port}").strip("[]")
    domain = entry.removeprefix("*").removeprefix(".")
    return entry in ("*", origin.host) or origin.host == domain or origin.host.endswith("." + domain)


def _in_network(host: str, network: str) -> bool:
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False

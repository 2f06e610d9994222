"""Where a URL leads: its origin, whether that is this machine, and which proxy stands in between. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from d8_installer.errors import ConfigError, MismatchError
from d8_installer.model.address import shown
from d8_installer.model.value import Struct
from d8_installer.registry.endpoint import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

_URL = re.compile(
    r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?:[/?][!-\[\]-~]*)?",
    re.ASCII | re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}


class Origin(Struct, frozen=True, order=True):
    """Scheme, host and port: what a credential belongs to (RFC 6454). ``host`` has no brackets."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Origin:
        """Return the origin of an http or https URL; anything else, user names included, is a ConfigError.

        One strict grammar, so that no other parser can see another host in the same text.
        """
        match = _URL.fullmatch(url)
        port = int(match[3] or _PORTS[match[1].lower()]) if match else 0
        if match is None or not 0 < port < 65536:
            raise ConfigError(
                f"{shown(url)!r} is not an http or https address", hint="write it as https://host[:port]/path"
            )
        return cls(match[1].lower(), match[2].lower().strip("[]"), port)

    @property
    def is_loopback(self) -> bool:
        """Whether nothing sent there leaves this machine."""
        return is_loopback(self.host)

    @property
    def is_private(self) -> bool:
        """Whether nobody between can read what is sent: https, or this machine."""
        return self.scheme == "https" or self.is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def resolve(base: str, location: str) -> tuple[str, Origin]:
    """Return where a ``Location`` or ``Link`` of an answer to *base* leads; MismatchError if that is not an address."""
    try:
        url = urljoin(base, location)
        return url, Origin.parse(url)
    except (ValueError, ConfigError) as error:
        raise MismatchError(
            f"{Origin.parse(base)} leads to a place that is not an http or https address",
            hint="check that the address belongs to a registry, or use another source",
        ) from error


def proxy_for(origin: Origin, env: Mapping[str, str]) -> str | None:
    """Return the URL of the forward proxy that *env* sets for *origin*, or None; loopback never has one.

    ``https_proxy`` or ``all_proxy``, in either case, unless ``no_proxy`` matches as curl reads it: ``*``, a
    host with its subdomains, ``host:port``, an address or a network.
    """
    if origin.is_loopback or _is_exempt(origin, _variable(env, "no_proxy")):
        return None
    proxy = _variable(env, f"{origin.scheme}_proxy") or _variable(env, "all_proxy")
    if not proxy:
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_proxy_url(url):
        raise ConfigError(
            f"the proxy for {origin} is not an http or https address", hint="set HTTPS_PROXY to http://host:port"
        )
    return url


def _is_proxy_url(url: str) -> bool:
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

"""The address of an OCI registry: ``oci://host[:port]/root``, where images are ``<root>/<image>``. No I/O.

``oci:`` is https, but http to loopback. ``oci+https:`` and ``oci+http:`` say which; http goes to loopback only.
"""

from __future__ import annotations

import re

from d8_installer.errors import ConfigError
from d8_installer.model.address import shown
from d8_installer.model.value import Struct
from d8_installer.registry.origin import Origin

OCI_SCHEMES = ("oci", "oci+https", "oci+http")
_PATH = r"(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
_ADDRESS = rf"oci(?:\+(https?))?://([a-zA-Z0-9._-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{{1,5}})?({_PATH})/?"
_HUB_API = "registry-1.docker.io"
_HUB = frozenset(["docker.io", "index.docker.io", _HUB_API])
_SPELLING = "write it as oci://host[:port]/repository"


class OciAddress(Struct, frozen=True, kw_only=True):
    """The address of a registry.

    ``name`` is the address as it was written. ``api`` is the start of every request's URL. ``root`` is the part of each
    repository before the image, perhaps empty. ``login`` is the registry's name in credentials files. ``says_scheme``
    tells whether the address itself names http or https.
    """

    name: str
    api: str
    origin: Origin
    root: str
    login: str
    says_scheme: bool

    @classmethod
    def parse(cls, url: str) -> OciAddress:
        """Read an address; a malformed one, or plain http to another machine, is a ConfigError."""
        match = re.fullmatch(_ADDRESS, url, re.ASCII)
        if match is None:
            raise ConfigError(f"{shown(url)} is not the address of a registry", hint=_hint(url), code="bad-address")
        _refuse_repository(url)
        host, port = match[2].lower(), match[3] or ""
        host, login = (_HUB_API, "docker.io") if host in _HUB else (host, host)
        is_local = Origin.parse(f"https://{host}{port}").is_loopback
        if match[1] == "http" and not is_local:
            raise ConfigError(
                f"{shown(url)}: plain http is allowed to this machine only",
                hint=f"write oci+https://{shown(url).partition('://')[2]}",
                code="plain-http",
            )
        api = f"{match[1] or ('http' if is_local else 'https')}://{host}{port}/v2/"
        root = match[4].lstrip("/")
        return cls(
            name=url.rstrip("/"),
            api=api,
            origin=Origin.parse(api),
            root=root,
            login=f"{login}{port}",
            says_scheme=match[1] is not None,
        )

    def repository(self, image: str) -> str:
        """Return the repository of *image*; on Docker Hub a name without a namespace is in ``library/``."""
        if self.root:
            return f"{self.root}/{image}"
        return f"library/{image}" if self.origin.host == _HUB_API and "/" not in image else image

    @property
    def other_scheme(self) -> str:
        """This address with the other scheme, for a hint."""
        other = "oci+http" if self.origin.scheme == "https" else "oci+https"
        return f"{other}://{self.name.partition('://')[2]}"


def _hint(url: str) -> str:
    lower = url.lower()
    return f"write it in lower case: {lower}" if lower != url and re.fullmatch(_ADDRESS, lower, re.ASCII) else _SPELLING


def _refuse_repository(url: str) -> None:
    """Refuse an address that ends with what we add to each: no client looks for images in such a repository."""
    before, found, _ = f"{url.rstrip('/')}/".rpartition("/deckhouse-cli/")
    if found:
        raise ConfigError(
            f"{shown(url)} goes on with /deckhouse-cli, which is added to the address of a registry",
            hint=f"write {shown(before)}",
            code="bad-address",
        )

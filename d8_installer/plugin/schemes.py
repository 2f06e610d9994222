"""Opens sources and destinations by the scheme of their URL. First-party schemes stand in a table, by module."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from d8_installer.errors import ConfigError
from d8_installer.model.address import PATH_SCHEMES, Shown, hides, shown
from d8_installer.plugin.calling import Record, collect, guarded, hint_about, new_manager
from d8_installer.plugin.records import DestinationScheme, SourceScheme

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pluggy

    from d8_installer.model.source import Destination, Source
    from d8_installer.plugin.calling import Offer
    from d8_installer.plugin.records import Access

FIRST_PARTY = {
    "http": "rpp",
    "https": "rpp",
    "oci": "oci_registry",
    "oci+https": "oci_registry",
    "oci+http": "oci_registry",
    "oci-layout": "oci_layout",
    "bundle": "bundle",
}
"""Scheme -> module of ``d8_hooks`` that implements it."""

_FORMS = {
    "https": "https://HOST for a registry-packages-proxy",
    "oci": "oci://HOST/ROOT for a registry",
    "oci-layout": "oci-layout:DIR for a directory",
    "bundle": "bundle:FILE for a bundle",
}
"""How the usual kinds of addresses are written."""
_WRITABLE = ("oci", "oci+https", "oci+http", "oci-layout")
"""The schemes of FIRST_PARTY that ``publish`` can write to."""
Opened = TypeVar("Opened")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_HOST = (
    r"(?:[a-z0-9-]{1,30}(?:\.[a-z0-9-]{1,30})*\.[a-z]{2,10}|[0-9]{1,3}(?:\.[0-9]{1,3}){3})"  # the name, or IPv4
    r"(?::[0-9]{1,5})?(?:/[a-z0-9._-]{1,30}){0,4}"  # the port and the path
)
"""A host's name with a dot or its IPv4, as people leave out the scheme before it. No token is spelled like that."""
_MEANS = {"https": " for a registry-packages-proxy", "oci": " for a registry"}
_SCHEME_CHARACTERS = _LETTERS | frozenset("0123456789+.-")


def scheme_of(url: str, known: Iterable[str] = FIRST_PARTY) -> str:
    """Return the scheme that *url* begins with. A URL without one is a ConfigError that names the *known* ones."""
    name, _, rest = url.partition(":")
    if not rest or name[:1] not in _LETTERS or not _SCHEME_CHARACTERS.issuperset(name):
        raise without_scheme(url, known) or ConfigError(
            f"{shown(url)!r} has no scheme", hint=expected(known), code="bad-address"
        )
    return name


def without_scheme(url: str, known: Iterable[str] = FIRST_PARTY) -> ConfigError | None:
    """Return the error of a path that exists or of the name of a host, written where a URL is wanted; else None.

    Only these are shown as they were typed: other text may be a password or a token.
    """
    import re

    if os.path.isfile(url):
        schemes = ["bundle"]
    elif os.path.isdir(url):
        schemes = ["oci-layout"]
    else:
        schemes = ["https", "oci"] if re.fullmatch(_HOST, url) else []
    begin = {"https": "https://", "oci": "oci://"}
    lines = [f"{begin.get(name, f'{name}:')}{url}{_MEANS.get(name, '')}" for name in schemes if name in known]
    if not lines:
        return None
    place = Shown(url)  # it is one of the two, so it holds no secret
    return ConfigError(f"{place!r} has no scheme", hint=f"write {', or '.join(lines)}", code="bad-address")


def scheme_of_destination(url: str) -> str:
    """Return the scheme of *url*; the error of a URL without one names those that can be published to."""
    return scheme_of(url, _WRITABLE)


def open_source(url: str, access: Access, plugins: Mapping[str, object] | None = None) -> Source:
    """Open the source that *url* names. An unknown scheme is a ConfigError.

    *plugins* maps the name and version of each loaded plugin that may know the scheme to the plugin.
    """
    name = scheme_of(url)
    schemes = collect(_manager(name, plugins or {}).hook.d8_sources, SourceScheme)
    chosen = _pick(schemes, url, "source")
    opened = guarded(f"the source {name!r}", "open", lambda: chosen.open(url, access))
    return _whole(opened, f"the source {name!r}", ("name", "tags", "manifest", "layer", "close"))


def open_destination(url: str, access: Access, plugins: Mapping[str, object] | None = None) -> Destination:
    """Open the destination that *url* names, as ``open_source`` does."""
    name = scheme_of_destination(url)
    schemes = collect(_manager(name, plugins or {}).hook.d8_destinations, DestinationScheme)
    chosen = _pick(schemes, url, "destination")
    opened = guarded(f"the destination {name!r}", "open", lambda: chosen.open(url, access))
    return _whole(opened, f"the destination {name!r}", ("tag_digest", "has_blob", "put_blob", "put_manifest", "close"))


def _whole(opened: Opened, what: str, members: tuple[str, ...]) -> Opened:
    """Return what a plugin opened. One without some of the *members* of its protocol is a ConfigError."""
    if absent := [name for name in members if not hasattr(opened, name)]:
        raise ConfigError(
            f"plugin {what} failed in open: it returned {type(opened).__name__}, which has no {', '.join(absent)}",
            hint=hint_about(what),
            code="plugin-failed",
        )
    return opened


def _manager(scheme: str, plugins: Mapping[str, object]) -> pluggy.PluginManager:
    module = FIRST_PARTY.get(scheme)
    first_party = {} if module is None else {f"d8_hooks.{module}": import_module(f"d8_hooks.{module}")}
    return new_manager({**first_party, **plugins})


def _pick(schemes: Mapping[str, Offer[Record]], url: str, kind: str) -> Record:
    name = scheme_of(url)
    offer = schemes.get(name)
    if offer is None:
        typed = without_scheme(
            url, {*(_WRITABLE if kind == "destination" else FIRST_PARTY)}
        )  # registry.example.com:5000
        if typed is not None:
            raise typed
        # A user's name or a token may stand before a colon, too.
        text = name if name.isalpha() and "@" not in url else shown(url)
        raise ConfigError(
            f"no {kind} is known for {text!r}",
            hint=expected({*(_WRITABLE if kind == "destination" else FIRST_PARTY), *schemes}),
            code="bad-address",
        )
    if name in PATH_SCHEMES and hides(url):
        raise ConfigError(
            f"{shown(url)!r} is not a path of this machine", hint=f"write {name}:PATH", code="bad-address"
        )
    return offer.record


def expected(schemes: Iterable[str] = FIRST_PARTY) -> str:
    """Return the hint that shows how an address with one of the *schemes* is written."""
    known = set(schemes)
    if known == set(_WRITABLE):
        return "write oci-layout:DIR for a directory, or oci://HOST/ROOT for a registry"
    forms = [form for name, form in _FORMS.items() if name in known]
    return f"write {', '.join([*forms, *(f'{name}:…' for name in sorted(known - FIRST_PARTY.keys()))])}"

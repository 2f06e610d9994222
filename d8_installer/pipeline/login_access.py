"""The tokens that a person keeps with ``login``: which of them is for an address, and where it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.model.identity import Identity
from d8_installer.registry.rpp_errors import LOGIN
from d8_installer.store import logins

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from d8_installer.model.logins import KeptLogin
    from d8_installer.pipeline.scope import Scope


def kept_login(scope: Scope, url: str, cluster: str | None, warn: Callable[[str], object]) -> Identity | None:
    """Return the token that is kept for the origin of *url*, or None. No other origin gets it.

    *cluster* is the key of the cluster whose CA vouches for the endpoint.
    """
    login = _found(scope, url, cluster, warn)
    if login is None:
        return None
    token, place = login.token, LOGIN
    if token is None:
        token, place = system_keyring().read(login.name), f"{LOGIN} in the keyring"
    scope.secrets.add(token)
    return Identity(token=token, place=place)


def _found(scope: Scope, url: str, cluster: str | None, warn: Callable[[str], object]) -> KeptLogin | None:
    origin = origin_of(url)
    try:
        file = scope.logins_file
    except ConfigError:  # without HOME nothing can have been kept
        return None
    if origin is None:
        return None
    if logins.is_foreign(file):
        warn(f"{file} belongs to another user, so the logins in it do not count")
        return None
    return logins.load(file).find(origin, cluster)


def system_keyring() -> ModuleType:
    """Return the module that asks the system's keyring; a ConfigError if its library is not installed."""
    from importlib.util import find_spec

    from d8_installer.store import system_keyring as module

    if find_spec("keyring") is None:
        from d8_installer.plugin.self_installation import running, to_add_extra

        raise ConfigError(
            "the library keyring is not installed",
            hint=f"type `{to_add_extra(running(), 'keyring')}`",
            code="missing-extra",
        )
    return module


def origin_of(url: str) -> str | None:
    """Return the origin of an http or https address, such as ``https://rpp.example.com:443``; None for any other."""
    from d8_installer.registry.origin import Origin

    if url.partition(":")[0].lower() not in {"http", "https"}:
        return None
    origin = Origin.parse(url)
    return f"{origin.scheme}://{origin}"

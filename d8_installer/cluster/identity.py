"""Who the user of a context is, now: read from the kubeconfig, a token file, PEM files or an exec plugin (rpp.md §4.2).

The order is client-go's: a token file before the token in the kubeconfig, and both before an exec plugin. A certificate
goes with whatever else there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cluster.context import LOG_IN, read_small_file
from d8_installer.errors import ConfigError
from d8_installer.model.identity import Identity
from d8_installer.model.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d8_installer.cluster.context import ClusterContext, ClusterUser

_MAX_TOKEN = 1 << 16


def read_identity(
    context: ClusterContext,
    env: Mapping[str, str],
    *,
    has_terminal: Callable[[], bool],
    at_end: Callable[[Callable[[], None]], object],
) -> Identity | None:
    """Return who the context's user is, None if it says nothing. What was read before is read again.

    *env* is for an exec plugin; *has_terminal* says whether a person can answer its questions. *at_end* takes what
    ends the plugin if it still runs when the command ends.
    """
    user = context.user
    certificate, key = _certificate(user)
    token = _token(user)
    if token or user.username or user.password or user.plugin is None:
        if not (token or user.username or user.password or certificate):
            return None
        return Identity(
            token=token or None,
            username=None if token else user.username or (user.password and "") or None,
            password=None if token or not (user.username or user.password) else user.password,
            certificate=certificate,
            key=key,
            place=place_of(context),
        )
    from d8_installer.cluster.exec_plugin import run_plugin

    found = run_plugin(user.plugin, context, env, has_terminal=has_terminal, at_end=at_end)
    if found.certificate is None and certificate is not None:
        found = replace(found, certificate=certificate, key=key)
    return replace(found, place=place_of(context))


def place_of(context: ClusterContext) -> str:
    """Return where the user's identity comes from, for messages."""
    return context.place if context.is_in_cluster else f"{context.place} (user {context.user.name[:100]!r})"


def _token(user: ClusterUser) -> str:
    if user.token_file is None:
        return user.token
    try:
        raw = read_small_file(user.token_file, "the token file of the kubeconfig", _MAX_TOKEN)
    except ConfigError:
        if user.token:
            return user.token
        raise
    token = raw.decode("ascii", "replace").strip()
    if not token and not user.token:
        raise ConfigError(f"the token file of the kubeconfig {user.token_file!r} is empty", hint=LOG_IN)
    return token or user.token


def _certificate(user: ClusterUser) -> tuple[bytes | None, bytes | None]:
    if user.certificate is None:
        return None, None
    if user.key is None:
        raise ConfigError(f"user {user.name[:100]!r} of the kubeconfig has a certificate without a key", hint=LOG_IN)
    certificate = user.certificate.read("the client certificate of the kubeconfig")
    return certificate, user.key.read("the client key of the kubeconfig")

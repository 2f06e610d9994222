"""Who the user of a context is, now: read from the kubeconfig, a token file, PEM files or an exec plugin (rpp.md §4.2).

The order is client-go's: a token file before the token in the kubeconfig, and both before an ID token or an exec
plugin. A certificate goes with whatever else there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cluster.context import LOG_IN, read_small_file
from d8_installer.errors import ConfigError, NotAllowedError
from d8_installer.model.identity import Identity
from d8_installer.model.identity_facts import facts_of
from d8_installer.model.secrets import text_of_token
from d8_installer.model.shell_words import quoted_path
from d8_installer.model.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from d8_installer.cluster.context import ClusterContext, ClusterUser, OidcLogin

_MAX_TOKEN = 1 << 16


def read_identity(
    context: ClusterContext,
    env: Mapping[str, str],
    *,
    now: datetime,
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
    if not token and user.oidc is not None:
        token = _id_token(user.oidc, context, now)
    if token:
        found = Identity(token=token)
    elif user.username or user.password:
        found = Identity(username=user.username, password=user.password)
    elif user.plugin is not None:
        from d8_installer.cluster.exec_plugin import run_plugin

        found = run_plugin(user.plugin, context, env, has_terminal=has_terminal, at_end=at_end)
    elif certificate is None:
        return None
    else:
        found = Identity()
    if found.certificate is None:
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
    token = text_of_token(raw)
    if not token and not user.token:
        raise ConfigError(
            f"the token file of the kubeconfig {quoted_path(user.token_file)} is empty",
            hint=LOG_IN,
            code="bad-kubeconfig",
        )
    return token or user.token


def _id_token(login: OidcLogin, context: ClusterContext, now: datetime) -> str:
    """Return the ID token. One that has expired is a NotAllowedError.

    It is not refreshed here: the issuer may replace the refresh token, and then kubectl's copy would be of no use.
    """
    facts = facts_of(Identity(token=login.id_token))
    if login.id_token and not facts.has_expired(now):
        return login.id_token
    hint = "type `kubectl auth whoami` (or `d8 k auth whoami`), which renews it, or log in again"
    raise NotAllowedError(
        f"the id-token of {place_of(context)} {f'has expired: {facts.until}' if login.id_token else 'is missing'}",
        hint=hint if login.can_refresh else LOG_IN,
        code="token-refused",
    )


def _certificate(user: ClusterUser) -> tuple[bytes | None, bytes | None]:
    if user.certificate is None:
        return None, None
    if user.key is None:
        raise ConfigError(
            f"user {user.name[:100]!r} of the kubeconfig has a certificate without a key",
            hint=LOG_IN,
            code="bad-kubeconfig",
        )
    certificate = user.certificate.read("the client certificate of the kubeconfig")
    return certificate, user.key.read("the client key of the kubeconfig")

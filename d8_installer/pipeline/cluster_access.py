"""ClusterAccess: the cluster that a command is for, if a kubeconfig or a pod names one, and its API.

Nothing is read before it is needed: a command with an endpoint and a token of its own reads no kubeconfig.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from functools import cached_property
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError, D8Error, MismatchError, TryAgainError, UnreachableError
from d8_installer.model.address import shown
from d8_installer.model.value import Struct, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from d8_installer.cluster.api import Api, ApiError, ApiReply
    from d8_installer.cluster.context import ClusterContext
    from d8_installer.model.identity import Identity
    from d8_installer.model.identity_facts import IdentityFacts
    from d8_installer.pipeline.credentials import Renewing
    from d8_installer.pipeline.reporter import Reporter
    from d8_installer.pipeline.scope import Scope
    from d8_installer.registry.client import Client, ClientOptions
    from d8_installer.store.kubeconfig_choice import KubeconfigChoice

REQUEST_LIMIT = 30.0
"""Seconds that one request to the API may take, from the connection to the last byte."""
_API_HINT = (
    "check `server` in the kubeconfig (`kubectl cluster-info`) and the network; on a master node the API is at "
    "https://127.0.0.1:6445"
)
_CA_HINT = (
    "check `server` and `certificate-authority-data` in the kubeconfig; --insecure-skip-tls-verify does not verify it"
)
_PROXY_HINT = "check HTTPS_PROXY, and name the host of `server` in NO_PROXY if it needs no proxy"
_PROXY_URL_HINT = "check `proxy-url` in the kubeconfig; without it HTTPS_PROXY and NO_PROXY count"
_HTTPS_HINT = "an API server speaks https: correct the kubeconfig: server: https://HOST:PORT"


class ClusterAccess(Struct, frozen=True, kw_only=True, dict=True):
    """The cluster of the command's options and environment. What is opened here is closed with *closing*."""

    scope: Scope
    reporter: Reporter
    closing: contextlib.ExitStack

    def in_scope(self, scope: Scope) -> ClusterAccess:
        """Return the access for another scope of the same command: this one, if it names the same cluster."""
        old, new = self.scope.options, scope.options
        same = (old.kubeconfig, old.context, old.insecure) == (new.kubeconfig, new.context, new.insecure)
        return self if same else replace(self, scope=scope)

    @property
    def candidates(self) -> tuple[str, ...]:
        """The kubeconfigs that would be read, whether they exist or not. Reads nothing."""
        return self.choice.files

    @cached_property
    def choice(self) -> KubeconfigChoice:
        """Which kubeconfigs the command line and the environment name. Reads nothing."""
        from d8_installer.store.kubeconfig_choice import KubeconfigChoice

        options, scope = self.scope.options, self.scope
        return KubeconfigChoice.of(
            options.kubeconfig, options.context, scope.environ, scope.directory, insecure=options.insecure
        )

    @cached_property
    def context(self) -> ClusterContext | None:
        """The context that was typed, else the current one, else the pod's service account; None if there is none.

        A kubeconfig that cannot be read, and an unknown context, are a ConfigError.
        """
        options = self.scope.options
        if not self._may_have_context:
            return None
        from d8_installer.cluster.kubeconfig import load

        merged = load(self.candidates, is_typed=bool(options.kubeconfig))
        found = merged.context(options.context)
        if found is not None:
            self._warn_of_readers(found)
            return found
        if bool(options.kubeconfig):
            raise ConfigError(
                f"{merged.place} has no current-context",
                hint=merged.choices,
                code="no-cluster",
            )
        from d8_installer.cluster.service_account import in_cluster_context

        return in_cluster_context(self.scope.environ)

    @property
    def _may_have_context(self) -> bool:
        """Whether it is worth importing what reads a kubeconfig: something names a cluster."""
        options = self.scope.options
        is_named = options.kubeconfig or options.context or self.scope.environ.get("KUBERNETES_SERVICE_HOST")
        return bool(is_named) or any(map(os.path.lexists, self.candidates))

    @property
    def absence(self) -> str:
        """Say why there is no context, if there is more to say than that there is no kubeconfig; else ``""``."""
        there = [file for file in self.candidates if os.path.exists(file)]
        if there:
            return f" (no current-context in {', '.join(there)}: choose one with --context NAME)"
        return " (KUBECONFIG names no file that exists)" if self.scope.environ.get("KUBECONFIG") else ""

    def _warn_of_readers(self, context: ClusterContext) -> None:
        """Warn once of kubeconfigs that hold a secret of this user and that others can read."""
        if not context.user.has_secret or os.name != "posix":
            return
        for file in context.files:
            with contextlib.suppress(OSError):
                if os.stat(file).st_mode & (stat.S_IRGRP | stat.S_IROTH):
                    self.reporter.warn(f"others can read the kubeconfig {file}, which holds a secret: chmod 600 {file}")
                    return

    @property
    def files(self) -> tuple[str, ...]:
        """The kubeconfigs that were read."""
        return () if self.context is None else self.context.files

    @cached_property
    def key(self) -> str:
        """A hash of the API's address, its CA and the user: the key of caches. ConfigError without a cluster.

        What an API server said whose certificate was not verified, no command reads that verifies it.
        """
        import hashlib
        import json

        context = self._required
        ca = b"" if context.ca is None else context.ca.read("the CA of the kubeconfig")
        is_insecure = context.is_insecure or self.scope.options.insecure
        parts = [context.server, hashlib.sha256(ca).hexdigest(), is_insecure, context.user.name]
        parts += [list(map(list, context.user.impersonated))]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @cached_property
    def user(self) -> Renewing:
        """Who the context's user is; files are read and an exec plugin is run at the first use only."""
        from d8_installer.cluster.identity import read_identity
        from d8_installer.pipeline.credentials import Renewing

        def ask(_refused: Identity | None) -> Identity | None:
            found = read_identity(
                self._required,
                self.scope.environ,
                now=self.scope.clock(),
                has_terminal=_has_terminal,
                at_end=self.closing.callback,
            )
            if found is not None:
                self.scope.secrets.add(found.token, found.password)
            return found

        return Renewing(ask, lambda: self.scope.clock().timestamp())

    def identity(self, refused: Identity | None = None) -> Identity | None:
        """Return who the context's user is, another one than *refused*; None without a cluster."""
        if self.context is None:
            return None
        return self.user.current() if refused is None else self.user.renewed(refused)

    def facts_of_identity(self) -> IdentityFacts | None:
        """Return what the user's identity says of itself, for ``doctor``; None if there is none."""
        from d8_installer.model.identity_facts import facts_of

        identity = self.identity()
        return None if identity is None else facts_of(identity)

    def api(self) -> Api:
        """Return the API; nothing is asked yet. Without a cluster it is a ConfigError."""
        return self._api

    @cached_property
    def _api(self) -> Api:
        from d8_installer.cluster.api import Api

        context = self._required
        client = _client(context, self.user, self.scope, self.reporter)
        self.closing.enter_context(contextlib.closing(client))
        return Api(_HttpTransport(client, context, self.scope.clock))

    @property
    def _required(self) -> ClusterContext:
        if self.context is None:
            raise ConfigError(
                "no cluster is configured: there is no kubeconfig with a current context",
                hint="log in to a cluster, or name a kubeconfig: --kubeconfig FILE --context NAME",
                code="no-cluster",
            )
        return self.context


def _has_terminal() -> bool:
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def _client(context: ClusterContext, user: Renewing, scope: Scope, reporter: Reporter) -> Client:
    from d8_installer.registry.client import Client, OriginIdentity
    from d8_installer.registry.origin import Origin

    try:
        origin = Origin.parse(context.server)
    except ConfigError as error:
        raise error.within(
            f"the server of cluster {context.cluster[:100]!r} in {context.place}",
            hint="correct it: server: https://HOST:PORT",
        ) from error
    return Client(_options(context, scope, reporter), OriginIdentity(origin, user.current, user.renewed))


def _options(context: ClusterContext, scope: Scope, reporter: Reporter) -> ClientOptions:
    from d8_installer.registry.client import CONNECT_TIMEOUT, ClientOptions
    from d8_installer.registry.retry import RetryPolicy

    is_insecure = context.is_insecure or scope.options.insecure
    return ClientOptions(
        roots=None if context.ca is None or is_insecure else context.ca.read("the CA of the kubeconfig"),
        insecure=is_insecure,
        server_name=context.server_name,
        forward_proxy=forward_proxy(context),
        env=scope.environ,
        offline=scope.is_offline,
        connect_timeout=min(scope.timeout, CONNECT_TIMEOUT),
        read_timeout=min(scope.timeout, REQUEST_LIMIT),
        retry=RetryPolicy(tries=3, max_wait=5.0),
        secrets=scope.secrets,
        trace=reporter.detail,
    )


def forward_proxy(context: ClusterContext) -> str | None:
    """Return the ``proxy-url`` of the cluster, through which its API and its endpoint are reached; it may be None."""
    from d8_installer.registry.origin import is_proxy_url

    if context.proxy is None or is_proxy_url(context.proxy):
        return context.proxy
    raise ConfigError(
        f"the proxy-url {shown(context.proxy)} of cluster {context.cluster[:100]!r} is not the address of an http or "
        "https proxy, and SOCKS proxies are not supported",
        hint="give the kubeconfig an http proxy, as `proxy-url: http://HOST:PORT` of this cluster",
        code="bad-kubeconfig",
    )


class _HttpTransport:
    """Sends requests to the context's API."""

    def __init__(self, client: Client, context: ClusterContext, now: Callable[[], datetime]) -> None:
        self._client = client
        self._context = context
        self._now = now
        self.name = f"the Kubernetes API {shown(context.server)}"

    def send(
        self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes | None, limit: int
    ) -> ApiReply:
        """Return the answer within 30 seconds; no answer is an ApiError with status 0."""
        from urllib.parse import urlencode

        from d8_installer.cluster.api import ApiReply

        url = f"{self._context.server}{path}{f'?{urlencode(query)}' if query else ''}"
        headers = [("Accept", "application/json"), *self._context.user.impersonated]
        headers += [("Content-Type", "application/json")] if body is not None else []
        try:
            with self._client.within(REQUEST_LIMIT), self._client.open(method, url, headers, body) as stream:
                reply = ApiReply(stream.status, stream.read(limit), _moment(stream.headers.get("date", "")))
        except (UnreachableError, TryAgainError, MismatchError) as error:
            raise _no_answer(error, self._context) from error
        if reply.status == 401 and self._client.presented is not None:
            raise _unknown_user(self.name, self._client.presented, self._now())
        return reply


def _unknown_user(api: str, identity: Identity, now: datetime) -> ApiError:
    """Return the error of a 401: the API does not know the user, perhaps because its identity has expired."""
    from d8_installer.cluster.api import ApiNotAllowedError
    from d8_installer.model.identity_facts import facts_of

    facts = facts_of(identity)
    why = f": it has expired: {facts.until}" if facts.has_expired(now) else ""
    error = ApiNotAllowedError(
        f"{api} does not accept the {identity.kind} from {identity.place} (status 401){why}",
        hint="log in to the cluster again, then type the same command again",
    )
    error.status, error.reason = 401, "Unauthorized"
    return error


def _no_answer(error: D8Error, context: ClusterContext) -> ApiError:
    from d8_installer.cluster.api import ApiTryAgainError, ApiUnreachableError

    if isinstance(error, MismatchError):
        hint = "check `server` in the kubeconfig: it may lead to something else than a Kubernetes API"
        return ApiUnreachableError(f"the Kubernetes API answers what cannot be used: {error.message}", hint=hint)
    kind = ApiTryAgainError if isinstance(error, TryAgainError) else ApiUnreachableError
    return kind(f"the Kubernetes API does not answer: {error.message}", hint=_hint(error, context))


def _hint(error: D8Error, context: ClusterContext) -> str:
    fault = error.fault if isinstance(error, UnreachableError) else None
    if fault == "certificate":
        return _CA_HINT
    if fault == "proxy":
        return _PROXY_HINT if context.proxy is None else _PROXY_URL_HINT
    return _HTTPS_HINT if context.server.startswith("http:") else _API_HINT


def _moment(date: str) -> datetime | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None

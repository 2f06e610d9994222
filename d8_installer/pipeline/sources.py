"""Sources: where a command's images come from, and how sources and destinations are reached.

An endpoint that is named comes first: by the command line, the environment or the settings. Else the cluster of the
kubeconfig is searched for one.
"""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

from d8_installer.errors import ConfigError
from d8_installer.model.value import Struct, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d8_installer.model.identity import Identity
    from d8_installer.model.source import Destination, Source
    from d8_installer.pipeline.cluster_access import ClusterAccess
    from d8_installer.pipeline.credentials import EndpointIdentity
    from d8_installer.pipeline.endpoint_choice import ChosenEndpoint
    from d8_installer.pipeline.endpoint_search import EndpointSearch
    from d8_installer.pipeline.plugin_host import PluginHost
    from d8_installer.pipeline.reporter import Reporter
    from d8_installer.pipeline.scope import Scope
    from d8_installer.plugin.records import Access, CredentialRequest


class Sources(Struct, frozen=True, kw_only=True, dict=True):
    """The sources that options, environment and settings name. What is opened here is closed with *closing*."""

    scope: Scope
    plugins: PluginHost
    cluster: ClusterAccess
    reporter: Reporter
    closing: contextlib.ExitStack

    @cached_property
    def named(self) -> tuple[str, ...]:
        """The sources' URLs in their order; it may be empty.

        A source that the command line or the environment names is the only one, else those of the settings count.
        """
        scope = self.scope
        typed = scope.options.endpoint or scope.environ.get("D8_RPP_ENDPOINT")
        chosen = (typed,) if typed else (scope.config.endpoint, *scope.config.sources)
        return tuple(dict.fromkeys(url for url in chosen if url))

    @cached_property
    def endpoints(self) -> tuple[str, ...]:
        """The URLs as in ``named``, else that of the cluster's proxy; a ConfigError where there are none."""
        if self.named:
            return self.named
        if self.search is None:
            if self.scope.is_offline:
                raise ConfigError(
                    "no endpoint is set, and this run is offline, so there is no place to get images from",
                    hint="name a source on this machine: --from bundle:FILE or --from oci-layout:DIR",
                    code="no-endpoint",
                )
            program = "d8-installer --global" if self.scope.is_global else "d8-installer"
            raise ConfigError(
                f"no endpoint is set and no kubeconfig names a cluster{self.cluster.absence}, so there is no place to "
                "get images from",
                hint=f"type `{program} config set endpoint URL` (https://HOST for a registry-packages-proxy, "
                "oci://HOST/ROOT for a registry, oci-layout:DIR for a directory, bundle:FILE for a bundle), or "
                "name the kubeconfig of a cluster with --kubeconfig FILE",
                code="no-endpoint",
            )
        return (self.search.chosen.url,)

    @cached_property
    def search(self) -> EndpointSearch | None:
        """The search for the endpoint in the cluster; None if a source is named, or if there is no cluster."""
        if self.named or self.cluster.context is None:
            return None
        from d8_installer.pipeline.endpoint_search import EndpointSearch

        return EndpointSearch(
            scope=self.scope, cluster=self.cluster, reporter=self.reporter, access=lambda: self.access
        )

    @property
    def known(self) -> str | None:
        """The first source's URL if this command knows it by now. Nothing is read or asked to find out."""
        search = vars(self).get("search")
        if self.named:
            return self.named[0]
        return search.found_url if search is not None else None

    @property
    def endpoint(self) -> str:
        """The first source's URL. The token is for it alone."""
        return self.endpoints[0]

    @cached_property
    def combined(self) -> Source:
        """The source, or one that asks all of them in their order; opened at first use."""
        search = self.search
        if search is not None:
            from d8_installer.pipeline.discovered_source import DiscoveredSource

            return DiscoveredSource(search, lambda chosen, wait: self._open_found(search, chosen, wait))
        if len(self.endpoints) == 1:
            return self.open_source(self.endpoint)
        from d8_installer.registry.fallback import Candidate, FallbackSource

        say = self.reporter.detail if self.scope.is_offline else self.reporter.warn
        return FallbackSource([Candidate(url, self.open_source) for url in self.endpoints], say, self.reporter.warn)

    def open_source(self, url: str, access: Access | None = None) -> Source:
        """Open the source at *url*. Only the endpoint gets the token; another one gets what was kept for it alone."""
        from d8_installer.plugin.schemes import open_source

        access = access or self.access
        access = self._for_endpoint(access) if url == self.endpoint else self._for_other(url, access)
        return self.closing.enter_context(contextlib.closing(open_source(url, access, self._offering(url))))

    def _for_endpoint(self, access: Access) -> Access:
        return access if self.search is None else self.search.access_to(self.search.chosen.endpoint, access)

    def _for_other(self, url: str, access: Access) -> Access:
        """Return *access* with the login that is kept for this address, in place of who we are to the endpoint."""
        from d8_installer.pipeline.credentials import Renewing
        from d8_installer.registry.rpp_errors import LOGIN

        kept = Renewing(lambda _refused: self.login_at(url, None), lambda: self.scope.clock().timestamp())
        bare = access.without_identity()
        return replace(bare, identity=kept.current, renewed=kept.renewed, token_from=lambda: kept.current() and LOGIN)

    def login_at(self, url: str, cluster: str | None) -> Identity | None:
        """Return the token that is kept for the origin of *url*, of which the CA of *cluster* vouches; or None."""
        from d8_installer.pipeline.login_access import kept_login

        return kept_login(self.scope, url, cluster, self.reporter.warn)

    @property
    def trusted_by(self) -> str | None:
        """The key of the cluster whose CA vouches for the endpoint; None if no cluster's does."""
        return None if self.search is None else self._vouching(self.search.chosen)

    def _vouching(self, chosen: ChosenEndpoint) -> str | None:
        return None if chosen.endpoint.ca is None else self.cluster.key

    def _open_found(
        self, search: EndpointSearch, chosen: ChosenEndpoint, wait: Callable[[float], object] | None
    ) -> Source:
        """Open the source at an endpoint that the cluster names; it gets the identity of the same cluster."""
        from d8_installer.plugin.schemes import open_source

        access = self.access
        if chosen is not search.chosen:  # what was kept for the first address is not for this one
            identity = self._identity_at(lambda: chosen.url, lambda: self._vouching(chosen))
            access = replace(access, **_as(identity))
        access = replace(search.access_to(chosen.endpoint, access), wait=wait)
        return self.closing.enter_context(contextlib.closing(open_source(chosen.url, access, {})))

    def open_destination(self, url: str) -> Destination:
        """Open the destination at *url*."""
        from d8_installer.plugin.schemes import open_destination, scheme_of_destination

        scheme_of_destination(url)
        opened = open_destination(url, self.access, self._offering(url))
        return self.closing.enter_context(contextlib.closing(opened))

    def _offering(self, url: str) -> Mapping[str, object]:
        """Return the plugins that may offer the scheme of *url*: none for a first-party scheme."""
        from d8_installer.plugin.schemes import FIRST_PARTY, scheme_of

        return {} if scheme_of(url) in FIRST_PARTY else self.plugins.hooks.loaded.objects

    @cached_property
    def identity(self) -> EndpointIdentity:
        """Who the person is to the endpoint; credentials are asked at the first request that needs it."""
        return self._identity_at(lambda: self.endpoint, lambda: self.trusted_by)

    def _identity_at(self, url: Callable[[], str], cluster: Callable[[], str | None]) -> EndpointIdentity:
        from d8_installer.pipeline.credentials import EndpointIdentity

        return EndpointIdentity(
            lambda: self.plugins.hooks,
            lambda refused: self._credential_request(refused, url(), cluster),
            now=lambda: self.scope.clock().timestamp(),
            secrets=self.scope.secrets,
            tell=self.reporter.detail,
        )

    def _credential_request(
        self, refused: Identity | None, url: str, cluster: Callable[[], str | None]
    ) -> CredentialRequest:
        from d8_installer.plugin.records import CredentialRequest

        options = self.scope.options
        return CredentialRequest(
            endpoint=url,
            env=self.scope.environ,
            token_file=options.token_file,
            kubeconfig=options.kubeconfig,
            context=options.context,
            configured_file=self._configured_token_file,
            refused=refused,
            cluster_identity=lambda: self.cluster.identity(refused),
            is_discovered=not self.named,
            kept_login=lambda: self.login_at(url, cluster()),
        )

    @property
    def _configured_token_file(self) -> str | None:
        """The setting ``token_file``. It is for the endpoint of the settings, not for another one that was typed."""
        config = self.scope.config
        return config.token_file if config.endpoint in {None, self.endpoint} else None

    @cached_property
    def access(self) -> Access:
        """How sources and destinations are reached."""
        from d8_installer.pipeline.credentials import certificate_files
        from d8_installer.plugin.records import Access

        options, environ, config = self.scope.options, self.scope.environ, self.scope.config
        certificate, key = certificate_files(
            (options.client_cert, options.client_key),
            (environ.get("D8_RPP_CLIENT_CERT"), environ.get("D8_RPP_CLIENT_KEY")),
            (config.client_cert, config.client_key),
        )
        return Access(
            **_as(self.identity),
            ca_file=options.ca_file or environ.get("D8_RPP_CA_FILE") or config.ca_file,
            client_cert=certificate,
            client_key=key,
            insecure=options.insecure,
            env=environ,
            connections=options.connections,
            max_wait=self.scope.timeout,
            stall_timeout=self.scope.timeout,
            offline=self.scope.is_offline,
            secrets=self.scope.secrets,
            trace=self.reporter.detail,
        )


def _as(identity: EndpointIdentity) -> dict[str, Any]:
    """Return the fields of an Access that say who we are."""
    return {
        "token": identity.token,
        "identity": identity.current,
        "renewed": identity.renewed,
        "token_from": lambda: identity.origin,
    }

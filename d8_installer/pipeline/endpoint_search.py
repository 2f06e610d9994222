"""Finds the endpoint in a cluster where the person names none: the one that was kept, else the cluster is asked."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import TYPE_CHECKING

from d8_installer.cluster.discovery import EXPLICIT, discover
from d8_installer.errors import ConfigError, D8Error, DiskError, UnreachableError
from d8_installer.model.address import shown
from d8_installer.model.value import Struct, replace
from d8_installer.pipeline import endpoint_cache
from d8_installer.pipeline.cluster_access import forward_proxy
from d8_installer.pipeline.endpoint_choice import SECONDS, ChosenEndpoint, first_verified

if TYPE_CHECKING:
    from collections.abc import Callable

    from d8_installer.cluster.discovery import NamedEndpoint
    from d8_installer.pipeline.cluster_access import ClusterAccess
    from d8_installer.pipeline.reporter import Reporter
    from d8_installer.pipeline.scope import Scope
    from d8_installer.plugin.records import Access
    from d8_installer.registry.handshake import PeerCertificate


class EndpointSearch(Struct, frozen=True, kw_only=True, dict=True):
    """The search for the endpoint of one cluster. *access* returns how the person reaches any source."""

    scope: Scope
    cluster: ClusterAccess
    reporter: Reporter
    access: Callable[[], Access]

    @property
    def chosen(self) -> ChosenEndpoint:
        """The endpoint: the one that was kept, else the one that is found now. The cluster is asked at most once."""
        outcome = self._outcome
        if isinstance(outcome, D8Error):
            raise outcome
        return outcome

    @cached_property
    def _outcome(self) -> ChosenEndpoint | D8Error:
        try:
            return self._kept_or_found()
        except D8Error as error:
            return error

    def _kept_or_found(self) -> ChosenEndpoint:
        """Return the endpoint that was kept, or find it. Offline, nothing is found."""
        kept = self.kept()
        if kept is not None:
            self.reporter.detail(f"endpoint {shown(kept.url)}, named by {kept.named_by}; kept from an earlier command")
            return kept
        if self.scope.is_offline:
            raise UnreachableError(
                "no endpoint is set, and the cluster was not asked: this run is offline",
                hint=f"leave out --offline (D8_OFFLINE), or {EXPLICIT}",
                code="offline",
            )
        return self._search()

    @property
    def found_url(self) -> str | None:
        """The address of the endpoint, if this command has found it by now."""
        outcome = vars(self).get("_outcome")
        return outcome.url if isinstance(outcome, ChosenEndpoint) else None

    def kept(self) -> ChosenEndpoint | None:
        """Return the endpoint that was found within the last hour, or None. No server is asked."""
        return endpoint_cache.load(self.scope.home, self.cluster.key, self.scope.clock())

    def again(self, error: D8Error | None) -> ChosenEndpoint:
        """Forget the kept endpoint, since it failed with *error*, and ask the cluster; offline, raise *error*."""
        if self.scope.is_offline and error is not None:
            raise error
        why = "does not answer" if error is None else error.message
        self.reporter.detail(f"the kept endpoint failed, so the cluster is asked again: {why}")
        self.drop()
        return self._search()

    def drop(self) -> None:
        """Forget the endpoint that was kept."""
        with contextlib.suppress(DiskError):  # a home that is read-only keeps it for the hour
            endpoint_cache.drop(self.scope.home, self.cluster.key)

    def access_to(self, endpoint: NamedEndpoint, access: Access) -> Access:
        """Return *access* with the CA that the cluster publishes for *endpoint* and the kubeconfig's forward proxy.

        If nothing is to be verified, no CA counts (rpp.md §18.6). Certificates of the settings and the environment are
        for an endpoint that the person chose: this one gets the identity of its own cluster.
        """
        context, typed = self.cluster.context, self.scope.options
        return replace(
            access,
            client_cert=typed.client_cert,
            client_key=typed.client_key,
            roots=endpoint.ca.encode() if endpoint.ca is not None and not access.insecure else None,
            forward_proxy=None if context is None else forward_proxy(context),
        )

    def attempt(self, endpoint: NamedEndpoint) -> PeerCertificate:
        """Shake hands with an address that the cluster names, and return its certificate.

        A published CA that cannot be read is a fault of this address; a file of the person's is a ConfigError.
        """
        from d8_installer.registry.tls import trust_only

        access = self.access_to(endpoint, self.access())
        try:
            if access.roots is not None:
                trust_only(access.roots)
        except ConfigError as error:
            raise UnreachableError(
                f"as published by the cluster, {error.message}", hint=EXPLICIT, code="no-endpoint-found"
            ) from error
        return certificate_at(endpoint.url, access)

    def _search(self) -> ChosenEndpoint:
        found = discover(self.cluster.api(), self.reporter.detail)
        endpoint, tried = first_verified(found.endpoints, self.attempt)
        for line in tried:
            self.reporter.detail(line)
        chosen = ChosenEndpoint(endpoint=endpoint, asked=(*found.asked, *tried), found=self.scope.clock().timestamp())
        self.reporter.detail(f"endpoint {shown(chosen.url)}, named by {chosen.named_by}")
        with contextlib.suppress(DiskError):  # a home that cannot be written to is reported by what must write there
            endpoint_cache.save(self.scope.home, self.cluster.key, chosen)
        return chosen


def certificate_at(url: str, access: Access) -> PeerCertificate:
    """Shake hands with the https address *url*, verify its certificate as *access* says, and return it."""
    from d8_installer.registry.client import ClientOptions
    from d8_installer.registry.handshake import handshake

    options = ClientOptions(
        ca_file=access.ca_file,
        roots=access.roots,
        insecure=access.insecure,
        env=access.env,
        forward_proxy=access.forward_proxy,
        offline=access.offline,
    )
    return handshake(url, options, min(SECONDS, access.stall_timeout))

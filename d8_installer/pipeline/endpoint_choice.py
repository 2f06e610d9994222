"""Chooses the endpoint among the addresses that a cluster names: the first one whose certificate verifies.

All are tried at once, three seconds each, with a TLS handshake only: nobody gets a token before that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cluster.discovery import EXPLICIT
from d8_installer.errors import ConfigError, D8Error, UnreachableError
from d8_installer.model.address import shown
from d8_installer.model.rights import DOWNLOAD_ROLE, NAMESPACE, PROXY
from d8_installer.model.value import Struct
from d8_installer.pipeline.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from d8_installer.cluster.discovery import NamedEndpoint
    from d8_installer.registry.handshake import PeerCertificate

SECONDS = 3.0
"""How long one address may take."""


class ChosenEndpoint(Struct, frozen=True, kw_only=True):
    """The endpoint that is used. ``asked`` has a line for each object and address that was asked until it was found.

    ``found`` is when, in seconds since the epoch; ``is_cached``: an earlier command found it.
    """

    endpoint: NamedEndpoint
    asked: tuple[str, ...]
    found: float
    is_cached: bool = False

    @property
    def url(self) -> str:
        """Return its address."""
        return self.endpoint.url

    @property
    def named_by(self) -> str:
        """Return in words which object of the cluster names it."""
        kind = self.endpoint.named_by
        return f"a pod of {PROXY}" if kind == "Pod" else f"the {kind} in {NAMESPACE}"

    def as_json(self) -> dict[str, object]:
        """Return the endpoint as JSON has it."""
        return {
            "url": self.url,
            "named_by": self.endpoint.named_by,
            "kept": self.is_cached,
            "asked": list(self.asked),
        }


def first_verified(
    endpoints: Sequence[NamedEndpoint], attempt: Callable[[NamedEndpoint], PeerCertificate]
) -> tuple[NamedEndpoint, tuple[str, ...]]:
    """Return the first of *endpoints* for which *attempt* succeeds, and a line for each that was waited for.

    Raise an UnreachableError that names each one and its reason if there is none. A ConfigError is about all of them.
    """
    pool = Pool(len(endpoints), "d8-try")
    lines: list[str] = []
    failed: list[D8Error] = []
    try:
        jobs = [pool.submit(_bound(attempt, endpoint)) for endpoint in endpoints]
        for endpoint, job in zip(endpoints, jobs, strict=True):
            try:
                peer = job.result()
            except ConfigError:
                raise
            except D8Error as error:
                failed.append(error)
                lines.append(f"{shown(endpoint.url)} ({endpoint.named_by}): {error.message}")
            else:
                how = f"its certificate verifies, issued by {peer.issuer or 'an unnamed CA'}"
                lines.append(
                    f"{shown(endpoint.url)} ({endpoint.named_by}): {how if peer.is_verified else 'not verified'}"
                )
                return endpoint, tuple(lines)
    finally:
        pool.close(wait=False)
    raise UnreachableError(
        f"no address that the cluster names can be used: {'; '.join(lines)}",
        hint=_hint(endpoints, failed),
        code="no-endpoint-found",
    )


def _bound(
    attempt: Callable[[NamedEndpoint], PeerCertificate], endpoint: NamedEndpoint
) -> Callable[[], PeerCertificate]:
    return lambda: attempt(endpoint)


def _hint(endpoints: Sequence[NamedEndpoint], failed: Sequence[D8Error]) -> str:
    if all(endpoint.named_by == "Pod" for endpoint in endpoints):
        return (
            "the pods' own certificates can be verified only with the CA in the ConfigMap, which the ClusterRole "
            f"{DOWNLOAD_ROLE} lets you read in newer clusters: ask for it; or {EXPLICIT}; or trust the network: "
            "--insecure-skip-tls-verify"
        )
    hints = dict.fromkeys([*(_of_network(error.hint) for error in failed if error.hint)][:2])
    return "; or ".join(dict.fromkeys([*hints, EXPLICIT]))


def _of_network(hint: str) -> str:
    """Return *hint* without the address that it tells to check: the cluster names it, and no setting."""
    return "check the network (HTTPS_PROXY, NO_PROXY)" if "config get endpoint" in hint else hint

"""What ``doctor`` says of the cluster: who the person is there, what they may do, where the proxy is, and the clock."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, NotAllowedError, NotFoundError
from d8_installer.model import rights
from d8_installer.model.address import shown
from d8_installer.model.shell_words import CLOCK
from d8_installer.model.value import Struct
from d8_installer.pipeline.endpoint_search import certificate_at
from d8_installer.pipeline.pool import workers
from d8_installer.plugin.records import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from d8_installer.cluster.api import Api
    from d8_installer.cluster.context import ClusterContext
    from d8_installer.model.identity_facts import IdentityFacts
    from d8_installer.pipeline.endpoint_choice import ChosenEndpoint
    from d8_installer.pipeline.session import Session
    from d8_installer.registry.handshake import PeerCertificate

LARGEST_SKEW = 60.0
"""Seconds by which two clocks may differ. API servers allow a token as much."""
SOON = 300.0
"""Seconds; a token or certificate that ends sooner is warned of."""
_ME = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_MAY_I = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_ALL_RIGHTS = (rights.DOWNLOAD, *rights.DISCOVERY_RIGHTS, *rights.REQUIREMENT_RIGHTS)

_CLOCKS = f"`{CLOCK}`" if sys.platform == "win32" else f"`{CLOCK}` and `timedatectl`"


class ClusterReport(Struct, frozen=True, kw_only=True):
    """Findings about the cluster, and the same for programs; ``data`` is None if no cluster is configured."""

    findings: tuple[Finding, ...]
    data: dict[str, object] | None = None

    @property
    def is_reachable(self) -> bool:
        """Whether the API server answered."""
        return self.data is not None and self.data.get("reachable") is True


def report_on_cluster(session: Session) -> ClusterReport:
    """Ask the cluster who the person is and what they may do. What cannot be asked is a finding, never an exception."""
    try:
        context = session.cluster.context
    except D8Error as error:
        return ClusterReport(findings=(_failed(error),))
    if context is None:
        problem = f"no kubeconfig names a cluster{session.cluster.absence}, so nothing was asked"
        return ClusterReport(findings=(Finding("ok", problem),))
    return _Asking(session, context).report()


class _Asking:
    """The questions of one report, in their order; each adds to the findings and the data."""

    def __init__(self, session: Session, context: ClusterContext) -> None:
        self._session = session
        self._context = context
        self._findings: list[Finding] = []
        self._data: dict[str, object] = {}
        self._account: str | None = None
        """The service account that the token names; it is the user's name in the API."""

    def report(self) -> ClusterReport:
        """Ask all; after the API has failed, nothing else is asked of it."""
        self._tell_of_context()
        if self._session.scope.is_offline:
            self._findings.append(Finding("warning", "the cluster was not asked: this run is offline"))
        elif self._tell_of_identity():
            self._ask_api()
        return ClusterReport(findings=tuple(self._findings), data=self._data)

    def _tell_of_context(self) -> None:
        context = self._context
        named = f"context {context.name!r} of {context.place}" if context.name else context.place
        server = shown(context.server)
        self._findings.append(Finding("ok", f"{named}; API {server}"))
        self._data |= {"kubeconfig": list(context.files), "context": context.name or None, "server": server}

    def _tell_of_identity(self) -> bool:
        """Tell who the person is; return whether there is anybody to ask as."""
        try:
            facts = self._session.cluster.facts_of_identity()
        except D8Error as error:
            self._findings.append(_failed(error))
            return False
        if facts is not None and facts.subject.startswith("system:serviceaccount:"):
            self._account = facts.subject
        finding, data = _of_identity(facts, self._context.place, self._session.scope.clock())
        self._findings.append(finding)
        self._data["identity"] = data
        return True

    @property
    def _now(self) -> float:
        return self._session.scope.clock().timestamp()

    def _ask_api(self) -> None:
        api = self._session.cluster.api()
        try:
            user = _user(api) or self._account
        except D8Error as error:
            self._findings.append(_failed(error))
            self._data["reachable"] = False
            return
        finally:
            self._tell_of_clock(api)
        self._findings.append(Finding("ok", f"the API answers{f', and calls this user {user}' if user else ''}"))
        self._data |= {"reachable": True, "user": user}
        chosen = self._tell_of_endpoint()
        self._tell_of_rights(api, user, is_found=chosen is not None or bool(self._session.sources.named))

    def _tell_of_clock(self, api: Api) -> None:
        if api.server_time is None:
            return
        skew = self._now - api.server_time.timestamp()
        self._data["clock_skew_seconds"] = round(skew, 1)
        if abs(skew) > LARGEST_SKEW:
            way = "ahead of" if skew > 0 else "behind"
            problem = f"this machine's clock is {_span(abs(skew))} {way} the API server's, so tokens may be refused"
            self._findings.append(Finding("warning", problem, hint=f"set the clock: see {_CLOCKS}"))

    def _tell_of_endpoint(self) -> ChosenEndpoint | None:
        """Tell where the proxy is, if the person names no source; return what was found."""
        sources = self._session.sources
        if sources.named:
            url = sources.named[0]
            self._findings.append(Finding("ok", f"the endpoint was not looked for: {shown(url)} is set"))
            if url.startswith("https:"):
                self._tell_of_certificate(lambda: certificate_at(url, sources.access))
            return None
        try:
            search = sources.search
            chosen = None if search is None else search.chosen
        except D8Error as error:
            self._findings.append(_failed(error))
            return None
        if search is not None and chosen is not None:
            self._findings.append(Finding("ok", f"endpoint {_how(chosen, self._now)}"))
            self._findings.append(Finding("ok", f"to find it was asked: {'; '.join(chosen.asked)}"))
            self._data["endpoint"] = chosen.as_json()
            self._tell_of_certificate(lambda: search.attempt(chosen.endpoint), is_kept=chosen.is_cached)
        return chosen

    def _tell_of_certificate(self, shake: Callable[[], PeerCertificate], *, is_kept: bool = False) -> None:
        try:
            peer = shake()
        except D8Error as error:
            hint = f"the next command asks the cluster again, and `d8-installer doctor --fix` does so now; {error.hint}"
            failed = error.within("the kept endpoint fails", hint=hint) if is_kept else error
            self._findings.append(_failed(failed))
            return
        finding, self._data["certificate"] = _of_certificate(peer, self._now)
        self._findings.append(finding)

    def _tell_of_rights(self, api: Api, user: str | None, *, is_found: bool) -> None:
        with workers(len(_ALL_RIGHTS)) as pool:
            allowed = pool.map(lambda right: _may(api, right), _ALL_RIGHTS)
        answers = dict(zip(_ALL_RIGHTS, allowed, strict=True))
        granted = [right.purpose for right, is_allowed in answers.items() if is_allowed]
        if granted:
            self._findings.append(Finding("ok", f"{user or 'this user'} may {_listed(granted)}"))
        missing = [right for right, is_allowed in answers.items() if is_allowed is False]
        of_discovery = [right for right in missing if right in rights.DISCOVERY_RIGHTS]
        if of_discovery:
            self._findings.append(_of_discovery(of_discovery, user, is_found=is_found))
        self._findings += [_missing(right, user) for right in missing if right not in of_discovery]
        silent = [right.purpose for right, is_allowed in answers.items() if is_allowed is None]
        if silent:
            self._findings.append(Finding("warning", f"the API does not say whether one may {_listed(silent, 'or')}"))
        self._data["rights"] = [{"right": right.text, "allowed": allowed} for right, allowed in answers.items()]


# -- one answer each -------------------------------------------------------------------------------------------


def _failed(error: D8Error) -> Finding:
    return Finding("error", error.message, hint=error.hint)


def _of_identity(facts: IdentityFacts | None, place: str, now: datetime) -> tuple[Finding, dict[str, object] | None]:
    if facts is None:
        return Finding("warning", "the context's user has neither a token nor a certificate"), None
    who = f"{facts.kind} from {place}"
    end = facts.expires
    data: dict[str, object] = {"kind": facts.kind, "subject": facts.subject or None, "from": place}
    data["expires"] = None if end is None else end.astimezone(UTC).isoformat(timespec="seconds")
    if end is None:
        return Finding("ok", f"{who}, without a known end"), data
    left = (end - now).total_seconds()
    if left <= 0:
        return Finding("error", f"{who}, which expired {_span(-left)} ago", hint="log in to the cluster again"), data
    return Finding("warning" if left < SOON else "ok", f"{who}, which ends in {_span(left)}"), data


def _of_certificate(peer: PeerCertificate, now: float) -> tuple[Finding, dict[str, object]]:
    data: dict[str, object] = {
        "verified": peer.is_verified,
        "issuer": peer.issuer or None,
        "names": list(peer.names),
        "until": _time(peer.until),
    }
    if not peer.is_verified or peer.until is None:
        return Finding("warning", "the endpoint's certificate is not verified (--insecure-skip-tls-verify)"), data
    left = peer.until - now
    issuer = peer.issuer or "an unnamed CA"
    told = (
        f"the endpoint's certificate is for {', '.join(peer.names)}, issued by {issuer}, and ends on {_day(peer.until)}"
    )
    return Finding("warning" if left < SOON else "ok", told), data


def _user(api: Api) -> str | None:
    """Return the user's name as the API knows it; None if it does not say. Raise if the API does not answer.

    Before Kubernetes 1.28 an API server cannot be asked.
    """
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        document = api.post(_ME, review)
    except NotFoundError:
        return None
    except NotAllowedError as error:
        if getattr(error, "status", 0) == 401:
            raise
        return rights.user_of(error.message)
    return _text(document, "status", "userInfo", "username")


def _may(api: Api, right: rights.Right) -> bool | None:
    """Return whether the person has *right*; None if the API does not say."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": right.attributes},
    }
    try:
        document = api.post(_MAY_I, review)
    except D8Error:
        return None
    status = document.get("status") if isinstance(document, dict) else None
    allowed = status.get("allowed") if isinstance(status, dict) else None
    return allowed if isinstance(allowed, bool) else None


def _missing(right: rights.Right, user: str | None) -> Finding:
    """Report a right that is not there, and what to type to grant it."""
    told = f"{user or 'this user'} may not {right.text}"
    if right is rights.DOWNLOAD:
        return Finding("error", f"{told}, so no image can be downloaded", hint=right.grant(user))
    return Finding("warning", f"{told}, so some requirements cannot be checked", hint=right.grant(user))


def _of_discovery(missing: list[rights.Right], user: str | None, *, is_found: bool) -> Finding:
    """Report the rights of which one is enough to find the endpoint; the hint grants one of the first two."""
    told = f"{user or 'this user'} may not {_listed([right.purpose for right in missing], 'or')}"
    if is_found:
        return Finding("ok", f"{told}: not needed, since the endpoint is known")
    return Finding(
        "warning", f"{told}: one of these may lead to the endpoint", hint=rights.grant_any(missing[:2], user)
    )


def _listed(words: list[str], joint: str = "and") -> str:
    return ", ".join(words[:-1]) + (f" {joint} " if len(words) > 1 else "") + words[-1]


def _how(chosen: ChosenEndpoint, now: float) -> str:
    when = f"found {_span(now - chosen.found)} ago" if chosen.is_cached else "found now"
    return f"{chosen.url}, named by {chosen.named_by}, {when}"


def _text(document: object, *keys: str) -> str | None:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document[:200] if isinstance(document, str) and document.isprintable() else None


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _span(seconds: float) -> str:
    """Return a span of time in its largest unit, such as ``52 min``."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"

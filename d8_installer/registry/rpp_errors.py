"""What a bad answer of a registry-packages-proxy means (rpp.md §4.3): the error, its words and its hint. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, NotAllowedError, NotFoundError, TryAgainError, UnreachableError
from d8_installer.model.reference import PLUGIN_ROOT
from d8_installer.model.rights import DOWNLOAD, NAMESPACE, PROXY, user_of
from d8_installer.model.value import Struct, replace
from d8_installer.registry.http_status import CLIENT_CERTIFICATE_HINT, wants_certificate, wants_tls
from d8_installer.registry.rpp_routes import IMAGE_NOT_FOUND_BODY, MANIFEST_NOT_FOUND_BODY, Route, parse_path
from d8_installer.registry.rpp_wire import ADDRESS_HINT, OTHER_SOURCES, is_page

if TYPE_CHECKING:
    from d8_installer.model.address import Shown
    from d8_installer.model.platform import Platform
    from d8_installer.registry.rpp_wire import ProxyCall

MAX_SNIPPET_BYTES = 256
"""The most bytes of an error's body that are shown (rpp.md §4.2, Caps)."""

_SENTINELS = {401: "unauthorized", 403: "forbidden", 404: "image or tag not found"}
_PASSING = frozenset([408, 425, 429])
_PODS = f"`kubectl -n {NAMESPACE} get pods -l app={PROXY}`"
_DENIED_FOR = "the proxy remembers a refusal for 30 s"
_LOGIN_PAGE = "a registry-packages-proxy never redirects, so this may be a login page; check the address"


class Verdict(Struct, frozen=True, kw_only=True):
    """What a status means: the class and code of the error, the protocol's words for it, a bit of the body, a hint."""

    kind: type[D8Error]
    code: str
    sentinel: str
    snippet: str
    hint: str

    def error(self, call: ProxyCall, address: str = "") -> D8Error:
        """Return the error ``<METHOD> <path>: <sentinel>[: <snippet>]``; *address* precedes the path."""
        words = f"{self.sentinel}: {self.snippet}" if self.snippet else self.sentinel
        return self.kind(f"{call.method} {address}{call.path}: {words}", hint=self.hint, code=self.code)


def judge_status(call: ProxyCall, status: int, body: bytes) -> Verdict | None:
    """Return what rpp.md §4.3 says about a status, or None for 2xx.

    401 and 403 are a NotAllowedError, 404 a NotFoundError, 408, 425, 429 and 5xx a TryAgainError. Every other status,
    redirects among them, means that no such proxy answers here: UnreachableError.
    """
    if 200 <= status < 300:
        return None
    if status in _SENTINELS:
        sentinel, hint = _SENTINELS[status], _hint(call, status, body)
        if status == 404:
            code = "no-such-image" if call.path.endswith("/tags") else "no-such-version"
            return Verdict(kind=NotFoundError, code=code, sentinel=sentinel, snippet="", hint=hint)
        code = "token-refused" if status == 401 else "download-forbidden"
        return Verdict(kind=NotAllowedError, code=code, sentinel=sentinel, snippet="", hint=hint)
    return _other_status(status, body)


def raise_for_status(call: ProxyCall, status: int, body: bytes, address: str = "") -> None:
    """Return on 2xx; else raise the verdict in a person's words: *address* is the endpoint's, as it may be shown.

    A redirect is called one, and the text of a web page is left out; the protocol's own words do neither.
    """
    verdict = judge_status(call, status, body)
    if verdict is None:
        return
    if 300 <= status < 400:
        verdict = replace(verdict, sentinel=f"it redirects (status {status})")
    if is_page(body):
        verdict = replace(verdict, snippet="")
    raise verdict.error(call, address)


def _other_status(status: int, body: bytes) -> Verdict:
    def verdict(kind: type[D8Error], sentinel: str, hint: str, *, code: str) -> Verdict:
        return Verdict(kind=kind, code=code, sentinel=sentinel, snippet=_snippet(body), hint=hint)

    unexpected = f"unexpected status {status}"
    if status >= 500:
        sentinel = f"registry proxy upstream error (status {status})"
        hint = f"try again; if that does not help, look at the proxy's pods: {_PODS}"
        return verdict(TryAgainError, sentinel, hint, code="server-fails")
    if wants_certificate(status, body):
        sentinel = f"it requires a client certificate (status {status})"
        return verdict(NotAllowedError, sentinel, CLIENT_CERTIFICATE_HINT, code="client-certificate")
    if status in _PASSING:
        code = "rate-limited" if status == 429 else "server-fails"
        return verdict(TryAgainError, unexpected, "wait a little and run the same command again", code=code)
    if wants_tls(status, body):
        hint = "write the endpoint's address with https://"
        return verdict(UnreachableError, f"it speaks https (status {status})", hint, code="no-tls")
    hint = f"{_LOGIN_PAGE}: {ADDRESS_HINT}" if 300 <= status < 400 else f"check the address: {ADDRESS_HINT}"
    return verdict(UnreachableError, unexpected, hint, code="not-a-source")


def _hint(call: ProxyCall, status: int, body: bytes) -> str:
    if status == 401:
        return "give a bearer token: D8_RPP_TOKEN or --token-file FILE"
    if status == 403:
        return f"{DOWNLOAD.grant(_user_in(body))}; {_DENIED_FOR}"
    if "/manifests/" in call.path and not has_manifest_route(body):
        return "this proxy has no manifest route: it needs Deckhouse 1.77 or newer; check --endpoint"
    if call.path.endswith("/tags"):
        return "check the image's name, and that it was published at the registry's root"
    route = parse_path(call.path) or Route("manifest", "NAME")
    name = route.image.rpartition("/")[2]
    if route.ref.startswith("sha256:"):
        return _moved_hint(name)
    return f"see which versions there are: `d8-installer versions {name}`"


def _moved_hint(name: str) -> str:
    return f"its tag was moved or removed: use {OTHER_SOURCES}, or `d8-installer lock --upgrade-image {name}`"


def _snippet(body: bytes) -> str:
    text = body[:MAX_SNIPPET_BYTES].decode(errors="replace")
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).strip()


# --- 401, 403 and 404, with what the source knows -------------------------------------------------------------

_GIVE = (
    "type `d8-installer login`, which asks for a token and keeps it, or log in to the cluster with kubectl; "
    "D8_RPP_TOKEN or --token-file FILE gives a token to one command"
)
RENEW_EXPIRED = "log in to the cluster again, or give a new token, then type the same command again"
"""The hint of a token that says itself that it has expired."""
_OTHERWISE = (
    "if `kubectl auth whoami` accepts it, the proxy may not reach its API server, which it answers in the same way: "
    f"{_PODS}"
)
LOGIN = "your login"
"""What messages call a token that ``login`` keeps."""
_RENEW = "log in again, then type the same command again"
_RENEWALS = {
    LOGIN: "type `d8-installer login` to keep a new one",
    "D8_RPP_TOKEN": "set D8_RPP_TOKEN to a new one, or type `unset D8_RPP_TOKEN` and `d8-installer login`",
    "the setting token_file": "write a new one into the file, or type `d8-installer config unset token_file` and "
    "`d8-installer login`",
}
_CHECK = f"`kubectl auth can-i get deployments/{PROXY} --subresource=cli-binary -n {NAMESPACE}`"


def refused_identity(
    address: Shown, status: int, token_from: str | None, body: bytes = b"", *, kind: str = "token"
) -> D8Error:
    """Return the error of a 401 or 403 (rpp.md §2.3, §5); *token_from* names where the token came from.

    *kind* is what to call it if it is not a token. The *body* of a 403 names the user, to whom an administrator can
    give the right.
    """
    if status == 403:
        user = _user_in(body)
        whom = f"the {kind} from {token_from}" if token_from else "a request without a token"
        named = f"user {user}, " if user else ""
        return NotAllowedError(
            f"{address} does not let {whom} download images ({named}status 403)",
            hint=f"{DOWNLOAD.grant(user)}; {_DENIED_FOR}; then {_CHECK} says yes",
            code="download-forbidden",
        )
    if token_from is None:
        return NotAllowedError(
            f"{address} wants a bearer token, and none was given (status 401)", hint=_GIVE, code="token-missing"
        )
    return NotAllowedError(
        f"{address} refuses the {kind} from {token_from} (status 401)",
        hint=_renew(token_from),
        code="token-refused",
    )


def _renew(token_from: str) -> str:
    """Return the hint that says where a new token belongs: a login would not count before those other places."""
    new = next((new for place, new in _RENEWALS.items() if token_from.startswith(place)), _RENEW)
    return f"it may have expired: {new}; {_OTHERWISE}"


def _user_in(body: bytes) -> str | None:
    return user_of(_snippet(body))


def refused_certificate(address: Shown, place: str) -> NotAllowedError:
    """Return the error of a 401 to a client certificate from *place*, sent without a token (rpp.md §18.5)."""
    return NotAllowedError(
        f"{address} does not accept the client certificate from {place} (status 401)",
        hint=(
            "only port 4219 of a master node accepts client certificates, and an Ingress never does: use a kubeconfig "
            "with a token, or give one with --token-file FILE"
        ),
        code="client-certificate",
    )


def absent(address: Shown, image: str, ref: str, platform: Platform | None = None) -> NotFoundError:
    """Return the error of a 404 to a request for a manifest or layer of *image*; *ref* is a tag or a digest.

    *platform* is set if the layer of a tag was requested.
    """
    name = image.removeprefix(PLUGIN_ROOT)
    if ":" in ref:
        return NotFoundError(
            f"{address} no longer has {name} {ref[:19]}…", hint=_moved_hint(name), code="locked-bytes-gone"
        )
    where = f" for {platform}" if platform is not None else ""
    return NotFoundError(
        f"{address} has no version {ref[:128]} of {name}{where}",
        hint=f"see `d8-installer versions {name}` for what it has",
        code="no-such-version",
    )


def has_tags_route(body: bytes) -> bool:
    """Whether the body of a 404 to a request for tags is the proxy's own ``image not found``."""
    return body.strip() == IMAGE_NOT_FOUND_BODY.strip().encode()


def has_manifest_route(body: bytes) -> bool:
    """Whether the body of a 404 to a request for a manifest is the proxy's own ``manifest not found``.

    Go's stock ``404 page not found`` (generations G0 to G2, rpp.md §2.7), or any other body, means that the server has
    no such route.
    """
    return body.strip() == MANIFEST_NOT_FOUND_BODY.strip().encode()

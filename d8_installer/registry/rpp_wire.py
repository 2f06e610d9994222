"""The registry-packages-proxy protocol without any I/O: requests, responses, paths and their errors.

Both ends use this file: the client turns values into requests and responses into values, the proxy turns
paths into routes and error causes into bodies (rpp.md §2, §4). Nothing here opens, reads, sleeps or logs,
and nothing here decides what to install.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from d8_installer.errors import (
    D8Error,
    DocumentError,
    MismatchError,
    NotAllowedError,
    NotFoundError,
    TryAgainError,
    UnreachableError,
)
from d8_installer.model.oci import DOCKER_LIST, DOCKER_MANIFEST, MAX_MANIFEST_BYTES, OCI_INDEX, OCI_MANIFEST
from d8_installer.model.plurals import sized
from d8_installer.model.reference import CLI_IMAGE, is_allowed_image, is_image_name, is_manifest_ref, is_tag
from d8_installer.model.source import ManifestBytes
from d8_installer.model.value import Struct
from d8_installer.registry.client_certificate import CLIENT_CERTIFICATE_HINT, wants_certificate, wants_tls
from d8_installer.registry.go_json import member
from d8_installer.registry.rpp_routes import (
    PREFIX,
    Generation,
    InvalidPlatform,
    Route,
    parse_path,
    parse_platform_query,
)

if TYPE_CHECKING:
    from d8_installer.model.digest import Digest
    from d8_installer.model.platform import Platform
    from d8_installer.model.source import LayerRequest

__all__ = [
    "MAX_MANIFEST_BYTES",
    "MAX_SNIPPET_BYTES",
    "MAX_TAGS_BYTES",
    "Generation",
    "InvalidPlatform",
    "ProxyCall",
    "Route",
    "has_manifest_route",
    "judge_etag",
    "layer_request",
    "manifest_request",
    "parse_manifest_body",
    "parse_path",
    "parse_platform_query",
    "parse_tags",
    "raise_for_status",
    "tags_request",
]

MANIFEST_ACCEPT = ",".join([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST])

MAX_TAGS_BYTES = 4 << 20
"""A tag list is read up to here (rpp.md §4.2, Caps)."""
MAX_SNIPPET_BYTES = 256
"""This much of an error's body is shown (rpp.md §4.2, Caps)."""

NOT_FOUND_BODY = "404 page not found\n"
MANIFEST_NOT_FOUND_BODY = "manifest not found\n"
IMAGE_NOT_FOUND_BODY = "image not found\n"


# --- requests -------------------------------------------------------------------------------------------------


class ProxyCall(Struct, frozen=True):
    """One GET or HEAD below an endpoint: ``target`` is the percent-encoded path and query."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    @property
    def path(self) -> str:
        """The target without its query, as error messages show it."""
        return self.target.partition("?")[0]


def tags_request(image: str) -> ProxyCall:
    """Ask for every tag of *image* (R1); DocumentError if the image is outside the grammar (rpp.md §4.1)."""
    return _request(image, "tags", accept="application/json")


def manifest_request(image: str, ref: str) -> ProxyCall:
    """Ask for the manifest that *ref*, a tag or digest, names (R3); DocumentError if outside the grammar."""
    if not is_manifest_ref(ref):
        raise _invalid_reference(image, ref)
    return _request(image, f"manifests/{quote(ref, safe=':')}", accept=MANIFEST_ACCEPT)


def layer_request(image: str, ref: str | Digest, platform: Platform | None) -> ProxyCall:
    """Ask for the last layer of *ref* on *platform* (R2, no Accept); DocumentError if outside the grammar.

    *ref* is a tag, or the Digest of a child: the proxy hands either to the registry (rpp.md §18.1).
    """
    if isinstance(ref, str) and not is_tag(ref):
        raise _invalid_reference(image, ref)
    query = "" if platform is None else f"?platform={quote(str(platform), safe='')}"
    return _request(image, f"images/{quote(str(ref), safe=':')}{query}", accept=None)


def _request(image: str, tail: str, accept: str | None) -> ProxyCall:
    if not is_allowed_image(image) or not is_image_name(image.rpartition("/")[2]):
        raise _invalid_reference(image, None)
    # identity: a compressing ingress would break every digest
    headers = (("Accept-Encoding", "identity"),)
    return ProxyCall("GET", f"{PREFIX}{image}/{tail}", headers if accept is None else (("Accept", accept), *headers))


def _invalid_reference(image: str, ref: str | None) -> DocumentError:
    return DocumentError(
        "invalid image reference",
        key=repr(image if ref is None else f"{image}:{ref}")[:200],
        hint=f"an image is {CLI_IMAGE} or {CLI_IMAGE}/plugins/NAME, a tag up to 128 of letters, digits and . _ -",
    )


# --- responses ------------------------------------------------------------------------------------------------


def parse_tags(body: bytes) -> tuple[str, ...]:
    """Read R1's body: its first JSON value's ``tags``; null or absent is empty (rpp.md §4.2).

    Unknown members and whatever follows the first value are ignored. Anything else is a MismatchError.
    The caller caps the body at MAX_TAGS_BYTES.
    """
    try:
        document, _ = json.JSONDecoder().raw_decode(body.decode(errors="replace").lstrip(" \t\r\n"))
    except (ValueError, RecursionError) as error:
        raise _not_this_proxy(f"decode tags: the answer is {_called(body)}") from error
    if document is None:
        return ()
    if not isinstance(document, dict):
        raise _not_this_proxy("decode tags: the answer is JSON, but no object")
    tags = member(document, "tags")
    if tags is None:
        return ()
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise _not_this_proxy("decode tags: tags must be a list of texts")
    return tuple(tags)


def parse_manifest_body(body: bytes, media_type: str) -> ManifestBytes:
    """Take R3's body as it is; MismatchError if it is longer than MAX_MANIFEST_BYTES (rpp.md §4.2, Caps).

    A caller reads at most one byte more than the cap, so that a longer body is noticed.
    """
    if len(body) > MAX_MANIFEST_BYTES:
        raise MismatchError(f"decode manifest: it has more than {sized(MAX_MANIFEST_BYTES)}")
    return ManifestBytes(body, media_type.partition(";")[0].strip())


def raise_for_status(request: ProxyCall, status: int, body: bytes, prefix: str = "", *, plain: bool = False) -> None:
    """Return on 2xx; else raise what rpp.md §4.3 calls the status, with a hint of what to type next.

    401, 403 NotAllowedError; 404 NotFoundError; 408, 425, 429 and 5xx TryAgainError. Every other status,
    redirects among them (they are never followed), means that no such proxy answers here: UnreachableError.
    Message: ``<METHOD> <path>: <sentinel>[: <snippet>]``; *body* is cut at MAX_SNIPPET_BYTES. *prefix* is the
    endpoint: its address as it may be shown, or its own path. *plain*: for a person, a redirect is called one and the
    text of a web page is left out; the protocol's words have neither.
    """
    if 200 <= status < 300:
        return
    kind, sentinel, hint = _verdict(request, status, body)
    if plain and 300 <= status < 400:
        sentinel = f"it redirects (status {status})"
    shown = "" if status in _SENTINELS or (plain and _is_page(body)) else _snippet(body)
    raise kind(f"{request.method} {prefix}{request.path}: {sentinel}{': ' if shown else ''}{shown}", hint=hint)


_OTHERS = "a source that still has the locked bytes (a mirror, a bundle)"
_SENTINELS = {401: "unauthorized", 403: "forbidden", 404: "image or tag not found"}
_PASSING = frozenset([408, 425, 429])
_ADDRESS = "`d8-installer config get endpoint`, or --endpoint URL"
_LOGIN_PAGE = "a registry-packages-proxy never redirects, so this may be a login page; check the address"


def _verdict(request: ProxyCall, status: int, body: bytes) -> tuple[type[D8Error], str, str]:
    sentinel = _SENTINELS.get(status)
    if sentinel is not None:
        return NotFoundError if status == 404 else NotAllowedError, sentinel, _hint(request, status, body)
    if status >= 500:
        sentinel = f"registry proxy upstream error (status {status})"
        return TryAgainError, sentinel, "try again; if it stays, look at the pods app=registry-packages-proxy"
    if wants_certificate(status, body):
        return NotAllowedError, f"a client certificate is wanted (status {status})", CLIENT_CERTIFICATE_HINT
    if status in _PASSING:
        return TryAgainError, f"unexpected status {status}", "wait a little and run the same command again"
    if wants_tls(status, body):
        return UnreachableError, f"it speaks https (status {status})", "write the endpoint's address with https://"
    if 300 <= status < 400:
        return UnreachableError, f"unexpected status {status}", f"{_LOGIN_PAGE}: {_ADDRESS}"
    return UnreachableError, f"unexpected status {status}", f"check the address: {_ADDRESS}"


def _hint(request: ProxyCall, status: int, body: bytes) -> str:
    if status == 401:
        return "give a bearer token: D8_RPP_TOKEN or --token-file FILE"
    if status == 403:
        return "ask for the ClusterRole d8:registry-packages-proxy:cli-download; a refusal is remembered for 30 s"
    if "/manifests/" in request.path and not has_manifest_route(body):
        return "this proxy has no manifest route: it needs Deckhouse 1.77 or newer; check --endpoint"
    if request.path.endswith("/tags"):
        return "check the image's name, and that it was published at the registry's root"
    route = parse_path(request.path) or Route("manifest", "NAME")
    name = route.image.rpartition("/")[2]
    moved = f"its tag was moved or removed: use {_OTHERS}, or `d8-installer lock --upgrade-image {name}`"
    return moved if route.ref.startswith("sha256:") else f"see which versions there are: `d8-installer versions {name}`"


def has_tags_route(body: bytes) -> bool:
    """Whether the body of a 404 to a request for tags is the proxy's own ``image not found``, as for manifests."""
    return body.strip() == IMAGE_NOT_FOUND_BODY.strip().encode()


def has_manifest_route(body: bytes) -> bool:
    """Whether the body of a 404 to a manifest request is the proxy's own ``manifest not found``.

    Go's stock ``404 page not found`` (generations G0 to G2, rpp.md §2.7) or any other body means that
    what answers has no such route.
    """
    return body.strip() == MANIFEST_NOT_FOUND_BODY.strip().encode()


def _is_page(body: bytes) -> bool:
    return body.lstrip()[:1] == b"<"


def _called(body: bytes) -> str:
    """Return what a body is that is no JSON, in words."""
    return "empty" if not body.strip() else "a web page" if _is_page(body) else "not JSON"


def _snippet(body: bytes) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", body[:MAX_SNIPPET_BYTES].decode(errors="replace")).strip()


_STRONG_ETAG = re.compile(r'"([^"]*)"')


def judge_etag(etag: str | None, request: LayerRequest) -> bool:
    """Raise MismatchError if a strong *etag* names another manifest than ``request.child`` (DESIGN, Trust).

    Returns whether it names that one: absent, weak and malformed ones say nothing, and the body's hash decides.
    """
    named = _named(etag)
    if named in (None, str(request.child)):
        return named is not None
    what = f"{request.image}:{request.tag}"
    if ignores_platform(etag, request):
        raise MismatchError(
            f"{what}: the proxy ignores platform={request.platform} and serves its default one; it is too old",
            hint="use a proxy of Deckhouse 1.77 or newer, or another source such as oci://",
        )
    raise MismatchError(
        f"{what}: the tag moved: the proxy serves {str(named)[:100]!r}, expected {request.child}",
        hint=f"use {_OTHERS}, or take the new bytes: `d8-installer lock --accept-moved {what}`",
    )


def ignores_platform(etag: str | None, request: LayerRequest) -> bool:
    """Whether a strong *etag* names the index of *request*: then the proxy took no notice of the platform."""
    return request.platform is not None and request.index is not None and _named(etag) == str(request.index)


def _named(etag: str | None) -> str | None:
    match = _STRONG_ETAG.fullmatch(etag.strip()) if etag is not None else None
    return None if match is None else match[1]


def _not_this_proxy(message: str) -> MismatchError:
    return MismatchError(message, hint=f"check that it is a registry-packages-proxy and not a login page: {_ADDRESS}")

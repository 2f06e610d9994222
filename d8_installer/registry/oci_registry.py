"""OCI registries, and reading from them (distribution-spec v1.1, Pull and Content Discovery).

Requests, redirects and pages live here. Addresses are in ``oci_address``, uploads in ``oci_push``, authentication in
``auth``, the meaning of statuses in ``oci_errors``. Nothing that arrives is verified here.
"""

from __future__ import annotations

import json
import re
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

from d8_installer.errors import (
    ConfigError,
    MismatchError,
    NotAllowedError,
    NotFoundError,
    TryAgainError,
    UnreachableError,
)
from d8_installer.model.address import shown
from d8_installer.model.oci import DOCKER_LIST, DOCKER_MANIFEST, MAX_MANIFEST_BYTES, OCI_INDEX, OCI_MANIFEST
from d8_installer.model.plurals import sized
from d8_installer.model.reference import is_image_name, is_manifest_ref
from d8_installer.model.shell_words import CLOCK
from d8_installer.model.source import ManifestBytes
from d8_installer.model.value import Struct, field, replace
from d8_installer.registry.auth import RegistryAuth
from d8_installer.registry.client import Response
from d8_installer.registry.go_json import member
from d8_installer.registry.http_ranges import BlobRest, continues, range_headers
from d8_installer.registry.manifest_cache import ManifestCache
from d8_installer.registry.oci_address import OciAddress
from d8_installer.registry.oci_errors import Refusal
from d8_installer.registry.origin import Origin, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from d8_installer.model.source import LayerRequest
    from d8_installer.registry.client import Client
    from d8_installer.registry.stream import Stream

ACCEPT = {"Accept": ", ".join([OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST])}
_REDIRECTS = (301, 302, 303, 307, 308)
_SAME_METHOD = (307, 308)
_MAX_REDIRECTS = 3
_MAX_PAGES = 1000
_MAX_TAGS = 100_000
_MAX_TAGS_BYTES = 4 << 20
_MAX_LIST_BYTES = 64 << 20
_LINK_HINT = f"run the same command again: the link may have expired; check the clock too: `{CLOCK}`"
_NO_LIST = "check that this is an OCI registry, or use another source"
_CHUNK = 256 << 10


class RegistryCall(Struct, frozen=True):
    """One request to the registry; ``scope`` is what its token must allow.

    ``content`` is the body, or a callable that opens it afresh for each time that it is sent.
    """

    method: str
    url: str
    scope: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | Callable[[], Iterable[bytes]] | None = None


class Registry:
    """One registry and a root in it: authorization, redirects and the meaning of statuses.

    A malformed URL is a ConfigError (``OciAddress``).
    """

    def __init__(self, url: str, client: Client, env: Mapping[str, str]) -> None:
        self.address = OciAddress.parse(url)
        self.name = shown(self.address.name)
        self.client = client
        self._auth = RegistryAuth(client, self.address.origin, self.address.login, env)

    def call(self, method: str, image: str, tail: str, actions: str = "pull") -> RegistryCall:
        """Return the request for ``/v2/<root>/<image>/<tail>``; an image outside the grammar is a NotFoundError."""
        if not all(map(is_image_name, image.split("/"))):
            raise NotFoundError(f"{image[:100]!r} is not the name of an image", code="no-such-image")
        repository = self.address.repository(image)
        return RegistryCall(method, f"{self.address.api}{repository}/{tail}", f"repository:{repository}:{actions}")

    @contextmanager
    def exchange(self, call: RegistryCall) -> Iterator[Stream]:
        """Open the answer to *call*, whatever its status, with authorization as needed and redirects followed.

        Methods other than GET and HEAD follow only 307 and 308: the other statuses would turn them into a GET (RFC 9110
        §15.4). More than three redirects are an UnreachableError.
        """
        codes = _REDIRECTS if call.method in ("GET", "HEAD") else _SAME_METHOD
        with ExitStack() as stack:
            stream = self._authorized(stack, call)
            left = _MAX_REDIRECTS
            while stream.status in codes:
                if not left:
                    raise UnreachableError(
                        f"{self.name} redirects more than {_MAX_REDIRECTS} times",
                        hint="check the address of the registry, and the external URL in its settings",
                        code="not-a-source",
                    )
                left -= 1
                call = replace(call, url=self.leads_to(call.url, stream))
                stack.close()
                stream = self._authorized(stack, call)
            yield stream

    def leads_to(self, url: str, stream: Stream) -> str:
        """Return the absolute ``Location`` of an answer: https, or from this machine to this machine."""
        location = stream.headers.get("location", "").strip()
        if not location:
            raise UnreachableError(
                f"{self.name} redirects to nowhere (status {stream.status} without Location)",
                hint="check that the address belongs to an OCI registry",
                code="not-a-source",
            )
        target = resolve(url, location)
        to = Origin.parse(target)
        if to.scheme != "https" and not (to.is_loopback and Origin.parse(url).is_loopback):
            raise NotAllowedError(
                f"{self.name} redirects to {to.scheme}://{to}, which is not https",
                hint="check the registry's external URL (behind a TLS proxy: X-Forwarded-Proto)",
                code="unsafe-redirect",
            )
        return target

    def _authorized(self, stack: ExitStack, call: RegistryCall) -> Stream:
        """Send with the known token of the scope, and after a 401 once more with a new one.

        Another origin gets no token.
        """
        is_own = Origin.parse(call.url) == self.address.origin
        known = self._auth.header(call.scope) if is_own else None
        stream = self._send(stack, call, known)
        if stream.status != 401 or not is_own:
            return stream
        challenges = stream.headers.get("www-authenticate", "")
        stack.close()
        return self._send(stack, call, self._auth.answer(challenges, call.scope, known))

    def _send(self, stack: ExitStack, call: RegistryCall, authorization: str | None) -> Stream:
        headers = dict(call.headers) if authorization is None else {**call.headers, "Authorization": authorization}
        content = call.content() if callable(call.content) else call.content
        # The registry chooses the target of a redirect, so it must not lead into this machine.
        own = self.address.origin
        outside = Origin.parse(call.url) != own and self.client.is_elsewhere(own)
        return stack.enter_context(self.client.open(call.method, call.url, headers, content, outside=outside))

    def check(self, call: RegistryCall, stream: Stream, *good: int) -> None:
        """Return if the status is one of *good*; else raise its error (distribution-spec, Error Codes)."""
        if stream.status in good:
            return
        sent = len(call.content) if isinstance(call.content, bytes) else int(call.headers.get("Content-Length", 0))
        refusal = Refusal(method=call.method, url=stream.url, status=stream.status, body=stream.read(_CHUNK), sent=sent)
        there = Origin.parse(stream.url)
        if stream.status in (401, 403) and there != self.address.origin:
            raise self._refused_elsewhere(refusal, there)
        if stream.status in (401, 403):
            raise self._auth.refusal(call.scope, is_known=stream.status == 403).within(refusal.clause)
        raise refusal.error(self.address)

    def _refused_elsewhere(self, refusal: Refusal, there: Origin) -> NotAllowedError:
        """Return the error of a redirect's target that requires credentials, or refuses its own link."""
        if refusal.status == 401:
            why, hint = "wants a login, and credentials follow no redirect", "use its own address, and log in there"
        else:
            why, hint = "refuses the link", _LINK_HINT
        return NotAllowedError(
            f"{refusal.clause}: {self.name} redirects to {there}, which {why}", hint=hint, code="unsafe-redirect"
        )


class RegistrySource:
    """A Source over an OCI registry; safe for threads."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known = ManifestCache()
        self.name = registry.name

    def tags(self, image: str) -> Sequence[str]:
        """Return every tag of all pages.

        More than 100 000 tags, 64 MiB or 1000 pages, or pages that form a loop, are a MismatchError.
        """
        call = self._registry.call("GET", image, "tags/list?n=1000")
        tags: list[str] = []
        size, asked = 0, set[str]()
        while len(tags) <= _MAX_TAGS and len(asked) < _MAX_PAGES and size <= _MAX_LIST_BYTES:
            asked.add(call.url)
            page = self._whole(call, _MAX_TAGS_BYTES)
            tags += _parse_tags(page.body, self.name)
            size += len(page.body)
            following = next_page(page.headers.get("link", ""), call.url)
            if following is None:
                return tags
            if following in asked:
                raise MismatchError(
                    f"{self.name}: the pages of the tags of {image} form a loop", hint=_NO_LIST, code="not-a-manifest"
                )
            call = replace(call, url=following)
        raise MismatchError(
            f"{self.name}: {image} has more than {_MAX_TAGS} tags, {_MAX_PAGES} pages or {sized(_MAX_LIST_BYTES)}",
            hint=_NO_LIST,
            code="not-a-manifest",
        )

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest's bytes and type."""
        if not is_manifest_ref(ref):
            raise NotFoundError(f"{ref[:130]!r} is neither a tag nor a digest", code="no-such-version")
        call = self._registry.call("GET", image, f"manifests/{ref}")
        call = replace(call, headers=ACCEPT)
        if (known := self._known.get(image, ref)) is not None:
            return known
        answer = self._whole(call, MAX_MANIFEST_BYTES)
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
        return self._known.add(image, ManifestBytes(answer.body, media_type))

    def _whole(self, call: RegistryCall, cap: int) -> Response:
        """Return the whole answer to *call*; a cut answer is requested again."""
        attempts = self._registry.client.attempts()
        while True:
            with self._registry.exchange(call) as stream:
                self._registry.check(call, stream, 200)
                try:
                    return Response(stream.status, stream.headers, stream.read(cap))
                except TryAgainError:
                    self._registry.client.wait_or_raise(attempts)

    @contextmanager
    def layer(self, request: LayerRequest) -> Iterator[Stream]:
        """Open the layer's blob; an announced size that differs from the expected one is a MismatchError at once."""
        call = self._registry.call("GET", request.image, f"blobs/{request.layer}")
        with self._registry.exchange(call) as stream:
            self._registry.check(call, stream, 200)
            stream.require_plain(request.size)
            if stream.size not in (None, request.size):
                raise MismatchError(
                    f"{self.name}: {request.layer} has {stream.size} bytes, expected {request.size}",
                    hint="the server may not be a registry (a login page, an ingress); else use another source",
                    code="wrong-bytes",
                )
            yield stream

    @contextmanager
    def layer_from(self, request: LayerRequest, start: int, etag: str | None) -> Iterator[BlobRest]:
        """Open the layer's blob at byte *start*, or at 0 if the registry has no ranges or its ETag has changed."""
        call = self._registry.call("GET", request.image, f"blobs/{request.layer}")
        if start:
            with self._registry.exchange(replace(call, headers=range_headers(start, etag))) as stream:
                if continues(stream, request.size, start, etag):
                    yield BlobRest(stream, start)
                    return
                if stream.status == 200 and stream.size == request.size:
                    yield BlobRest(stream, 0)
                    return
        with self.layer(request) as stream:
            yield BlobRest(stream, 0)

    def layer_size(self, request: LayerRequest) -> int | None:
        """Return the size in the blob's headers; if HEAD is refused (a signed link may be for GET), start a GET."""
        call = self._registry.call("HEAD", request.image, f"blobs/{request.layer}")
        with self._registry.exchange(call) as stream:
            if stream.status in (200, 404):
                self._registry.check(call, stream, 200)
                return stream.size
        with self.layer(request) as body:
            return body.size

    def close(self) -> None:
        """Close the connections."""
        self._registry.client.close()


def _parse_tags(raw: bytes, name: str) -> list[str]:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    tags = member(document, "tags") or [] if isinstance(document, dict) else None
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise MismatchError(
            f"{name}: the answer is not a list of tags",
            hint="check that this is an OCI registry",
            code="not-a-manifest",
        )
    return tags


# -- the next page of a list: the Link header (RFC 8288 §3; distribution-spec, Listing Tags) ---------------

_TCHAR = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
# Possessive quantifiers: a hostile header of 100 kB costs linear time.
_TARGET = r"[\s,]*+<([^<>]*+)>"
_PARAMETER = rf'\s*+;\s*+(?:({_TCHAR})\s*+(?:=\s*+(?:"((?:[^"\\]++|\\.)*)"|([^\s",;]*+)))?)?'
_BETWEEN = r"\s*+(?:,[\s,]*+|\Z)"


def next_page(header: str, url: str) -> str | None:
    """Return the URL of the page after the one at *url*, or None; several ``Link`` headers are joined by commas.

    Only the target's path and query count, on the origin of *url*: behind a proxy a registry does not know its own
    name. A header that cannot be read, or has no usable target, is a MismatchError, since taking it for the end of the
    list would hide the newest versions.
    """
    for link in _links(header):
        if "next" in link.parameters.get("rel", "").lower().split() and "anchor" not in link.parameters:
            return _on_own_origin(url, link.target)
    return None


class _Link(NamedTuple):
    target: str
    parameters: dict[str, str]
    """Names in lower case; the first of a repeated parameter counts."""


def _links(header: str) -> list[_Link]:
    links: list[_Link] = []
    at = 0
    end = len(header.rstrip(" \t,"))
    while at < end:
        target = re.compile(_TARGET, re.ASCII).match(header, at)
        if target is None:
            raise _unreadable(header, at)
        at = target.end()
        parameters: dict[str, str] = {}
        while (found := re.compile(_PARAMETER, re.ASCII | re.DOTALL).match(header, at)) is not None:
            at = found.end()
            if found[1]:
                quoted = found[2]
                value = (found[3] or "") if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
                parameters.setdefault(found[1].lower(), value)
        links.append(_Link(target[1], parameters))
        between = re.compile(_BETWEEN, re.ASCII).match(header, at)
        if between is None:
            raise _unreadable(header, at)
        at = between.end()
    return links


def _on_own_origin(url: str, target: str) -> str:
    own = urlsplit(url)
    try:
        there = urlsplit(urljoin(url, target.strip()))
        following = f"{own.scheme}://{own.netloc}{there.path}" + (f"?{there.query}" if there.query else "")
        if not there.path.startswith("/") or Origin.parse(following) != Origin.parse(url):
            raise ValueError
    except (ValueError, ConfigError):
        raise MismatchError(
            f"{Origin.parse(url)}: the next page of the list has no usable address",
            hint="check that this is an OCI registry",
            code="not-a-manifest",
        ) from None
    return following


def _unreadable(header: str, at: int) -> MismatchError:
    return MismatchError(
        f"the Link header of the next page cannot be read at character {at + 1} of {len(header)}",
        hint="check that this is an OCI registry, or use another source",
        code="not-a-manifest",
    )

"""OCI registries, and reading from them (distribution-spec v1.1, Pull and Content Discovery).

Lives here: requests, redirects and pages. Addresses are ``oci_address``'s, uploads ``pushing``'s, authorization is
``auth``'s, what statuses mean ``statuses``'s. Nothing that arrives is verified here.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from d8_installer.errors import (
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
from d8_installer.model.source import ManifestBytes
from d8_installer.model.value import Struct, field, replace
from d8_installer.registry.auth import RegistryAuth
from d8_installer.registry.go_json import member
from d8_installer.registry.manifest_cache import ManifestCache
from d8_installer.registry.oci_address import OciAddress
from d8_installer.registry.origin import Origin, resolve
from d8_installer.registry.pages import next_page
from d8_installer.registry.ranges import BlobRest, continues, range_headers
from d8_installer.registry.statuses import Refusal

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
_NO_LIST = "check that this is an OCI registry, or use another source"
_CHUNK = 256 << 10


class RegistryCall(Struct, frozen=True):
    """One request to the registry; ``scope`` is what its token must allow.

    ``content`` is the body, or opens it again for each time that it is sent.
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
            raise NotFoundError(f"{image[:100]!r} is not the name of an image")
        repository = self.address.repository(image)
        return RegistryCall(method, f"{self.address.api}{repository}/{tail}", f"repository:{repository}:{actions}")

    @contextmanager
    def exchange(self, call: RegistryCall) -> Iterator[Stream]:
        """Open the answer to *call*, whatever its status: authorized as needed, redirects followed.

        A method other than GET and HEAD follows 307 and 308 alone: the others would make a GET of it (RFC 9110
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
                    )
                left -= 1
                call = replace(call, url=self.leads_to(call.url, stream))
                stack.close()
                stream = self._authorized(stack, call)
            yield stream

    def leads_to(self, url: str, stream: Stream) -> str:
        """Return the absolute ``Location`` of an answer; only https, or from this machine to this machine."""
        location = stream.headers.get("location", "").strip()
        if not location:
            raise UnreachableError(
                f"{self.name} leads on without saying where to (status {stream.status} without Location)",
                hint="check that the address belongs to an OCI registry",
            )
        target, to = resolve(url, location)
        if to.scheme != "https" and not (to.is_loopback and Origin.parse(url).is_loopback):
            raise NotAllowedError(
                f"{self.name} leads to {to.scheme}://{to}, which is not https",
                hint="check the registry's external URL (behind a TLS proxy: X-Forwarded-Proto)",
            )
        return target

    def _authorized(self, stack: ExitStack, call: RegistryCall) -> Stream:
        """Send with the token known for the scope, and after a 401 once more with a new one.

        Another origin gets neither.
        """
        ours = Origin.parse(call.url) == self.address.origin
        known = self._auth.header(call.scope) if ours else None
        stream = self._send(stack, call, known)
        if stream.status != 401 or not ours:
            return stream
        challenges = stream.headers.get("www-authenticate", "")
        stack.close()
        return self._send(stack, call, self._auth.answer(challenges, call.scope, known))

    def _send(self, stack: ExitStack, call: RegistryCall, authorization: str | None) -> Stream:
        headers = dict(call.headers) if authorization is None else {**call.headers, "Authorization": authorization}
        content = call.content() if callable(call.content) else call.content
        # Where the registry leads to is its own choice, so it must not lead into this machine.
        own = self.address.origin
        outside = Origin.parse(call.url) != own and self.client.is_elsewhere(own)
        return stack.enter_context(self.client.open(call.method, call.url, headers, content, outside=outside))

    def check(self, call: RegistryCall, stream: Stream, *good: int) -> None:
        """Return if the status is one of *good*; else raise what it means (distribution-spec, Error Codes)."""
        if stream.status in good:
            return
        sent = len(call.content) if isinstance(call.content, bytes) else int(call.headers.get("Content-Length", 0))
        refusal = Refusal(method=call.method, url=stream.url, status=stream.status, body=stream.read(_CHUNK), sent=sent)
        there = Origin.parse(stream.url)
        if stream.status in (401, 403) and there != self.address.origin:
            raise self._refused_elsewhere(refusal, there)
        if stream.status in (401, 403):
            why, hint = self._auth.why_refused(call.scope, is_known=stream.status == 403)
            raise NotAllowedError(f"{refusal.said}: {why}", hint=hint)
        raise refusal.error(self.address)

    def _refused_elsewhere(self, refusal: Refusal, there: Origin) -> NotAllowedError:
        """Return the error of a redirect's target that lets nobody in without credentials, or refuses its own link."""
        if refusal.status == 401:
            why, hint = "wants a login, and credentials follow no redirect", "use its own address, and log in there"
        else:
            why, hint = "refuses the link", "run the same command again: the link may have ended; see `date`, too"
        return NotAllowedError(f"{refusal.said}: {self.name} leads to {there}, which {why}", hint=hint)


class RegistrySource:
    """Images out of a registry; safe for threads."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known = ManifestCache()
        self.name = registry.name

    def tags(self, image: str) -> Sequence[str]:
        """Return every tag, all pages joined.

        More than 100 000 tags, 64 MiB or 1000 pages of them, and pages that lead in a circle, are a MismatchError.
        """
        call = self._registry.call("GET", image, "tags/list?n=1000")
        tags: list[str] = []
        size, asked = 0, set[str]()
        while len(tags) <= _MAX_TAGS and len(asked) < _MAX_PAGES and size <= _MAX_LIST_BYTES:
            asked.add(call.url)
            headers, raw = self._whole(call, _MAX_TAGS_BYTES)
            tags += _parse_tags(raw, self.name)
            size += len(raw)
            following = next_page(headers.get("link", ""), call.url)
            if following is None:
                return tags
            if following in asked:
                raise MismatchError(f"{self.name}: the pages of the tags of {image} lead in a circle", hint=_NO_LIST)
            call = replace(call, url=following)
        raise MismatchError(
            f"{self.name}: {image} has more than {_MAX_TAGS} tags, {_MAX_PAGES} pages or {sized(_MAX_LIST_BYTES)}",
            hint=_NO_LIST,
        )

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest's bytes and type."""
        if not is_manifest_ref(ref):
            raise NotFoundError(f"{ref[:130]!r} is neither a tag nor a digest")
        call = self._registry.call("GET", image, f"manifests/{ref}")
        call = replace(call, headers=ACCEPT)
        if (known := self._known.get((image, ref))) is not None:
            return known
        headers, raw = self._whole(call, MAX_MANIFEST_BYTES)
        return self._known.add(image, ManifestBytes(raw, headers.get("content-type", "").partition(";")[0].strip()))

    def _whole(self, call: RegistryCall, cap: int) -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of the answer to *call*; a cut one is asked for anew."""
        attempts = self._registry.client.attempts()
        while True:
            with self._registry.exchange(call) as stream:
                self._registry.check(call, stream, 200)
                try:
                    return stream.headers, stream.read(cap)
                except TryAgainError:
                    self._registry.client.wait_or_raise(attempts)

    @contextmanager
    def layer(self, request: LayerRequest) -> Iterator[Stream]:
        """Open the layer's blob; an announced size other than the expected one is a MismatchError at once."""
        call = self._registry.call("GET", request.image, f"blobs/{request.layer}")
        with self._registry.exchange(call) as stream:
            self._registry.check(call, stream, 200)
            stream.require_plain(request.size)
            if stream.size not in (None, request.size):
                raise MismatchError(
                    f"{self.name}: {request.layer} has {stream.size} bytes, expected {request.size}",
                    hint="what answered may be no registry (a login page, an ingress); else use another source",
                )
            yield stream

    @contextmanager
    def layer_from(self, request: LayerRequest, start: int, etag: str | None) -> Iterator[BlobRest]:
        """Open the layer's blob at byte *start*; at 0 where the registry has no ranges or calls it otherwise now."""
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
        """Ask for the headers of the blob; where HEAD is refused (a signed link may be for GET), end a GET there."""
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
        raise MismatchError(f"{name}: the answer is not a list of tags", hint="check that this is an OCI registry")
    return tags

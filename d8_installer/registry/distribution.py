"""OCI registries, read and written (distribution-spec v1.1): ``oci://host[:port]/root``, repository ``<root>/<image>``.

Lives here: URLs, pages, redirects, uploads, and what a registry's statuses mean. Who we are is ``auth``'s,
connections and retries are ``client``'s. Nothing that arrives is verified here.
"""

from __future__ import annotations

import json
import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from d8_installer.errors import (
    ConfigError,
    D8Error,
    DocumentError,
    MismatchError,
    NotAllowedError,
    NotFoundError,
    TryAgainError,
    UnreachableError,
)
from d8_installer.model.digest import Digest
from d8_installer.model.oci import DOCKER_LIST, DOCKER_MANIFEST, MAX_MANIFEST_BYTES, OCI_INDEX, OCI_MANIFEST
from d8_installer.model.reference import is_image_name, is_manifest_ref
from d8_installer.model.source import ManifestBytes
from d8_installer.registry.auth import RegistryAuth
from d8_installer.registry.origin import Origin, resolve
from d8_installer.registry.ranges import BlobRest, continues, range_headers
from d8_installer.registry.remembered import RememberedManifests
from d8_installer.registry.retry import is_passing
from d8_installer.registry.wire import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from d8_installer.model.source import LayerRequest
    from d8_installer.registry.client import Client, Content
    from d8_installer.registry.stream import Stream

_ACCEPT = {"Accept": ", ".join([OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST])}
_ROOT = re.compile(
    r"oci://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?((?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)/?",
    re.ASCII,
)
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?', re.ASCII)
_HUB = {"docker.io": ("registry-1.docker.io", "index.docker.io")}  # name -> its API, its key in docker's config.json
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 3
_MAX_PAGES = 1000
_MAX_TAGS = 100_000
_MAX_TAGS_BYTES = 4 << 20
_CHUNK = 256 << 10


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the registry; ``scope`` is what its token must allow."""

    method: str
    url: str
    scope: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Content = None


class Registry:
    """One registry and a root in it: addresses, authorization, redirects and the meaning of statuses.

    Plain http is spoken to loopback hosts only. A malformed URL is a ConfigError.
    """

    def __init__(self, url: str, client: Client, env: Mapping[str, str]) -> None:
        match = _ROOT.fullmatch(url)
        if match is None:
            shown = "an address with a user name in it" if "@" in url else repr(url[:200])
            raise ConfigError(f"{shown} is no registry", hint="write it as oci://host[:port]/repository")
        self.name = url.rstrip("/")
        self.root = match[3].lstrip("/")
        self.client = client
        host, port = match[1], match[2] or ""
        api, key = _HUB.get(host, (host, host))
        scheme = "http" if is_loopback(host.strip("[]")) else "https"
        self._base = f"{scheme}://{api}{port}/v2/"
        self._origin = Origin.parse(self._base)
        self._auth = RegistryAuth(client, self._origin, f"{key}{port}", env)

    def call(self, method: str, image: str, tail: str, actions: str = "pull") -> Call:
        """Return the request for ``/v2/<root>/<image>/<tail>``; an image outside the grammar is a NotFoundError."""
        if not all(map(is_image_name, image.split("/"))):
            raise NotFoundError(f"{image[:100]!r} is not the name of an image")
        repository = f"{self.root}/{image}" if self.root else image
        return Call(method, f"{self._base}{repository}/{tail}", f"repository:{repository}:{actions}")

    @contextmanager
    def exchange(self, call: Call, *, follow: bool = False) -> Iterator[Stream]:
        """Open the answer to *call*, whatever its status: authorized as needed, redirects followed if asked to."""
        with ExitStack() as stack:
            stream = self._authorized(stack, call)
            for _ in range(_MAX_REDIRECTS if follow else 0):
                if stream.status not in _REDIRECTS:
                    break
                call = replace(call, url=self.leads_to(call.url, stream))
                stack.close()
                stream = self._authorized(stack, call)
            yield stream

    def leads_to(self, url: str, stream: Stream) -> str:
        """Return the absolute ``Location`` of an answer; only https, or from this machine to this machine."""
        target, to = resolve(url, stream.headers.get("location", ""))
        if to.scheme != "https" and not (to.is_loopback and Origin.parse(url).is_loopback):
            raise NotAllowedError(
                f"{self.name} leads to {to.scheme}://{to}, which is not https",
                hint="check the registry's external URL (behind a TLS proxy: X-Forwarded-Proto)",
            )
        return target

    def _authorized(self, stack: ExitStack, call: Call) -> Stream:
        """Send with the token known for the scope, and after a 401 once more with a new one.

        Another origin gets neither. A content that is a stream is not sent twice.
        """
        ours = Origin.parse(call.url) == self._origin
        known = self._auth.header(call.scope) if ours else None
        stream = self._send(stack, call, known)
        if stream.status != 401 or not ours or not isinstance(call.content, bytes | None):
            return stream
        challenges = stream.headers.get("www-authenticate", "")
        stack.close()
        return self._send(stack, call, self._auth.answer(challenges, call.scope, known))

    def _send(self, stack: ExitStack, call: Call, authorization: str | None) -> Stream:
        headers = dict(call.headers) if authorization is None else {**call.headers, "Authorization": authorization}
        return stack.enter_context(self.client.open(call.method, call.url, headers, call.content))

    def check(self, call: Call, stream: Stream, *good: int) -> None:
        """Return if the status is one of *good*; else raise what it means (distribution-spec, Error Codes)."""
        if stream.status in good:
            return
        code, text = _spec_error(stream.read(_CHUNK))
        kind, hint = _verdict(stream.status, code, self._origin)
        path = call.url.removeprefix(self._base.removesuffix("/v2/"))
        raise kind(f"{self._origin}: {call.method} {path[:200]}: status {stream.status}{text}", hint=hint)


def _verdict(status: int, code: str, host: object) -> tuple[type[D8Error], str]:
    if status in (401, 403, 405):
        return NotAllowedError, f"check that this account may do this, or log in: docker login {host}"
    if status == 404:
        return NotFoundError, "check the image's name and tag, and the registry's root"
    if is_passing(status):
        return TryAgainError, "run the same command again later"
    if code in ("DIGEST_INVALID", "SIZE_INVALID", "MANIFEST_INVALID", "MANIFEST_BLOB_UNKNOWN"):
        return MismatchError, "publish again: the registry did not get what was announced"
    return UnreachableError, f"check that {host} is an OCI registry"


def _spec_error(body: bytes) -> tuple[str, str]:
    """Return the code of an error body, and ``: CODE message`` to show; two empty texts if it is none."""
    try:
        first = json.loads(body)["errors"][0]
        code, message = str(first.get("code", "")), str(first.get("message", ""))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "", ""
    return code, ": " + re.sub(r"[^ -~]+", " ", f"{code} {message}").strip()[:200]


class RegistrySource:
    """Images out of a registry; safe for threads."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known = RememberedManifests()
        self.name = registry.name

    def tags(self, image: str) -> Sequence[str]:
        """Return every tag, all pages joined; more than 100 000 tags or 1000 pages are a MismatchError."""
        call = self._registry.call("GET", image, "tags/list?n=1000")
        tags: list[str] = []
        for _ in range(_MAX_PAGES):
            page, following = self._page(call)
            tags += page
            if following is None:
                return tags
            if len(tags) > _MAX_TAGS:
                break
            call = replace(call, url=following)
        raise MismatchError(f"{self.name}: {image} has more than {_MAX_TAGS} tags or {_MAX_PAGES} pages of them")

    def _page(self, call: Call) -> tuple[list[str], str | None]:
        headers, raw = self._whole(call, _MAX_TAGS_BYTES)
        page = _parse_tags(raw, self.name)
        link = _NEXT.search(headers.get("link", ""))
        if link is None:
            return page, None
        following, origin = resolve(call.url, link[1])
        if origin != Origin.parse(call.url) or following == call.url:
            raise MismatchError(f"{self.name}: the next page of tags is not its own")
        return page, following

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest's bytes and type."""
        if not is_manifest_ref(ref):
            raise NotFoundError(f"{ref[:130]!r} is neither a tag nor a digest")
        call = self._registry.call("GET", image, f"manifests/{ref}")
        call = replace(call, headers=_ACCEPT)
        if (known := self._known.get((image, ref))) is not None:
            return known
        headers, raw = self._whole(call, MAX_MANIFEST_BYTES)
        return self._known.add(image, ManifestBytes(raw, headers.get("content-type", "").partition(";")[0].strip()))

    def _whole(self, call: Call, cap: int) -> tuple[Mapping[str, str], bytes]:
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
        with self._registry.exchange(call, follow=True) as stream:
            self._registry.check(call, stream, 200)
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
            with self._registry.exchange(replace(call, headers=range_headers(start, etag)), follow=True) as stream:
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
        with self._registry.exchange(call, follow=True) as stream:
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
    tags = document.get("tags") or [] if isinstance(document, dict) else None
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise MismatchError(f"{name}: the answer is no list of tags", hint="check that this is an OCI registry")
    return tags


class RegistryDestination:
    """Writes images to a registry: blobs whole, in one request each."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.name = registry.name

    def tag_digest(self, image: str, tag: str) -> Digest | None:
        """Return the digest that the registry gives for the tag, or that of the bytes if it gives none; or None."""
        call = replace(self._call("HEAD", image, f"manifests/{tag}"), headers=_ACCEPT)
        with self._registry.exchange(call) as stream:
            if stream.status == 404:
                return None
            self._registry.check(call, stream, 200)
        try:
            return Digest.parse(stream.headers.get("docker-content-digest"))
        except DocumentError:
            return RegistrySource(self._registry).manifest(image, tag).digest

    def has_blob(self, image: str, digest: Digest) -> bool:
        """Whether the repository has the blob."""
        call = self._call("HEAD", image, f"blobs/{digest}")
        with self._registry.exchange(call, follow=True) as stream:
            if stream.status == 404:
                return False
            self._registry.check(call, stream, 200)
        return True

    def put_blob(self, image: str, digest: Digest, size: int, open_blob: Callable[[], BinaryIO]) -> None:
        """Upload a blob, and begin anew while faults pass: a broken upload cannot be told where to continue."""
        attempts = self._registry.client.attempts()
        while True:
            try:
                self._upload(image, digest, _Blob(size, open_blob))
            except TryAgainError:
                self._registry.client.wait_or_raise(attempts)
            else:
                return

    def _upload(self, image: str, digest: Digest, blob: _Blob) -> None:
        begin = self._call("POST", image, "blobs/uploads/")
        with self._registry.exchange(begin) as stream:
            self._registry.check(begin, stream, 202)
            location = self._registry.leads_to(begin.url, stream)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
        url = f"{location}{'&' if '?' in location else '?'}digest={digest}"
        put = Call("PUT", url, begin.scope, headers, blob.chunks())
        with self._registry.exchange(put) as stream:
            self._registry.check(put, stream, 201, 204)

    def put_manifest(self, image: str, ref: str, manifest: ManifestBytes) -> None:
        """Write a manifest; a registry that then names another digest than its own is a MismatchError."""
        call = self._call("PUT", image, f"manifests/{ref}")
        call = replace(call, headers={"Content-Type": manifest.media_type}, content=manifest.raw)
        with self._registry.exchange(call) as stream:
            self._registry.check(call, stream, 201)
        named = stream.headers.get("docker-content-digest", str(manifest.digest))
        if named != str(manifest.digest):
            raise MismatchError(f"{self.name}: {image}:{ref} became {named[:100]!r}, not {manifest.digest}")

    def close(self) -> None:
        """Close the connections."""
        self._registry.client.close()

    def _call(self, method: str, image: str, tail: str) -> Call:
        return self._registry.call(method, image, tail, "pull,push")


@dataclass(frozen=True, slots=True)
class _Blob:
    """What is to be uploaded: its size, and how to read it from the beginning."""

    size: int
    open: Callable[[], BinaryIO]

    def chunks(self) -> Iterator[bytes]:
        sent = 0
        with self.open() as file:
            while chunk := file.read(_CHUNK):
                sent += len(chunk)
                if sent > self.size:
                    break
                yield chunk
        if sent != self.size:
            raise MismatchError(f"a blob of {self.size} bytes was announced, and its stream has another length")

"""Images out of a registry-packages-proxy: ``rpp_wire`` says what to ask, ``client`` asks. Nothing is verified here."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, MismatchError, NotFoundError, UnreachableError
from d8_installer.model.address import shown
from d8_installer.registry import rpp_wire
from d8_installer.registry.manifest_cache import ManifestCache
from d8_installer.registry.rpp_refusals import absent, refused_identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from d8_installer.model.address import Shown
    from d8_installer.model.source import LayerRequest, ManifestBytes
    from d8_installer.registry.client import Client, Response
    from d8_installer.registry.endpoint import Endpoint
    from d8_installer.registry.stream import Stream


class _ElsewhereError(Exception):
    """The answer is about other bytes than those asked for; ``error`` is what to say where nothing else helps."""

    def __init__(self, error: MismatchError) -> None:
        super().__init__(error.message)
        self.error = error


class RppSource:
    """Images as one proxy serves them; safe for threads. Redirects are refused (``raise_for_status``).

    *token_from* names the place that the client's token comes from, once the client has asked for it.
    """

    def __init__(self, endpoint: Endpoint, client: Client, token_from: Callable[[], str | None] = lambda: None) -> None:
        self._endpoint = endpoint
        self._client = client
        self._token_from = token_from
        self._known = ManifestCache()
        self.name = shown(endpoint.base)

    def tags(self, image: str) -> Sequence[str]:
        """Return every tag; the proxy has already joined the pages (rpp.md §2.5)."""
        request = rpp_wire.tags_request(image)
        response = self._get(request, rpp_wire.MAX_TAGS_BYTES)
        if response.status == 404 and not rpp_wire.has_tags_route(response.body):
            raise UnreachableError(
                f"{self.name} is not a registry-packages-proxy: it has no list of tags (status 404)",
                hint="check the address: `d8-installer config get endpoint`, or --endpoint URL",
            )
        self._require(request, response.status, response.body)
        return rpp_wire.parse_tags(response.body)

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest's bytes; a proxy without this route is refused, for nothing could be verified."""
        request = rpp_wire.manifest_request(image, ref)
        if (known := self._known.get((image, ref))) is not None:
            return known
        response = self._get(request, rpp_wire.MAX_MANIFEST_BYTES)
        if response.status == 404 and not rpp_wire.has_manifest_route(response.body):
            # Not that this manifest is missing: another tag would fare no better.
            raise UnreachableError(
                f"{self.name} has no manifests: it is too old, or no registry-packages-proxy",
                hint="use a proxy of Deckhouse 1.77 or newer, or another source such as oci://",
            )
        self._require(request, response.status, response.body, absent(self.name, image, ref))
        return self._known.add(
            image, rpp_wire.parse_manifest_body(response.body, response.headers.get("content-type", ""))
        )

    @contextmanager
    def layer(self, request: LayerRequest) -> Iterator[Stream]:
        """Open the layer of a tag, or that of the child by its digest where the tag leads elsewhere (rpp.md §18.1).

        What the headers already disprove is a MismatchError before the first byte: of the tag, where the digest does
        not help either. The body is Traced.
        """
        with ExitStack() as stack:
            yield self._by_digest(stack, request) if request.by_digest else self._by_either(stack, request)

    def _by_either(self, stack: ExitStack, request: LayerRequest) -> Stream:
        try:
            stream = self._open(stack, request, rpp_wire.layer_request(request.image, request.tag, request.platform))
        except (_ElsewhereError, NotFoundError) as error:
            first = error.error if isinstance(error, _ElsewhereError) else error
        else:
            stream.by_tag = not rpp_wire.judge_etag(stream.etag, request)
            return stream
        try:
            stream = self._by_digest(stack, request)
        except D8Error as error:
            raise first from error
        stream.detour = first
        return stream

    def _by_digest(self, stack: ExitStack, request: LayerRequest) -> Stream:
        try:
            return self._open(stack, request, rpp_wire.layer_request(request.image, request.child, None))
        except _ElsewhereError as error:
            raise error.error from error

    def _open(self, stack: ExitStack, request: LayerRequest, asked: rpp_wire.ProxyCall) -> Stream:
        """Open the answer to *asked*; one that tells of other bytes is an _ElsewhereError."""
        with ExitStack() as attempt:
            stream = attempt.enter_context(self._client.stream(self._endpoint.url(asked), dict(asked.headers)))
            if stream.status != 200:
                body = stream.read(rpp_wire.MAX_SNIPPET_BYTES)
                self._require(asked, stream.status, body, _gone(self.name, request, asked))
            try:
                rpp_wire.judge_etag(stream.etag, request)
            except MismatchError as error:
                if rpp_wire.ignores_platform(stream.etag, request):
                    raise
                raise _ElsewhereError(error) from error
            stream.require_plain(request.size)
            if stream.size not in (None, request.size):
                raise _ElsewhereError(
                    MismatchError(
                        f"{request.image}:{request.tag}: the proxy sends {stream.size} bytes, expected {request.size}",
                        hint="the tag may have moved: use a source that still has the locked bytes, or lock again",
                    )
                )
            stack.push(attempt.pop_all())
        return stream

    def _require(
        self, request: rpp_wire.ProxyCall, status: int, body: bytes, gone: NotFoundError | None = None
    ) -> None:
        """Return on 200; else raise the status's error; *gone* is that of a 404.

        Another success (a part, nothing) is not an answer of such a proxy (rpp.md §2).
        """
        if status in (401, 403):
            raise refused_identity(self.name, status, self._token_from())
        if status == 404 and gone is not None:
            raise gone
        rpp_wire.raise_for_status(request, status, body, self.name, plain=True)
        if status != 200:
            raise UnreachableError(
                f"{request.method} {self.name}{request.path}: unexpected status {status}",
                hint="check --endpoint: a registry-packages-proxy answers 200 with the whole layer or document",
            )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _get(self, request: rpp_wire.ProxyCall, cap: int) -> Response:
        return self._client.get(self._endpoint.url(request), dict(request.headers), cap)


def _gone(address: Shown, request: LayerRequest, asked: rpp_wire.ProxyCall) -> NotFoundError:
    """Return the error of a 404 to *asked*, which names the layer by its tag or by its child's digest."""
    if str(request.child) in asked.path:
        return absent(address, request.image, str(request.child))
    return absent(address, request.image, request.tag, request.platform)

"""Images from a registry-packages-proxy: ``rpp_wire`` makes the requests, ``client`` sends them.

Nothing is verified here.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, MismatchError, NotFoundError, UnreachableError
from d8_installer.model.address import shown
from d8_installer.model.oci import MAX_MANIFEST_BYTES
from d8_installer.registry import rpp_errors, rpp_wire
from d8_installer.registry.manifest_cache import ManifestCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from d8_installer.model.address import Shown
    from d8_installer.model.source import LayerRequest, ManifestBytes
    from d8_installer.registry.client import Client, Response
    from d8_installer.registry.endpoint import Endpoint
    from d8_installer.registry.stream import Stream


class _ElsewhereError(Exception):
    """The answer is about other bytes than the requested ones; ``error`` is raised if no other way helps."""

    def __init__(self, error: MismatchError) -> None:
        super().__init__(error.message)
        self.error = error


class RppSource:
    """A Source over one proxy; safe for threads. Redirects are refused (``rpp_errors.raise_for_status``).

    *token_from* names where the client's token came from, once the client has read it.
    """

    def __init__(self, endpoint: Endpoint, client: Client, token_from: Callable[[], str | None] = lambda: None) -> None:
        self._endpoint = endpoint
        self._client = client
        self._token_from = token_from
        self._known = ManifestCache()
        self.name = shown(endpoint.base)

    def tags(self, image: str) -> Sequence[str]:
        """Return every tag; the proxy joins the registry's pages itself (rpp.md §2.5)."""
        request = rpp_wire.tags_request(image)
        response = self._get(request, rpp_wire.MAX_TAGS_BYTES)
        if response.status == 404 and not rpp_errors.has_tags_route(response.body):
            raise UnreachableError(
                f"{self.name} is not a registry-packages-proxy: it has no list of tags (status 404)",
                hint="check the address: `d8-installer config get endpoint`, or --endpoint URL",
                code="not-a-source",
            )
        self._require(request, response.status, response.body)
        return rpp_wire.parse_tags(response.body)

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest's bytes. A proxy without this route is refused, since nothing could be verified."""
        request = rpp_wire.manifest_request(image, ref)
        if (known := self._known.get(image, ref)) is not None:
            return known
        response = self._get(request, MAX_MANIFEST_BYTES)
        if response.status == 404 and not rpp_errors.has_manifest_route(response.body):
            # The route is missing, not this manifest: another tag would fail too.
            raise UnreachableError(
                f"{self.name} has no manifests: it is too old, or no registry-packages-proxy",
                hint="use a proxy of Deckhouse 1.77 or newer, or another source such as oci://",
                code="not-a-source",
            )
        self._require(request, response.status, response.body, rpp_errors.absent(self.name, image, ref))
        return self._known.add(
            image, rpp_wire.parse_manifest_body(response.body, response.headers.get("content-type", ""))
        )

    @contextmanager
    def layer(self, request: LayerRequest) -> Iterator[Stream]:
        """Open the layer by its tag, or by the child's digest if the tag leads to other bytes (rpp.md §18.1).

        Headers that contradict the request are a MismatchError before the first byte. If asking by digest fails too,
        the error is the tag's. The body is Traced.
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
        """Open the answer to *asked*; an answer about other bytes is an _ElsewhereError."""
        with ExitStack() as attempt:
            stream = attempt.enter_context(self._client.stream(self._endpoint.url(asked), dict(asked.headers)))
            if stream.status != 200:
                body = stream.read(rpp_errors.MAX_SNIPPET_BYTES)
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
                        code="wrong-bytes",
                    )
                )
            stack.push(attempt.pop_all())
        return stream

    def _require(
        self, request: rpp_wire.ProxyCall, status: int, body: bytes, gone: NotFoundError | None = None
    ) -> None:
        """Return on 200; else raise the error of the status. *gone* is the error of a 404.

        Any other success (a part, no content) is not an answer of such a proxy (rpp.md §2).
        """
        if status in (401, 403):
            raise self._refused(status, body)
        if status == 404 and gone is not None:
            raise gone
        rpp_errors.raise_for_status(request, status, body, self.name)
        if status != 200:
            raise UnreachableError(
                f"{request.method} {self.name}{request.path}: unexpected status {status}",
                hint="check --endpoint: a registry-packages-proxy answers 200 with the whole layer or document",
                code="not-a-source",
            )

    def _refused(self, status: int, body: bytes) -> D8Error:
        """Return the error of a 401 or 403, which says of an identity that has expired when it did."""
        identity = self._client.presented
        if identity is not None and identity.is_certificate_only and status == 401:
            return rpp_errors.refused_certificate(self.name, identity.place)
        kind = "token" if identity is None else identity.kind
        error = rpp_errors.refused_identity(self.name, status, self._token_from(), body, kind=kind)
        if identity is None or status != 401:
            return error
        from d8_installer.model.identity_facts import facts_of

        facts = facts_of(identity)
        if not facts.has_expired(datetime.now(UTC)):
            return error
        return error.within(more=f"it has expired: {facts.until}", hint=rpp_errors.RENEW_EXPIRED)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _get(self, request: rpp_wire.ProxyCall, cap: int) -> Response:
        return self._client.get(self._endpoint.url(request), dict(request.headers), cap)


def _gone(address: Shown, request: LayerRequest, asked: rpp_wire.ProxyCall) -> NotFoundError:
    """Return the error of a 404 to *asked*, which requested the layer by its tag or by its child's digest."""
    if str(request.child) in asked.path:
        return rpp_errors.absent(address, request.image, str(request.child))
    return rpp_errors.absent(address, request.image, request.tag, request.platform)

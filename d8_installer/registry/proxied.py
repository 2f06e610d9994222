"""Images out of a registry-packages-proxy: ``wire`` says what to ask, ``client`` asks. Nothing is verified here."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from d8_installer.errors import MismatchError, NotFoundError
from d8_installer.model.address import shown
from d8_installer.registry import wire
from d8_installer.registry.remembered import RememberedManifests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from d8_installer.model.source import LayerRequest, ManifestBytes
    from d8_installer.registry.client import Client, Response
    from d8_installer.registry.endpoint import Endpoint
    from d8_installer.registry.stream import Stream


class RppSource:
    """Images as one proxy serves them; safe for threads. Redirects are refused (``raise_for_status``)."""

    def __init__(self, endpoint: Endpoint, client: Client) -> None:
        self._endpoint = endpoint
        self._client = client
        self._known = RememberedManifests()
        self.name = shown(endpoint.base)

    def tags(self, image: str) -> Sequence[str]:
        """Return every tag; the proxy has already joined the pages (rpp.md §2.5)."""
        request = wire.tags_request(image)
        response = self._get(request, wire.MAX_TAGS_BYTES)
        wire.raise_for_status(request, response.status, response.body)
        return wire.parse_tags(response.body)

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest's bytes; a proxy without this route is refused, for nothing could be verified."""
        request = wire.manifest_request(image, ref)
        if (known := self._known.get((image, ref))) is not None:
            return known
        response = self._get(request, wire.MAX_MANIFEST_BYTES)
        if response.status == 404 and not wire.has_manifest_route(response.body):
            raise NotFoundError(
                f"{self.name} has no manifests: it is too old, or no registry-packages-proxy",
                hint="use a proxy of Deckhouse 1.77 or newer, or another source such as oci://",
            )
        wire.raise_for_status(request, response.status, response.body)
        return self._known.add(image, wire.parse_manifest_body(response.body, response.headers.get("content-type", "")))

    @contextmanager
    def layer(self, request: LayerRequest) -> Iterator[Stream]:
        """Open the layer of a tag; what the headers already disprove is a MismatchError before the first byte."""
        asked = wire.layer_request(request.image, request.tag, request.platform)
        with self._client.stream(self._endpoint.url(asked), dict(asked.headers)) as stream:
            if stream.status != 200:
                wire.raise_for_status(asked, stream.status, stream.read(wire.MAX_SNIPPET_BYTES))
            wire.judge_etag(stream.etag, request)
            stream.require_plain(request.size)
            if stream.size not in (None, request.size):
                raise MismatchError(
                    f"{request.image}:{request.tag}: the proxy sends {stream.size} bytes, expected {request.size}",
                    hint="the tag may have moved: use a source that still has the locked bytes, or lock again",
                )
            yield stream

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _get(self, request: wire.Request, cap: int) -> Response:
        return self._client.get(self._endpoint.url(request), dict(request.headers), cap)

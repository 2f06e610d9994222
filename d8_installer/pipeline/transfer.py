"""The transfer of one layer: the bytes that an earlier transfer left first, then the rest, as one body.

Nothing here is proven. The reader of the body hashes it from its first byte, kept bytes too.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from d8_installer.model.source import Rest, Resumable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from d8_installer.model.source import LayerRequest, Source
    from d8_installer.store.partial import PartialLayers

WORTH_KEEPING = 256 << 10
"""Layers of fewer bytes are fetched again from the start."""


class Transfer:
    """The transfer of one layer. Only one process at a time may make it (``PartialLayers.only_fetcher``)."""

    def __init__(self, source: Source, request: LayerRequest, partial_layers: PartialLayers) -> None:
        self._source = source
        self._request = request
        self._partial_layers = partial_layers
        self.resumed_at = 0
        """The number of bytes of the last body that came from an earlier transfer."""

    @property
    def kept(self) -> int:
        """The number of bytes that the next transfer need not fetch."""
        return self._partial_layers.kept(self._request.layer).size

    def drop(self) -> None:
        """Remove the kept bytes: the layer is in the store, or they are not the promised ones."""
        self._partial_layers.discard(self._request.layer)

    @contextmanager
    def body(self) -> Iterator[Iterable[bytes]]:
        """Open the layer. Leaving the context ends the transfer, and keeps its bytes if the source can resume it.

        Raise what the source raises.
        """
        self.resumed_at = 0
        source, request = self._source, self._request
        if request.size < WORTH_KEEPING or not isinstance(source, Resumable):
            with source.layer(request) as plain:
                yield plain
            return
        kept = self._partial_layers.kept(request.layer)
        size = kept.size
        if size > request.size:
            self.drop()
            size = 0
        if size == request.size:
            self.resumed_at = size
            yield self._partial_layers.read(request.layer, size)
            return
        with source.layer_from(request, size, kept.etag) as body:
            yield self._joined(body) if isinstance(body, Rest) else body

    def _joined(self, rest: Rest) -> Iterable[bytes]:
        layer, start = self._request.layer, rest.start
        self.resumed_at = start
        before = self._partial_layers.read(layer, start) if start else ()
        return chain(before, self._partial_layers.keep(layer, start, rest.etag, rest))

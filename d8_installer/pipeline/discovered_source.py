"""The source at an endpoint that was found in a cluster: if a kept endpoint fails, the cluster is asked again, once."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

from d8_installer.errors import D8Error, UnreachableError
from d8_installer.model.address import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from d8_installer.model.source import Body, LayerRequest, ManifestBytes, Source
    from d8_installer.pipeline.endpoint_choice import ChosenEndpoint
    from d8_installer.pipeline.endpoint_search import EndpointSearch

T = TypeVar("T")


class _NotYetError(Exception):
    """A kept endpoint failed at its first request. It is not asked again before the cluster was."""


class DiscoveredSource:
    """A Source at the endpoint of a cluster; safe for threads.

    *open_at* opens the source at an endpoint; its second argument waits between two tries of a request, None: as usual.
    """

    def __init__(
        self,
        search: EndpointSearch,
        open_at: Callable[[ChosenEndpoint, Callable[[float], object] | None], Source],
    ) -> None:
        chosen = search.chosen
        self._search = search
        self._open_at = open_at
        self._lock = threading.Lock()
        self._is_kept = chosen.is_cached
        self._has_answered = False
        self._failure: D8Error | None = None
        """Why the cluster could not say where the endpoint is now."""
        self._name = shown(chosen.url)
        self._source = open_at(chosen, self._wait if chosen.is_cached else None)

    @property
    def name(self) -> str:
        """The endpoint's address."""
        return self._name

    def tags(self, image: str) -> Sequence[str]:
        """Return the tags of *image*."""
        return self._ask(lambda source: source.tags(image))

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest."""
        return self._ask(lambda source: source.manifest(image, ref))

    @contextmanager
    def layer(self, request: LayerRequest) -> Iterator[Body]:
        """Open the layer."""
        with ExitStack() as stack:
            yield self._ask(lambda source: stack.enter_context(source.layer(request)))

    def close(self) -> None:
        """Close the connections."""
        self._source.close()

    def _ask(self, ask: Callable[[Source], T]) -> T:
        source = self._source
        try:
            answer = ask(source)
        except _NotYetError:
            return ask(self._instead_of(source, None))
        except UnreachableError as error:
            if not self._is_kept and source is self._source:
                self._search.drop()
                raise
            return ask(self._instead_of(source, error))
        self._has_answered = True
        return answer

    def _instead_of(self, failed: Source, error: D8Error | None) -> Source:
        """Return the source that replaces *failed*; the first thread that comes asks the cluster, for all."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._source is failed:
                chosen = self._found_again(error)
                self._is_kept = False
                self._name = shown(chosen.url)
                self._source = self._open_at(chosen, None)
                failed.close()
            return self._source

    def _found_again(self, error: D8Error | None) -> ChosenEndpoint:
        try:
            return self._search.again(error)
        except D8Error as failure:
            self._failure = failure
            raise

    def _wait(self, seconds: float) -> None:
        """Wait between two tries at a kept endpoint, but only if it has ever answered."""
        if not self._has_answered:
            raise _NotYetError
        threading.Event().wait(seconds)

"""From a request to an answer, in the order of checks of rpp.md §2.3.

``answers`` has the texts, ``upstream`` asks the registry, ``fill`` brings a layer, and ``app`` sends the answer.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error
from d8_installer.model.reference import is_allowed_image
from d8_installer.model.value import Struct
from d8_installer.proxy import answers
from d8_installer.proxy.answers import Answer, Headers
from d8_installer.proxy.fill import Fill, Fills
from d8_installer.proxy.workers import Workers
from d8_installer.registry.rpp_routes import PREFIX, InvalidPlatform, Route, parse_path, parse_platform_query

if TYPE_CHECKING:
    from d8_installer.model.platform import Platform
    from d8_installer.proxy.cache import LayerCache
    from d8_installer.proxy.token_file import TokenFile
    from d8_installer.proxy.upstream import Package, Upstream

_QUESTIONS = 32
_FILLS = 16


class ProxyRequest(Struct, frozen=True, kw_only=True):
    """The parts of a request that count: ``path`` is percent-decoded, ``raw_path`` and ``query`` are as sent."""

    method: str
    path: str
    raw_path: str
    query: str
    authorization: bytes = b""


class LayerAnswer(Struct, frozen=True):
    """R2's 200: its headers, and the layer as the path of a complete file, or as the fill that brings it."""

    headers: Headers
    size: int
    body: str | Fill


class Handler:
    """Answers requests from one upstream. It belongs to one event loop; ``close`` ends its threads."""

    def __init__(self, upstream: Upstream, cache: LayerCache, access: TokenFile | None = None) -> None:
        self._upstream = upstream
        self._cache = cache
        self._access = access
        self._fillers = Workers(_FILLS, "d8-fill")
        self._fills = Fills(cache, self._fillers)
        self.workers = Workers(_QUESTIONS, "d8-proxy")

    async def answer(self, request: ProxyRequest) -> Answer | LayerAnswer:
        """Return the answer to *request*; never raises a D8Error."""
        if request.path == "/healthz":
            return answers.HEALTHY
        refusal = None if self._access is None else self._access.refusal(request.authorization)
        if refusal is not None:
            return refusal
        clean = canonical_path(request.raw_path)
        if clean != request.raw_path:
            return answers.redirect(clean + (f"?{request.query}" if request.query else ""))
        route = parse_path(request.path)
        if route is None or not is_allowed_image(route.image):
            return answers.NOT_FOUND
        if request.method != "GET" and (route.action != "image" or request.method != "HEAD"):
            return answers.METHOD_NOT_ALLOWED
        return await (self._image(route, request) if route.action == "image" else self._small(route))

    def close(self) -> None:
        """End the fills and the threads, and close the sources."""
        self._fills.stop()
        self._fillers.stop()
        self.workers.stop()
        self._upstream.close()

    async def _small(self, route: Route) -> Answer:
        if route.action == "manifest":
            known = self._upstream.remembered(route.image, route.ref)
            if known is not None:
                return answers.manifest(known)
        return await self.workers.run(lambda: _ask(self._upstream, route))

    async def _image(self, route: Route, request: ProxyRequest) -> Answer | LayerAnswer:
        try:
            platform = parse_platform_query(request.query)
        except InvalidPlatform:
            return answers.INVALID_PLATFORM
        package = self._upstream.at_hand(route.image, route.ref, platform)
        path = None if package is None else self._cache.unchanged(package.request.layer, package.request.size)
        if package is None or path is None:
            found = await self.workers.run(lambda: self._locate(route, platform))
            if isinstance(found, Answer):
                return found
            package, path = found
        layer = package.request
        headers = answers.layer_headers(route.image, route.ref, package.digest, layer.size)
        if path is not None or request.method == "HEAD":
            return LayerAnswer(headers, layer.size, path or "")
        try:
            fill = await self._fills.follow(layer, self._upstream.source(package))
        except D8Error as error:
            return answers.layer_failure(error)
        return LayerAnswer(headers, layer.size, fill.local or fill)

    def _locate(self, route: Route, platform: Platform | None) -> Answer | tuple[Package, str | None]:
        """Ask the registry for the tag, and return the layer with its path if it is cached. Blocks."""
        try:
            resolved = self._upstream.resolve(route.image, route.ref, platform)
        except D8Error as error:
            return answers.failure("resolve", error)
        try:
            package = self._upstream.package(resolved)
            return package, self._cache.find(package.request.layer, package.request.size)
        except D8Error as error:
            return answers.failure("package", error)


def _ask(upstream: Upstream, route: Route) -> Answer:
    """Answer R1 and R3. Blocks."""
    try:
        if route.action == "tags":
            return answers.tags(route.image, upstream.tags(route.image))
        return answers.manifest(upstream.manifest(route.image, route.ref))
    except D8Error as error:
        return answers.failure("tags" if route.action == "tags" else "manifest", error)


def canonical_path(raw_path: str) -> str:
    """Return *raw_path* without ``//``, ``.`` and ``..``, with its trailing slash, as Go's mux does (rpp.md §2.1)."""
    if raw_path == PREFIX.rstrip("/"):
        return PREFIX  # the mux redirects the name of a subtree to the subtree (rpp.md §18.2)
    if "//" not in raw_path and "/." not in raw_path:
        return raw_path
    clean = "/" + posixpath.normpath(raw_path).lstrip("/")
    return clean + "/" if raw_path.endswith(("/", "/.", "/..")) and clean != "/" else clean

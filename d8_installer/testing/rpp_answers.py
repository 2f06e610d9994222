"""The fault server's right answers as a registry-packages-proxy (rpp.md §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from d8_installer.errors import D8Error, NotFoundError
from d8_installer.model.reference import is_allowed_image
from d8_installer.proxy import answers
from d8_installer.proxy.answers import Answer
from d8_installer.proxy.upstream import Upstream, is_digest
from d8_installer.registry.rpp_routes import InvalidPlatform, parse_path, parse_platform_query
from d8_installer.testing.replies import Reply, Resource, Seen

if TYPE_CHECKING:
    from d8_installer.model.platform import Platform
    from d8_installer.model.source import Source
    from d8_installer.registry.rpp_routes import Route


def _route(target: str) -> Route | None:
    route = parse_path(unquote(target.partition("?")[0]))
    return route if route is not None and is_allowed_image(route.image) else None


def _resource(route: Route | None) -> Resource:
    if route is None:
        return "other"
    if route.action == "manifest":
        return "child" if route.ref.startswith("sha256:") else "index"
    return "layer" if route.action == "image" else "tags"


class RppWire:
    """A Wire: a registry-packages-proxy of today (generation G3)."""

    def resource(self, target: str) -> Resource:
        """Return the resource that the target names."""
        return _resource(_route(target))

    def reply(self, source: Source, request: Seen, *, ignores_platform: bool) -> Reply:
        """Answer as the proxy does."""
        query = "" if ignores_platform else request.target.partition("?")[2]
        answer = _right_answer(source, request, query, ignores_platform=ignores_platform)
        headers = {name.decode(): value.decode() for name, value in answer.headers if name != b"content-length"}
        return Reply.whole(request.resource, answer.status, headers, answer.body)


def _right_answer(source: Source, request: Seen, query: str, *, ignores_platform: bool) -> Answer:
    route = _route(request.target)
    if route is None:
        return answers.NOT_FOUND
    if request.method not in (("GET", "HEAD") if route.action == "image" else ("GET",)):
        return answers.METHOD_NOT_ALLOWED
    try:
        if route.action == "image":
            return _layer(source, route, parse_platform_query(query), by_digest=not ignores_platform)
        if route.action == "tags":
            return answers.tags(route.image, source.tags(route.image))
        return answers.manifest(source.manifest(route.image, route.ref))
    except InvalidPlatform:
        return answers.INVALID_PLATFORM
    except D8Error as error:
        return answers.failure("tags" if route.action == "tags" else "manifest", error)


def _layer(source: Source, route: Route, platform: Platform | None, *, by_digest: bool) -> Answer:
    """Answer R2. A proxy that is too old for platforms is assumed to know only tags: *by_digest* False."""
    upstream = Upstream(lambda: "memory:", lambda _: source)
    try:
        if is_digest(route.ref) and not by_digest:
            raise NotFoundError(f"no tag {route.ref}")
        resolved = upstream.resolve(route.image, route.ref, platform)
    except D8Error as error:
        return answers.failure("resolve", error)
    try:
        package = upstream.package(resolved)
        with source.layer(package.request) as chunks:
            body = b"".join(chunks)
    except D8Error as error:
        return answers.failure("package", error)
    return Answer(
        status=200, headers=answers.layer_headers(route.image, route.ref, package.digest, len(body)), body=body
    )

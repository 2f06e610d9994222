"""The groups about the proxy's protocol: adapters over ``registry.rpp_wire`` and the real ASGI app, in process."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, unquote

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
from d8_installer.model.oci import DOCKER_LIST, OCI_INDEX
from d8_installer.model.platform import Platform
from d8_installer.model.reference import is_allowed_image, is_image_name, is_manifest_ref, is_tag
from d8_installer.model.source import ManifestBytes
from d8_installer.proxy import answers
from d8_installer.proxy.app import ProxyApp
from d8_installer.proxy.cache import LayerCache
from d8_installer.proxy.handler import Handler
from d8_installer.proxy.roots import RootProbe, candidate_roots, trimmed_root
from d8_installer.proxy.upstream import Upstream
from d8_installer.registry import rpp_routes, rpp_wire
from d8_installer.testing import go_dialect
from d8_installer.testing.memory import MemorySource, SourceCall, child_entry, image_index, image_manifest
from tests.conformance.group import text_of
from tests.proxy.asgi import Reply, ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.testing.memory import Operation
    from tests.conformance.group import Group, Input, Output


def _path(case: Input) -> Output:
    parse_path = go_dialect.parse_old_path if case.get("generation") == "G1" else rpp_routes.parse_path
    route = parse_path(unquote(text_of(case, "path").partition("?")[0]))
    if route is None:
        return {"parsed": None, "allowed": False, "routed": False, **_answer(answers.NOT_FOUND)}
    parsed = {"action": route.action, "image": route.image, **({"ref": route.ref} if route.ref else {})}
    if is_allowed_image(route.image):
        return {"parsed": parsed, "allowed": True, "routed": True}
    return {"parsed": parsed, "allowed": False, "routed": False, **_answer(answers.NOT_FOUND)}


def _answer(answer: answers.Answer) -> Output:
    return {"status": answer.status, "body": answer.body.decode()}


def _allow_list(case: Input) -> Output:
    return {"allowed": is_allowed_image(text_of(case, "image"))}


def _platform_query(case: Input) -> Output:
    raw = case.get("raw_query", "" if case.get("platform") is None else f"platform={case['platform']}")
    try:
        platform = rpp_routes.parse_platform_query(str(raw))
    except rpp_routes.InvalidPlatform:
        return _answer(answers.INVALID_PLATFORM)
    if platform is None:
        return {"platform": None}
    return {"platform": {"os": platform.os, "architecture": platform.architecture}}


def _tag_grammar(case: Input) -> Output:
    return {"valid": is_tag(text_of(case, "tag"))}


def _name_grammar(case: Input) -> Output:
    return {"valid": is_image_name(text_of(case, "name"))}


def _manifest_ref_grammar(case: Input) -> Output:
    return {"valid": is_manifest_ref(text_of(case, "ref"))}


def _endpoint_validate(case: Input) -> Output:
    try:
        endpoint = go_dialect.parse_endpoint(text_of(case, "url"))
    except ConfigError:
        return {"valid": False}
    return {"valid": True, "request_url": endpoint.url(rpp_wire.tags_request("deckhouse-cli"))}


def _tls_options(case: Input) -> Output:
    try:
        go_dialect.check_trust(
            insecure=case.get("insecure") is True,
            ca_data=_optional(case, "ca_data"),
            ca_file=_optional(case, "ca_file"),
            custom_transport=any("transport" in key and value for key, value in case.items()),
        )
    except ConfigError as error:
        return {"error": error.message}
    return {"error": None}


def _optional(case: Input, key: str) -> str | None:
    value = case.get(key)
    return None if value is None else str(value)


def _error_mapping(case: Input) -> Output:
    operation = str(case.get("operation", ""))
    body = str(case.get("body", "")).encode()
    try:
        request = _request(operation, case)
        if "status" in case:
            go_dialect.raise_for_status(request, int(str(case["status"])), body)
            return {"ok": True}
        if operation == "tags":
            return {"tags": list(rpp_wire.parse_tags(body))}
        if operation == "manifest":
            padded = body.ljust(int(str(case.get("body_bytes", 0))))
            return {"manifest": rpp_wire.parse_manifest_body(padded, "").raw.decode()}
    except DocumentError as error:
        return {"error": error.problem, "request_sent": False}
    except MismatchError as error:
        return {"error": error.message.partition(":")[0]}
    except D8Error as error:
        return {"error": error.message.partition(": ")[2], "message": error.message, "followed": False}
    return {"ok": True}


def _request(operation: str, case: Input) -> rpp_wire.ProxyCall:
    if "path" in case:
        return rpp_wire.ProxyCall(str(case.get("method", "GET")), str(case["path"]), ())
    image, tag = str(case.get("image", "deckhouse-cli")), str(case.get("tag", case.get("ref", "v1.0.0")))
    if operation == "pull":
        return rpp_wire.layer_request(image, tag, None)
    return rpp_wire.manifest_request(image, tag) if operation == "manifest" else rpp_wire.tags_request(image)


def _edition_root(case: Input) -> Output:
    repository = text_of(case, "cluster_repository")
    return {"trimmed_root": trimmed_root(repository), "candidates": list(candidate_roots(repository))}


def _root_probe(case: Input) -> Output:
    repository = text_of(case, "cluster_repository")
    answers_of = cast("dict[str, object]", case["answers"])
    probe, tried = RootProbe(), list[str]()
    memo_for = str(case.get("memo_for", repository))
    if case.get("memo") is not None:
        probe.remember(memo_for, text_of(case, "memo"))

    def attempt(root: str) -> str:
        tried.append(root)
        _raise_as(answers_of.get(root, 404), root)
        return root

    try:
        served: Output = {"served_from": probe.run(repository, attempt)}
    except D8Error as error:
        position = candidate_roots(repository).index(error.message)
        served = {
            "status": answers.failure("tags", error).status,
            "surfaced": f"{answers_of.get(error.message)} of the {('first', 'second')[position]} candidate",
        }
    return {**served, "tried": tried, "memo": probe.remembered(repository)}


def _raise_as(answer: object, root: str) -> None:
    if answer == 404:
        raise NotFoundError(root)
    if answer in (401, 403):
        raise NotAllowedError(root)
    if answer != "ok":
        raise D8Error(root)


# --- the groups that go through the ASGI app ------------------------------------------------------------------

_IMAGE = "deckhouse-cli"
_TAG = "v1.0.0"
_SCHEMA_1 = ManifestBytes(b'{"schemaVersion": 1}', "application/vnd.docker.distribution.manifest.v1+prettyjws")


@dataclass
class _Registry:
    """A memory source, and what the cases call its digests (``sha256:aa``), which real content cannot have."""

    source: MemorySource = field(default_factory=MemorySource)
    names: dict[str, str] = field(default_factory=dict)
    configured: bool = True

    def root(self) -> str:
        if not self.configured:
            raise ConfigError("no registry is configured")
        return "memory:"

    def ask(self, target: str, method: str = "GET", headers: Mapping[str, str] | None = None, times: int = 1) -> Reply:
        """The last of *times* replies of a fresh proxy, its digests spelled as the case does."""
        with tempfile.TemporaryDirectory() as directory:
            upstream = Upstream(self.root, lambda _: self.source)
            handler = Handler(upstream, LayerCache(directory, 1 << 20))
            reply = asyncio.run(_ask_often(ProxyApp(handler), target, method, headers, times))
            handler.close()
        for real, name in self.names.items():
            reply.headers = {key: value.replace(real, name) for key, value in reply.headers.items()}
        return reply

    def named(self, manifest: ManifestBytes, name: str) -> ManifestBytes:
        self.names[str(manifest.digest)] = name
        self.source.add_manifest(_IMAGE, manifest)
        return manifest

    def image(self, name: str) -> ManifestBytes:
        """An image whose one layer is its own name."""
        self.source.add_blob(_IMAGE, name.encode())
        return self.named(image_manifest([name.encode()]), name)

    def index(self, name: str, children: object, media_type: str = OCI_INDEX) -> ManifestBytes:
        entries = [self._entry(cast("dict[str, object]", child)) for child in cast("list[object]", children or [])]
        return self.named(image_index(entries, media_type=media_type), name)

    def _entry(self, child: dict[str, object]) -> dict[str, object]:
        name = str(child["digest"])
        entry = child_entry(self.index(name, child["children"]) if child.get("is_index") else self.image(name))
        return {**entry, "platform": child["platform"]} if "platform" in child else entry


async def _ask_often(app: ProxyApp, target: str, method: str, headers: Mapping[str, str] | None, times: int) -> Reply:
    replies = [await ask(app, target, method=method, headers=headers) for _ in range(times)]
    return replies[-1]


def _platform_resolve(case: Input) -> Output:
    registry, kind, name = _Registry(), text_of(case, "tag_kind"), text_of(case, "tag_digest")
    if kind == "image":
        tagged = registry.image(name)
    elif kind == "image-with-no-layers":
        tagged = registry.named(image_manifest([]), name)
    elif "schema" in kind:
        tagged = registry.named(_SCHEMA_1, name)
    else:
        tagged = registry.index(name, case["children"], DOCKER_LIST if "list" in kind else OCI_INDEX)
    registry.source.add_tag(_IMAGE, _TAG, tagged)
    query = "" if case.get("platform") is None else f"?platform={quote(text_of(case, 'platform'))}"
    reply = registry.ask(f"/v1/images/{_IMAGE}/images/{_TAG}{query}")
    if reply.status != 200:
        return {"status": reply.status, "body": reply.body.decode()}
    return {
        "status": reply.status,
        "etag": reply.headers["etag"],
        "docker_content_digest": reply.headers["docker-content-digest"],
        "body_of": reply.body.decode(),
    }


def _proxy_response(case: Input) -> Output:
    registry = _Registry(configured="registry_config" not in case or case["registry_config"] is not None)
    target, upstream = text_of(case, "path"), case.get("upstream")
    route = rpp_routes.parse_path(unquote(target.partition("?")[0])) or rpp_routes.Route("tags", _IMAGE)
    _program(registry, route, upstream)
    reply = registry.ask(
        target,
        text_of(case, "method"),
        cast("Mapping[str, str] | None", case.get("request_headers")),
        int(str(case.get("repeat", 1))),
    )
    return {
        "status": reply.status,
        # content that the case does not state is ours
        "body": None if upstream is None and reply.status == 200 else reply.body.decode(),
        "headers": {_HEADER_NAMES.get(name, name.title()): value for name, value in reply.headers.items()},
        "upstream_calls": len(registry.source.calls),
        "tag_resolutions": registry.source.calls.count(SourceCall("manifest", route.image, route.ref)),
        "layer_fetches": registry.source.count("layer"),
    }


_HEADER_NAMES = {"etag": "ETag"}


def _program(registry: _Registry, route: rpp_routes.Route, upstream: object) -> None:
    """Fill the source so that it behaves as the case says."""
    source = registry.source
    facts = cast("dict[str, object]", upstream) if isinstance(upstream, dict) else {}
    if isinstance(upstream, str):
        return _program_failure(source, route, upstream)
    if "status" in facts:
        return _fail_all(source, _error(facts["status"]))
    for tag in cast("list[str]", facts.get("tags") or []):
        source.add_tag(route.image, tag, image_manifest([]))
    if facts.get("tags") == []:
        source.add_blob(route.image, b"")
    if "manifest" in facts:
        manifest = ManifestBytes(str(facts["manifest"]).encode(), str(facts.get("media_type") or ""))
        source.add_tag(route.image, route.ref, manifest)
        source.add_manifest(route.image, manifest, route.ref)
    if "layer" in facts or upstream is None:
        manifest = source.add_image(route.image, route.ref, str(facts.get("layer", "layer")).encode())
        registry.names[str(manifest.digest)] = str(facts.get("digest"))
    return None


def _program_failure(source: MemorySource, route: rpp_routes.Route, failure: str) -> None:
    if not failure.startswith("resolved"):
        return _fail_all(source, UnreachableError(failure))
    child = image_manifest([b"layer"])
    source.add_tag(route.image, route.ref, image_index([child_entry(child, Platform("linux", "amd64"))]))
    if "blob" in failure or "layer" in failure:
        # the blob is missing
        source.add_manifest(route.image, child)
    elif not any(word in failure for word in ("404", "vanish", "not found", "missing", "gone")):
        source.fail("manifest", UnreachableError(failure), ref=str(child.digest))
    return None


def _fail_all(source: MemorySource, error: D8Error) -> None:
    operations: tuple[Operation, ...] = ("tags", "manifest", "layer")
    for operation in operations:
        source.fail(operation, error)


def _error(status: object) -> D8Error:
    known = {404: NotFoundError, 401: NotAllowedError, 403: NotAllowedError}
    return known.get(int(str(status)), TryAgainError)(f"status {status}")


GROUPS: dict[str, Group] = {
    "allow_list": _allow_list,
    "edition_root": _edition_root,
    "endpoint_validate": _endpoint_validate,
    "error_mapping": _error_mapping,
    "manifest_ref_grammar": _manifest_ref_grammar,
    "name_grammar": _name_grammar,
    "path_parse": _path,
    "path_parse_legacy": _path,
    "platform_query": _platform_query,
    "platform_resolve": _platform_resolve,
    "proxy_response": _proxy_response,
    "root_probe": _root_probe,
    "tag_grammar": _tag_grammar,
    "tls_options": _tls_options,
}

"""The routes, statuses, headers and bodies of rpp.md §2, through the ASGI callable in process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import ConfigError, D8Error, NotAllowedError, NotFoundError, TryAgainError, UnreachableError
from d8_installer.model.digest import Digest
from d8_installer.model.oci import OCI_MANIFEST
from d8_installer.model.platform import Platform
from d8_installer.model.source import ManifestBytes
from d8_installer.proxy.app import ProxyApp
from d8_installer.proxy.cache import LayerCache
from d8_installer.proxy.handler import Handler, canonical_path
from d8_installer.proxy.token_file import TokenFile
from d8_installer.proxy.upstream import Upstream
from d8_installer.registry import rpp_errors, rpp_wire
from d8_installer.testing.memory import MemorySource, child_entry, image_index, image_manifest
from tests.proxy.asgi import ask_once

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from d8_installer.testing.memory import Operation

FOO = "deckhouse-cli/plugins/foo"
V1 = f"/v1/images/{FOO}/images/v1"
AMD, ARM = Platform("linux", "amd64"), Platform("linux", "arm64")
ERROR_HEADERS = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}


class Proxy:
    """An app over a memory source, and the lines it logged."""

    def __init__(self, directory: Path, access: TokenFile | None = None) -> None:
        self.source = MemorySource()
        self.lines: list[str] = []
        self.configured = True
        cache = LayerCache(str(directory), 1 << 20)
        self.handler = Handler(Upstream(self.registry, lambda _: self.source), cache, access)
        self.app = ProxyApp(self.handler, self.lines.append)

    def registry(self) -> str:
        if not self.configured:
            raise ConfigError("no registry")
        return "memory:"

    def get(self, target: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        reply = ask_once(self.app, target, method=method, headers=headers)
        assert reply.whole
        assert reply.headers["content-length"] == str(len(reply.body)) or method == "HEAD"
        return reply.status, reply.body


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    made = Proxy(tmp_path)
    yield made
    made.handler.close()


# --- the three routes ---


def test_tags_are_compact_json_unfiltered(proxy: Proxy) -> None:
    for tag in ("v1", "sha256-1.sig", "<&>"):
        proxy.source.add_tag(FOO, tag, image_manifest([]))
    reply = ask_once(proxy.app, f"/v1/images/{FOO}/tags")
    assert reply.body == b'{"name":"%s","tags":["v1","sha256-1.sig","\\u003c\\u0026\\u003e"]}' % FOO.encode()
    assert reply.headers == {"content-type": "application/json", "content-length": str(len(reply.body))}
    assert json.loads(reply.body)["tags"][2] == "<&>"


def test_a_tag_that_is_no_text_is_an_internal_error(proxy: Proxy) -> None:
    proxy.source.add_tag(FOO, "\ud800", image_manifest([]))
    assert proxy.get(f"/v1/images/{FOO}/tags") == (500, b"internal error\n")


def test_a_manifest_is_verbatim(proxy: Proxy) -> None:
    raw = b'{ "annotations" : {} }\n'
    proxy.source.add_tag(FOO, "v1", ManifestBytes(raw, "application/x"))
    proxy.source.add_tag(FOO, "v2", ManifestBytes(raw, ""))
    proxy.source.add_tag(FOO, "v3", ManifestBytes(raw, "a\r\nset-cookie: b"))
    reply = ask_once(proxy.app, f"/v1/images/{FOO}/manifests/v1?platform=bad")
    assert reply.body == raw
    assert reply.headers == {"content-type": "application/x", "content-length": str(len(raw))}
    for ref in ("v2", "v3"):
        assert ask_once(proxy.app, f"/v1/images/{FOO}/manifests/{ref}").headers["content-type"] == OCI_MANIFEST


def test_a_layer_has_the_headers_of_its_manifest(proxy: Proxy) -> None:
    manifest = proxy.source.add_image(FOO, "v1", b"layer")
    expected = {
        "content-type": "application/x-gzip",
        "content-length": "5",
        "content-disposition": 'attachment; filename="foo-v1.tar.gz"',
        "cache-control": "public, max-age=31536000",
        "etag": f'"{manifest.digest}"',
        "docker-content-digest": str(manifest.digest),
    }
    for _ in ("fetched", "from the cache"):
        reply = ask_once(proxy.app, V1)
        assert (reply.status, reply.body, reply.headers) == (200, b"layer", expected)
    head = ask_once(proxy.app, V1, method="HEAD")
    assert (head.status, head.body, head.headers) == (200, b"", expected)


def test_head_fetches_no_layer(proxy: Proxy) -> None:
    proxy.source.add_image(FOO, "v1", b"layer")
    ask_once(proxy.app, V1, method="HEAD")
    assert proxy.source.count("layer") == 0


@pytest.mark.parametrize("header", ["Range", "If-None-Match", "If-Modified-Since", "If-Range"])
def test_conditions_and_ranges_are_ignored(proxy: Proxy, header: str) -> None:
    manifest = proxy.source.add_image(FOO, "v1", b"layer")
    value = "bytes=0-1" if header == "Range" else f'"{manifest.digest}"'
    reply = ask_once(proxy.app, V1, headers={header: value})
    assert (reply.status, reply.body) == (200, b"layer")
    assert "accept-ranges" not in reply.headers


def test_the_last_layer_is_served_as_stored(proxy: Proxy) -> None:
    for layer in (b"base", b"zstd or whatever"):
        proxy.source.add_blob(FOO, layer)
    proxy.source.add_tag(FOO, "v1", image_manifest([b"base", b"zstd or whatever"], layer_type="application/x-unheard"))
    assert proxy.get(V1) == (200, b"zstd or whatever")


def test_the_tag_is_asked_again_and_the_layer_is_not(proxy: Proxy) -> None:
    proxy.source.add_index(FOO, "v1", {AMD: b"amd", ARM: b"arm"})
    for _ in range(3):
        assert proxy.get(V1 + "?platform=linux-arm64") == (200, b"arm")
    # the tag three times, its child once: a digest cannot change
    assert proxy.source.count("manifest") == 4
    assert proxy.source.count("layer") == 1


def test_a_moved_tag_is_seen_at_once(proxy: Proxy) -> None:
    proxy.source.add_image(FOO, "v1", b"old")
    assert proxy.get(V1)[1] == b"old"
    proxy.source.add_image(FOO, "v1", b"new")
    assert proxy.get(V1)[1] == b"new"


def test_an_empty_layer_is_served(proxy: Proxy) -> None:
    proxy.source.add_image(FOO, "v1", b"")
    assert proxy.get(V1) == (200, b"")


# --- manifests by digest ---


def test_a_digest_is_verified_and_remembered(proxy: Proxy) -> None:
    manifest = image_manifest([b"x"])
    proxy.source.add_manifest(FOO, manifest)
    target = f"/v1/images/{FOO}/manifests/{manifest.digest}"
    assert proxy.get(target) == proxy.get(target) == (200, manifest.raw)
    assert proxy.source.count("manifest") == 1


def test_other_bytes_under_a_digest_are_refused(proxy: Proxy) -> None:
    proxy.source.add_manifest(FOO, image_manifest([b"x"]), str(Digest.of(b"y")))
    assert proxy.get(f"/v1/images/{FOO}/manifests/{Digest.of(b'y')}") == (502, b"failed to read manifest\n")


@pytest.mark.parametrize("ref", ["sha256:abc", "sha256:" + "A" * 64, "v1@sha256:" + "0" * 64])
def test_a_malformed_digest_reaches_no_source(proxy: Proxy, ref: str) -> None:
    assert proxy.get(f"/v1/images/{FOO}/manifests/{ref}") == (404, b"manifest not found\n")
    assert proxy.get(f"/v1/images/{FOO}/images/{ref}") == (404, b"version not found\n")
    assert proxy.source.calls == []


# --- the order of checks, and errors ---


@pytest.mark.parametrize(
    ("method", "target", "answer"),
    [
        ("PUT", "/v1/images/other/tags", (404, b"404 page not found\n")),
        ("PUT", f"{V1}?platform=bad", (405, b"method not allowed\n")),
        ("HEAD", f"/v1/images/{FOO}/tags", (405, b"method not allowed\n")),
        ("HEAD", f"/v1/images/{FOO}/manifests/v1", (405, b"method not allowed\n")),
        ("DELETE", V1, (405, b"method not allowed\n")),
        ("GET", f"{V1}?platform=bad", (400, b"invalid platform\n")),
        ("GET", V1, (500, b"registry config unavailable\n")),
        ("GET", "/", (404, b"404 page not found\n")),
        ("GET", "/v1/images/", (404, b"404 page not found\n")),
        ("GET", "/v1/images/deckhouse-cli/plugins/tags", (404, b"404 page not found\n")),
        ("GET", "/healthz", (200, b"ok")),
    ],
)
def test_checks_come_in_their_order(proxy: Proxy, method: str, target: str, answer: tuple[int, bytes]) -> None:
    proxy.configured = False
    assert proxy.get(target, method) == answer
    assert proxy.source.calls == []


BROKEN = [NotAllowedError("no"), UnreachableError("no"), TryAgainError("no"), D8Error("no")]


@pytest.mark.parametrize("error", [NotFoundError("no"), *BROKEN], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("operation", "target", "missing", "broken"),
    [
        ("tags", f"/v1/images/{FOO}/tags", "404 image not found", "502 failed to list tags"),
        ("manifest", f"/v1/images/{FOO}/manifests/v1", "404 manifest not found", "502 failed to read manifest"),
        ("manifest", V1, "404 version not found", "502 failed to resolve version"),
        ("layer", V1, "502 failed to fetch package", "502 failed to fetch package"),
    ],
)
def test_a_source_error_has_its_status(
    proxy: Proxy, operation: Operation, target: str, missing: str, broken: str, error: D8Error
) -> None:
    proxy.source.add_image(FOO, "v1", b"layer")
    proxy.source.fail(operation, error)
    status, _, text = (missing if isinstance(error, NotFoundError) else broken).partition(" ")
    reply = ask_once(proxy.app, target)
    assert (reply.status, reply.body.decode()) == (int(status), text + "\n")
    assert reply.headers == {**ERROR_HEADERS, "content-length": str(len(text) + 1)}
    assert proxy.lines[-1].endswith(": no")


@pytest.mark.parametrize(
    ("error", "answer"),
    [(NotFoundError("gone"), (404, b"package not found\n")), (BROKEN[0], (502, b"failed to fetch package\n"))],
)
def test_a_child_that_vanished_is_another_error(proxy: Proxy, error: D8Error, answer: tuple[int, bytes]) -> None:
    index = proxy.source.add_index(FOO, "v1", {ARM: b"arm"})
    child = json.loads(index.raw)["manifests"][0]["digest"]
    proxy.source.fail("manifest", error, ref=child)
    assert proxy.get(V1 + "?platform=linux-arm64") == answer


@pytest.mark.parametrize("name", ["FOO", "a b", "a%00", "%D1%84"])
def test_a_name_no_registry_can_have_fails_as_the_original_does(proxy: Proxy, name: str) -> None:
    assert proxy.get(f"/v1/images/deckhouse-cli/plugins/{name}/tags") == (502, b"failed to list tags\n")
    assert proxy.source.calls == []


@pytest.mark.parametrize("name", ["-lead", "a..b", "a__b", "%2e%2e"])
def test_a_name_no_image_can_have_is_not_found(proxy: Proxy, name: str) -> None:
    assert proxy.get(f"/v1/images/deckhouse-cli/plugins/{name}/tags") == (404, b"image not found\n")
    assert proxy.source.calls == []


@pytest.mark.parametrize("tag", ["v1+meta", "-x", "%2e%2e", "a" * 129, "v%0a"])
def test_a_tag_no_registry_can_have_is_not_found(proxy: Proxy, tag: str) -> None:
    assert proxy.get(f"/v1/images/{FOO}/images/{tag}") == (404, b"version not found\n")
    assert proxy.get(f"/v1/images/{FOO}/manifests/{tag}") == (404, b"manifest not found\n")
    assert proxy.source.calls == []


# --- paths ---


def test_the_path_is_decoded_before_it_is_read(proxy: Proxy) -> None:
    proxy.source.add_image(FOO, "v1", b"layer")
    assert proxy.get("/v1/images/deckhouse-cli%2Fplugins/foo/images%2Fv1") == (200, b"layer")


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("//v1/images/x/tags", "/v1/images/x/tags"),
        ("/v1//images///x/tags/", "/v1/images/x/tags/"),
        ("/v1/./images/y/../x/tags", "/v1/images/x/tags"),
        ("/../v1/images/x/", "/v1/images/x/"),
        ("//", "/"),
        ("/v1/images/.x/tags", "/v1/images/.x/tags"),
    ],
)
def test_a_path_that_is_not_canonical_is_redirected(proxy: Proxy, raw: str, clean: str) -> None:
    assert canonical_path(raw) == clean
    if raw != clean:
        reply = ask_once(proxy.app, raw + "?platform=a-b")
        assert (reply.status, reply.headers["location"]) == (301, clean + "?platform=a-b")


# --- children ---


def test_the_default_child_is_linux_amd64_or_has_no_platform(proxy: Proxy) -> None:
    odd, plain = image_manifest([b"odd"]), image_manifest([b"plain"])
    for layer, child in ((b"odd", odd), (b"plain", plain)):
        proxy.source.add_blob(FOO, layer)
        proxy.source.add_manifest(FOO, child)
    # a platform in no plain spelling is a platform all the same: it is not taken for a missing one
    index = image_index([child_entry(odd, Platform("linux", "ARM_64")), child_entry(plain)])
    proxy.source.add_tag(FOO, "v1", index)
    reply = ask_once(proxy.app, V1)
    assert (reply.body, reply.headers["etag"]) == (b"plain", f'"{index.digest}"')
    assert proxy.get(V1 + "?platform=linux-ARM_64") == (200, b"odd")
    assert proxy.get(V1 + "?platform=linux-amd64") == (404, b"version not found\n")


def test_indexes_that_nest_without_end_are_a_failure(proxy: Proxy) -> None:
    inner = image_manifest([b"x"])
    for _ in range(6):
        proxy.source.add_manifest(FOO, inner)
        inner = image_index([child_entry(inner, AMD)])
    proxy.source.add_tag(FOO, "v1", inner)
    assert proxy.get(V1) == (502, b"failed to fetch package\n")


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"schemaVersion":1}', b'{"layers":[]}', b"\xff"])
def test_what_is_no_image_is_a_failure(proxy: Proxy, raw: bytes) -> None:
    proxy.source.add_tag(FOO, "v1", ManifestBytes(raw, OCI_MANIFEST))
    assert proxy.get(V1) == (502, b"failed to fetch package\n")


# --- roots ---


def test_the_layer_comes_from_the_root_that_had_the_tag(tmp_path: Path) -> None:
    roots = {"oci://host/d8/ee": MemorySource(), "oci://host/d8": MemorySource()}
    roots["oci://host/d8"].add_image(FOO, "v1", b"layer")
    handler = Handler(Upstream(lambda: "oci://host/d8/ee", roots.__getitem__), LayerCache(str(tmp_path), 1 << 20))
    assert ask_once(ProxyApp(handler), V1).body == b"layer"
    assert [call.operation for call in roots["oci://host/d8/ee"].calls] == ["manifest"]
    assert ask_once(ProxyApp(handler), f"/v1/images/{FOO}/tags").status == 200
    assert len(roots["oci://host/d8/ee"].calls) == 1, "the root that answered is remembered"
    handler.close()
    assert all(source.closed for source in roots.values())


def test_only_a_registry_has_editions(tmp_path: Path) -> None:
    opened: list[str] = []

    def open_source(root: str) -> MemorySource:
        opened.append(root)
        return MemorySource()

    for root in ("oci-layout:/a/b/ee", "https://proxy.example/a/ee", "bundle:/a/b/ee"):
        handler = Handler(Upstream(lambda root=root: root, open_source), LayerCache(str(tmp_path), 1))  # type: ignore[misc]
        assert ask_once(ProxyApp(handler), f"/v1/images/{FOO}/tags").status == 404
        handler.close()
    assert opened == ["oci-layout:/a/b/ee", "https://proxy.example/a/ee", "bundle:/a/b/ee"]


# --- access and log ---


def test_only_health_is_anonymous(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, TokenFile.parse("good\ndeny:known"))
    proxy.source.add_image(FOO, "v1", b"layer")
    assert proxy.get(V1, authorization="Bearer good") == (200, b"layer")
    assert proxy.get(V1) == proxy.get("/nowhere") == (401, b"Unauthorized\n")
    assert proxy.get(V1, authorization="Bearer known")[0] == 403
    assert proxy.get("/healthz") == (200, b"ok")
    assert proxy.lines[0].startswith(f"GET {V1} 200 5 ")
    assert not any("good" in line or "known" in line for line in proxy.lines)
    proxy.handler.close()


def test_a_log_line_stays_one_line(proxy: Proxy) -> None:
    proxy.source.fail("tags", TryAgainError("two\nlines\x1b[31m"))
    proxy.get(f"/v1/images/{FOO}/tags")
    assert proxy.lines[-1].endswith("ms: two lines [31m")


def test_the_client_reads_what_the_proxy_writes(proxy: Proxy) -> None:
    index = proxy.source.add_index(FOO, "v1", {ARM: b"arm"})
    assert rpp_wire.parse_tags(proxy.get(rpp_wire.tags_request(FOO).target)[1]) == ("v1",)
    reply = ask_once(proxy.app, rpp_wire.manifest_request(FOO, "v1").target)
    assert rpp_wire.parse_manifest_body(reply.body, reply.headers["content-type"]) == index
    missing = ask_once(proxy.app, rpp_wire.manifest_request(FOO, "v2").target)
    assert rpp_errors.has_manifest_route(missing.body)
    with pytest.raises(NotFoundError):
        rpp_errors.raise_for_status(rpp_wire.manifest_request(FOO, "v2"), missing.status, missing.body)

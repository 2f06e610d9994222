"""Our proxy beside the real one's dialect: the same registry, the same requests, the same answers (rpp.md §2, §18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from d8_installer.model.digest import Digest
from d8_installer.model.oci import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST
from d8_installer.model.platform import Platform
from d8_installer.model.source import ManifestBytes
from d8_installer.proxy.app import ProxyApp
from d8_installer.proxy.cache import LayerCache
from d8_installer.proxy.handler import Handler
from d8_installer.proxy.upstream import Upstream
from d8_installer.testing.go_dialect import GoDialect
from d8_installer.testing.memory import MemorySource, child_entry, image_index, image_manifest
from d8_installer.testing.replies import Seen
from tests.proxy.asgi import ask_once

if TYPE_CHECKING:
    from collections.abc import Iterator

FOO = "deckhouse-cli/plugins/foo"
AMD, ARM = Platform("linux", "amd64"), Platform("linux", "arm64")
LAYERS = {AMD: b"amd layer", ARM: b"arm layer"}
CHILDREN = {platform: image_manifest([layer]) for platform, layer in LAYERS.items()}
INDEX = image_index(child_entry(child, platform) for platform, child in CHILDREN.items())
GONE = Digest.of(b"nothing")
NOT_INDEXES = {
    "empty": b"{}",
    "null": b'{"manifests":null}',
    "image": image_manifest([b"no index"]).raw,
    "sha512": b'{"manifests":[{"digest":"sha512:0","platform":{"os":"darwin","architecture":"arm64"}}]}',
}


@pytest.fixture(scope="module")
def registry() -> MemorySource:
    source = MemorySource()
    source.add_index(FOO, "v1", LAYERS)
    source.add_index("deckhouse-cli", "v1", LAYERS)
    source.add_image(FOO, "single", b"amd layer")
    source.add_index(FOO, "moved", LAYERS)
    source.add_image(FOO, "moved", b"other")
    for name, raw in NOT_INDEXES.items():
        source.add_tag(FOO, f"no-index-{name}", ManifestBytes(raw, OCI_INDEX))
        source.add_tag(FOO, f"no-list-{name}", ManifestBytes(raw, DOCKER_LIST))
    source.add_tag(FOO, "no-layers", ManifestBytes(image_manifest([]).raw, OCI_MANIFEST))
    return source


@pytest.fixture(scope="module")
def ours(registry: MemorySource, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyApp]:
    cache = LayerCache(str(tmp_path_factory.mktemp("cache")), 1 << 20)
    handler = Handler(Upstream(lambda: "memory:", lambda _: registry), cache)
    yield ProxyApp(handler)
    handler.close()


def refs() -> list[str]:
    digests = [*(child.digest for child in CHILDREN.values()), INDEX.digest, GONE]
    malformed = ["sha256:abc", f"sha256:{'A' * 64}", f"v1@{INDEX.digest}", "sha512:00", "no such tag", "nope"]
    escaped = [f"sha256%3A{digest.hex}" for digest in digests]
    return ["v1", "single", "moved", "no-layers", *map(str, digests), *escaped, *malformed]


QUERIES = ["", "?platform=linux-arm64", "?platform=darwin-arm64", "?platform=", "?platform=linux"]
TARGETS = [
    *(f"/v1/images/{FOO}/images/{ref}{query}" for ref in refs() for query in QUERIES),
    *(f"/v1/images/{FOO}/manifests/{ref}" for ref in refs()),
    *(f"/v1/images/{FOO}/images/no-index-{name}?platform=linux-arm64" for name in NOT_INDEXES),
    *(f"/v1/images/{FOO}/images/no-list-{name}?platform=linux-arm64" for name in NOT_INDEXES),
    f"/v1/images/{FOO}/images/no-index-sha512?platform=darwin-arm64",
    f"/v1/images/{FOO}/tags",
    "/v1/images/deckhouse-cli/images/v1",
    "/v1/images/deckhouse-cli/plugins/absent/tags",
    "/v1/images/other/tags",
    "/v1/images",
    "/v1/images?a=b",
    "/v1/images/",
    "/v1//images/x",
]


@pytest.mark.parametrize("target", [target.replace(" ", "%20") for target in TARGETS])
def test_answers_are_the_real_ones(registry: MemorySource, ours: ProxyApp, target: str) -> None:
    wire = GoDialect()
    for method in ("GET", "HEAD", "POST"):
        seen = Seen(resource=wire.resource(target), method=method, target=target, headers={})
        expected, got = wire.reply(registry, seen, ignores_platform=False), ask_once(ours, target, method=method)
        assert got.status == expected.status
        if expected.status == 301:
            assert got.headers["location"] == expected.headers["location"]
            continue
        headers = dict(got.headers)
        assert headers.pop("content-length") == str(len(expected.body))
        assert headers == expected.headers
        assert got.body == (b"" if method == "HEAD" and got.status == 200 else expected.body)


def test_go_1_26_redirects_otherwise(registry: MemorySource) -> None:
    wire = GoDialect((1, 26))
    reply = wire.reply(
        registry, Seen(resource="other", method="GET", target="/v1/images", headers={}), ignores_platform=False
    )
    assert (reply.status, reply.headers["location"]) == (307, "/v1/images/")

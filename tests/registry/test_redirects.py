"""What a registry redirects, and what reaches us in another form than it was sent."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import MismatchError, UnreachableError
from d8_installer.registry.oci_push import RegistryDestination
from d8_installer.registry.oci_registry import RegistrySource
from d8_installer.testing.contract import PLATFORMS, Sample, read_layer
from d8_installer.testing.memory import image_manifest
from tests.registry.registries import asking
from tests.registry.servers import Answer, Received

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = "deckhouse-cli/plugins/x"
SAMPLE = Sample.make("redirects", size=5000)
REQUEST = SAMPLE.request(PLATFORMS[0])
LAYER = SAMPLE.layers[PLATFORMS[0]]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_all_that_is_read_may_be_redirected(code: int) -> None:
    bodies = {"tags": b'{"tags": ["v1"]}', "manifests": b"{}", "blobs": LAYER}

    def there(kind: str) -> str:
        return f"/there/{kind}?signature=x"

    def answer(received: Received) -> Answer:
        kind = next(kind for kind in bodies if kind in received.path)
        if "there" in received.path:
            return Answer(200, bodies[kind])
        return Answer(code, headers={"Location": there(kind)})

    with asking(answer) as (server, registry):
        source = RegistrySource(registry)
        assert list(source.tags(IMAGE)) == ["v1"]
        assert source.manifest(IMAGE, "v1").raw == b"{}"
        assert read_layer(source, REQUEST) == LAYER
        assert [one.path for one in server.received[1::2]] == [there(kind) for kind in bodies]


@pytest.mark.parametrize("code", [301, 302, 303])
def test_a_write_is_not_turned_into_a_read(code: int) -> None:
    with asking(lambda _: Answer(code, headers={"Location": "/x"})) as (server, registry):
        with pytest.raises(UnreachableError):
            RegistryDestination(registry).put_manifest(IMAGE, "v1", image_manifest([]))
        assert [one.method for one in server.received] == ["PUT"]


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("what", ["tags", "manifest", "layer"])
def test_a_body_that_was_compressed_on_its_way_is_named(what: str, has_length: bool) -> None:
    packed = gzip.compress(LAYER)
    head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n"
    head += f"Content-Length: {len(packed)}\r\n\r\n" if has_length else "\r\n"
    with asking(lambda _: Answer(raw=head.encode() + packed)) as (_, registry):
        source = RegistrySource(registry)
        asks: dict[str, Callable[[], object]] = {
            "tags": lambda: source.tags(IMAGE),
            "manifest": lambda: source.manifest(IMAGE, "v1"),
            "layer": lambda: read_layer(source, REQUEST),
        }
        with pytest.raises(MismatchError, match="compressed in transit") as caught:
            asks[what]()
    assert "gzip off" in (caught.value.hint or "")


def test_a_store_may_name_a_layers_own_compression() -> None:
    with asking(lambda _: Answer(200, LAYER, {"Content-Encoding": "gzip"})) as (_, registry):
        assert read_layer(RegistrySource(registry), REQUEST) == LAYER

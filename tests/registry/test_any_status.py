"""Every status at every route of a proxy and a registry: the right answer or a named error, never a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import D8Error
from d8_installer.model.platform import Platform
from d8_installer.model.source import LayerRequest
from d8_installer.registry.client import ClientOptions
from d8_installer.registry.endpoint import Endpoint
from d8_installer.registry.oci_push import RegistryDestination
from d8_installer.registry.oci_registry import Registry, RegistrySource
from d8_installer.registry.retry import RetryPolicy
from d8_installer.registry.rpp import RppSource
from tests.registry.clients import connected
from tests.registry.servers import Answer, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from d8_installer.model.source import Source
    from d8_installer.registry.client import Client
    from tests.registry.servers import Received

from d8_installer.model.digest import Digest

IMAGE = "deckhouse-cli/plugins/tool"
BODY = b"a layer"
OPTIONS = ClientOptions(read_timeout=1, retry=RetryPolicy(tries=1))
REQUEST = LayerRequest(
    image=IMAGE,
    tag="v1",
    platform=Platform("linux", "amd64"),
    index=Digest.of(b"i"),
    child=Digest.of(b"c"),
    layer=Digest.of(BODY),
    size=len(BODY),
)
STATUSES = [
    *(101, 199, *range(201, 209), 226, *range(300, 309), *range(400, 432), 451, 499),
    *(*range(500, 512), 599, 600, 999),
]
HEADERS: list[dict[str, str]] = [{}, {"Location": "/v2/elsewhere"}, {"Location": "file:///etc/passwd"}]


def _read_layer(source: Source) -> None:
    with source.layer(REQUEST) as body:
        b"".join(body)


READS: dict[str, Callable[[Source], object]] = {
    "tags": lambda source: source.tags(IMAGE),
    "manifest": lambda source: source.manifest(IMAGE, "v1"),
    "layer": _read_layer,
}


def answers() -> Iterator[Answer]:
    for status in STATUSES:
        for headers in HEADERS if 300 <= status < 400 else HEADERS[:1]:
            yield Answer(status, b"" if status in (204, 205, 304) or status < 200 else b'{"tags": ["v1"]}', headers)


def check_all(open_it: Callable[[str, Client], object], act: Callable[..., object]) -> None:
    now = [Answer()]

    def answer(_: Received) -> Answer:
        return now[0]

    refused = []
    with serving(answer) as server, connected(OPTIONS) as client:
        opened = open_it(server.url, client)
        for now[0] in answers():
            try:
                act(opened)
            except D8Error as error:
                refused.append(error.hint is not None)
    assert refused == [True] * len(list(answers()))


@pytest.mark.parametrize("route", READS)
def test_a_proxy(route: str) -> None:
    check_all(lambda url, client: RppSource(Endpoint.parse(url), client), READS[route])


@pytest.mark.parametrize("route", READS)
def test_a_registry(route: str) -> None:
    check_all(lambda url, client: RegistrySource(_registry(url, client)), READS[route])


def test_an_upload() -> None:
    def put(destination: RegistryDestination) -> None:
        import io

        destination.put_blob(IMAGE, REQUEST.layer, len(BODY), lambda: io.BytesIO(BODY))

    check_all(lambda url, client: RegistryDestination(_registry(url, client)), put)


def _registry(url: str, client: Client) -> Registry:
    return Registry(url.replace("http:", "oci:") + "/root", client, {})

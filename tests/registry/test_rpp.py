"""Images through a registry-packages-proxy: a small one that follows rpp.md §2, and ones that do not."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from d8_installer.errors import D8Error, MismatchError, NotAllowedError, NotFoundError, TryAgainError, UnreachableError
from d8_installer.model.identity import Identity
from d8_installer.model.platform import Platform
from d8_installer.plugin.records import Access
from d8_installer.plugin.schemes import open_source
from d8_installer.registry.client import Client, ClientOptions, OriginIdentity
from d8_installer.registry.endpoint import Endpoint
from d8_installer.registry.origin import Origin
from d8_installer.registry.retry import RetryPolicy
from d8_installer.registry.rpp import RppSource
from d8_installer.testing.contract import PLATFORMS, Sample, SourceContract, read_layer
from d8_installer.testing.faults import fault_server
from d8_installer.testing.memory import MemorySource
from tests.registry.servers import Answer, Received, cut, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from d8_installer.model.source import Source

STOCK_404 = Answer(404, b"404 page not found\n")


def no_wait(seconds: float) -> None:
    """Do not wait between tries."""


@contextmanager
def asking(answer: Callable[[Received], Answer], token: str | None = None) -> Iterator[RppSource]:
    """A source whose proxy answers so; three tries, without waiting."""
    with serving(answer) as server:
        bearer = None if token is None else OriginIdentity(Origin.parse(server.url), lambda: Identity(token=token))
        client = Client(ClientOptions(retry=RetryPolicy(tries=3), wait=no_wait), bearer)
        source = RppSource(Endpoint.parse(f"{server.url}/prefix/"), client)
        yield source
        source.close()


def proxy_of(sample: Sample) -> Callable[[Received], Answer]:
    """What rpp.md §2 answers for one sample."""
    manifests = {str(one.digest): one for one in (sample.index, *sample.children.values())}
    manifests |= {sample.tag: sample.index, sample.single_tag: sample.single}

    def answer(received: Received) -> Answer:
        parts = urlsplit(received.path)
        asked = parts.path.removeprefix("/prefix/v1/images/")
        rest = asked.removeprefix(sample.image)
        if rest == asked or received.method != "GET":
            return Answer(404, b"image not found\n" if parts.path.endswith("/tags") else b"manifest not found\n")
        _, action, *ref = rest.split("/")
        if action == "tags":
            return Answer.json({"name": sample.image, "tags": [sample.tag, sample.single_tag, "v0-junk.att"]})
        if action == "manifests":
            found = manifests.get(ref[0])
            headers = {"Content-Type": found.media_type} if found else {}
            return Answer(200, found.raw, headers) if found else Answer(404, b"manifest not found\n")
        return layer_of(ref[0], parse_qs(parts.query).get("platform", [""])[0])

    def layer_of(tag: str, platform: str) -> Answer:
        wanted = PLATFORMS[0] if tag == sample.single_tag else Platform.parse(platform)
        etag = f'"{sample.children[wanted].digest}"'
        return Answer(200, sample.layers[wanted], {"ETag": etag, "Content-Type": "application/x-gzip"})

    return answer


@pytest.fixture
def sample() -> Sample:
    return Sample.make("proxied")


class TestContract(SourceContract):
    @pytest.fixture
    def source(self, sample: Sample) -> Iterator[Source]:
        with asking(proxy_of(sample)) as source:
            yield source


def test_the_token_and_the_types_are_sent(sample: Sample) -> None:
    received: list[Received] = []

    def answer(one: Received) -> Answer:
        received.append(one)
        return proxy_of(sample)(one)

    with asking(answer, "t0ken") as source:
        source.manifest(sample.image, sample.tag)
        read_layer(source, sample.request(PLATFORMS[1]))
        assert "t0ken" not in f"{source!r} {source.name}"
    assert [one.headers["authorization"] for one in received] == ["Bearer t0ken"] * 2
    assert received[0].path == f"/prefix/v1/images/{sample.image}/manifests/{sample.tag}"
    assert "application/vnd.oci.image.index.v1+json" in received[0].headers["accept"]
    assert received[1].path == f"/prefix/v1/images/{sample.image}/images/{sample.tag}?platform=linux-arm64"


def test_a_proxy_without_the_manifest_route_is_refused(sample: Sample) -> None:
    with asking(lambda _: STOCK_404) as source, pytest.raises(UnreachableError, match="too old") as caught:
        source.manifest(sample.image, sample.tag)
    assert "1.77" in (caught.value.hint or "")


def test_a_missing_manifest_is_not_an_old_proxy(sample: Sample) -> None:
    with asking(lambda _: Answer(404, b"manifest not found\n")) as source:
        with pytest.raises(NotFoundError) as caught:
            source.manifest(sample.image, sample.tag)
        assert "too old" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(401, b"Unauthorized"), NotAllowedError),
        (Answer(403, b"Forbidden (user=x)"), NotAllowedError),
        (Answer(404), NotFoundError),
        (Answer(302, headers={"Location": "https://login.example/"}), UnreachableError),
        (Answer(400, b"invalid platform\n"), UnreachableError),
        (Answer(429), TryAgainError),
        (Answer(502, b"failed to fetch package\n"), TryAgainError),
    ],
)
def test_statuses_mean_what_the_protocol_says(sample: Sample, answer: Answer, kind: type[D8Error]) -> None:
    def worded(received: Received) -> Answer:
        kinds = {"tags": b"image", "manifests/v1": b"manifest"}
        what = next((kind for end, kind in kinds.items() if received.path.endswith(end)), b"version")
        return replace(answer, body=what + b" not found\n") if answer.status == 404 else answer

    with asking(worded) as source:
        for ask in (
            lambda: source.tags(sample.image),
            lambda: source.manifest(sample.image, "v1"),
            lambda: read_layer(source, sample.request(PLATFORMS[0])),
        ):
            with pytest.raises(kind) as caught:
                ask()
            assert caught.value.hint


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"tags": {}}', b'{"tags": [1]}'])
def test_a_login_page_is_no_list_of_tags(sample: Sample, body: bytes) -> None:
    with asking(lambda _: Answer(200, body)) as source, pytest.raises(MismatchError):
        source.tags(sample.image)


def test_a_huge_answer_is_refused(sample: Sample) -> None:
    with asking(lambda _: Answer(200, b" " * ((4 << 20) + 1))) as source:
        with pytest.raises(MismatchError):
            source.tags(sample.image)
        with pytest.raises(MismatchError):
            source.manifest(sample.image, "v1")


def entered(source: RppSource, sample: Sample) -> bool:
    """Whether the layer's context was entered, so that a body could have been read."""
    with source.layer(sample.request(PLATFORMS[0])):
        return True


@pytest.mark.parametrize("strong", [True, False])
def test_only_a_strong_etag_is_judged(sample: Sample, strong: bool) -> None:
    etag = f'"sha256:{"0" * 64}"'
    headers = {"ETag": etag if strong else f"W/{etag}"}
    with asking(lambda _: Answer(200, sample.layers[PLATFORMS[0]], headers)) as source:
        if strong:
            with pytest.raises(MismatchError, match="the tag moved"):
                entered(source, sample)
        else:
            assert entered(source, sample)


def test_a_proxy_that_ignores_the_platform_is_told_by_its_etag(sample: Sample) -> None:
    headers = {"ETag": f'"{sample.index.digest}"'}
    with asking(lambda _: Answer(200, b"x", headers)) as source, pytest.raises(MismatchError, match="ignores platform"):
        entered(source, sample)


def test_another_length_ends_it_before_the_body(sample: Sample) -> None:
    with asking(lambda _: Answer(200, b"x" * 77)) as source, pytest.raises(MismatchError, match="77 bytes"):
        entered(source, sample)


def test_a_cut_layer_is_try_again(sample: Sample) -> None:
    request = sample.request(PLATFORMS[0])
    broken = pytest.raises(TryAgainError, match=f"99 of {request.size} bytes")
    with asking(lambda _: cut(request.size, b"x" * 99)) as source, broken:
        read_layer(source, request)


def test_a_passing_fault_is_not_seen(sample: Sample) -> None:
    faults, good = [Answer(503), Answer(raw=b"")], proxy_of(sample)

    def answer(received: Received) -> Answer:
        return faults.pop() if faults else good(received)

    with asking(answer) as source:
        assert read_layer(source, sample.request(PLATFORMS[0])) == sample.layers[PLATFORMS[0]]


def test_a_document_of_another_kind_comes_verbatim() -> None:
    raw = json.dumps({"any": "thing"}).encode()
    with asking(lambda _: Answer(200, raw, {"Content-Type": "application/json; charset=utf-8"})) as source:
        got = source.manifest("deckhouse-cli", "v1")
    assert (got.raw, got.media_type) == (raw, "application/json")


def test_a_manifest_that_came_is_not_asked_for_again() -> None:
    """A lock's manifests prove the chain of the fetch that follows; a tag is asked for each time."""
    sample, memory = Sample.make("asked-once", size=500), MemorySource()
    sample.publish(memory)
    with fault_server(memory) as proxy:
        source = open_source(proxy.url, Access(tries=1))
        for ref in (sample.tag, sample.tag, str(sample.index.digest), *(2 * [str(sample.single.digest)])):
            assert source.manifest(sample.image, ref).raw in (sample.index.raw, sample.single.raw)
        source.close()
        assert (len(proxy.seen("index")), len(proxy.seen("child"))) == (2, 1)


def test_an_error_shows_the_whole_path(sample: Sample) -> None:
    """The endpoint's own path too."""
    with asking(lambda _: Answer(400, b"what is this?\n")) as source, pytest.raises(UnreachableError) as caught:
        read_layer(source, sample.request(PLATFORMS[0]))
    assert f"/prefix/v1/images/{sample.image}/images/{sample.tag}" in caught.value.message

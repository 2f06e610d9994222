"""OCI registries: Debian's own for what is right, small servers for what is not."""

from __future__ import annotations

import io
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trustme

from d8_installer.errors import (
    ConfigError,
    D8Error,
    MismatchError,
    NotAllowedError,
    NotFoundError,
    TryAgainError,
    UnreachableError,
)
from d8_installer.model import value as structs
from d8_installer.model.digest import Digest
from d8_installer.registry.oci_push import RegistryDestination
from d8_installer.registry.oci_registry import RegistrySource
from d8_installer.testing.contract import PLATFORMS, Sample, SourceContract, read_layer
from d8_installer.testing.docker_registry import PASSWORD
from d8_installer.testing.memory import image_manifest
from tests.registry.registries import BASIC, asking, logged_in, opened
from tests.registry.servers import Answer, Received, cut, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from d8_installer.model.source import Source
    from d8_installer.testing.docker_registry import RunningRegistry

IMAGE = "deckhouse-cli/plugins/x"
PUBLISHED = Sample.make("distribution")


@pytest.mark.registry
class TestContract(SourceContract):
    @pytest.fixture
    def sample(self) -> Sample:
        return PUBLISHED

    @pytest.fixture
    def source(self, registry: RunningRegistry, sample: Sample) -> Iterator[Source]:
        with opened(f"{registry.url}/some/root") as opened_registry:
            sample.publish(RegistryDestination(opened_registry))
            yield RegistrySource(opened_registry)


@pytest.mark.registry
class TestContractWithPassword(SourceContract):
    @pytest.fixture
    def sample(self) -> Sample:
        return PUBLISHED

    @pytest.fixture
    def source(self, locked_registry: RunningRegistry, sample: Sample, tmp_path: Path) -> Iterator[Source]:
        env = logged_in(tmp_path, locked_registry.host)
        with opened(locked_registry.url, env) as registry:
            sample.publish(RegistryDestination(registry))
            source = RegistrySource(registry)
            assert PASSWORD not in f"{source!r} {source.name} {registry!r}"
            yield source


@pytest.mark.registry
def test_without_the_password_nothing_goes(locked_registry: RunningRegistry) -> None:
    with opened(locked_registry.url) as registry:
        for ask in (
            lambda: RegistrySource(registry).tags(IMAGE),
            lambda: RegistryDestination(registry).put_manifest(IMAGE, "v1", image_manifest([])),
            lambda: RegistryDestination(registry).tag_digest(IMAGE, "v1"),
        ):
            with pytest.raises(NotAllowedError, match=locked_registry.host) as caught:
                ask()
            assert "docker login" in (caught.value.hint or "")


@pytest.mark.registry
def test_a_destination_knows_what_it_has(registry: RunningRegistry) -> None:
    sample = Sample.make("known", size=1000)
    with opened(registry.url) as opened_registry:
        destination = RegistryDestination(opened_registry)
        layer = sample.layers[PLATFORMS[0]]
        assert destination.tag_digest(sample.image, sample.tag) is None
        assert not destination.has_blob(sample.image, Digest.of(layer))
        for _ in range(2):
            sample.publish(destination)
            assert destination.tag_digest(sample.image, sample.tag) == sample.index.digest
            assert destination.has_blob(sample.image, Digest.of(layer))


@pytest.mark.registry
def test_wrong_bytes_are_refused_by_the_registry(registry: RunningRegistry) -> None:
    with opened(registry.url) as opened_registry:
        destination = RegistryDestination(opened_registry)
        with pytest.raises(MismatchError, match="DIGEST_INVALID"):
            destination.put_blob("wrong", Digest.of(b"other"), 5, lambda: io.BytesIO(b"right"))
        with pytest.raises(MismatchError, match="MANIFEST_BLOB_UNKNOWN"):
            destination.put_manifest("wrong", "v1", image_manifest([b"not uploaded"]))
        for size in (4, 6):
            with pytest.raises(MismatchError, match="another length"):
                destination.put_blob("wrong", Digest.of(b"right"), size, lambda: io.BytesIO(b"right"))


@pytest.mark.registry
def test_many_tags_come_in_pages(registry: RunningRegistry) -> None:
    with opened(registry.url) as opened_registry:
        destination, manifest = RegistryDestination(opened_registry), image_manifest([])
        destination.put_blob("paged", Digest.of(b"{}"), 2, lambda: io.BytesIO(b"{}"))
        for number in range(7):
            destination.put_manifest("paged", f"v{number}", manifest)
        assert sorted(RegistrySource(opened_registry).tags("paged")) == [f"v{number}" for number in range(7)]


# -- addresses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["oci://", "oci:///x", "oci://host/UPPER", "oci://host/../x", "oci://u:hunter2@host/x", "oci://host/x?y", "oci:x"],
)
def test_a_malformed_address_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigError) as caught, opened(url):
        pass
    assert "oci://host" in (caught.value.hint or "")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("oci://127.0.0.1:5000/a/b", "http://127.0.0.1:5000/v2/a/b/x/tags"),
        ("oci://localhost/a/", "http://localhost/v2/a/x/tags"),
        ("oci://[::1]:5000", "http://[::1]:5000/v2/x/tags"),
        ("oci://registry.example/a__b", "https://registry.example/v2/a__b/x/tags"),
        ("oci://10.0.0.1:5000/a", "https://10.0.0.1:5000/v2/a/x/tags"),
        ("oci://docker.io/library", "https://registry-1.docker.io/v2/library/x/tags"),
        ("oci://index.docker.io", "https://registry-1.docker.io/v2/library/x/tags"),
        ("oci+https://localhost:18443/a", "https://localhost:18443/v2/a/x/tags"),
        ("oci+https://registry.example/a", "https://registry.example/v2/a/x/tags"),
        ("oci+http://127.0.0.1/a", "http://127.0.0.1/v2/a/x/tags"),
        ("oci://Registry_1.Example:5000/a", "https://registry_1.example:5000/v2/a/x/tags"),
    ],
)
def test_only_this_machine_is_spoken_to_plainly(url: str, base: str) -> None:
    with opened(url) as registry:
        assert registry.call("GET", "x", "tags").url == base


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("oci+http://registry.example/a", "write oci+https://registry.example/a"),
        ("oci://registry.example/Team", "oci://registry.example/team"),
        ("oci+ftp://registry.example/a", "oci://host[:port]/repository"),
        ("oci+http:registry.example/a", "oci://host[:port]/repository"),
    ],
)
def test_the_hint_says_how_an_address_is_written(url: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught, opened(url):
        pass
    assert hint in (caught.value.hint or "")


# -- tags ------------------------------------------------------------------------------------------------


def test_pages_are_followed_to_the_end() -> None:
    def answer(received: Received) -> Answer:
        page = int(received.path.partition("page=")[2] or 0)
        link = {"Link": f'</v2/root/{IMAGE}/tags/list?n=1000&page={page + 1}>; rel="next"'} if page < 3 else {}
        return replace(Answer.json({"tags": [f"v{page}"]}), headers=link)

    with asking(answer) as (server, registry):
        assert list(RegistrySource(registry).tags(IMAGE)) == ["v0", "v1", "v2", "v3"]
        assert server.paths[0] == f"/v2/root/{IMAGE}/tags/list?n=1000"


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example:1", "http://user:word@x", ""])
def test_a_page_elsewhere_is_looked_for_here(elsewhere: str) -> None:
    def answer(received: Received) -> Answer:
        link = {} if "last=v1" in received.path else {"Link": f'<{elsewhere}/v2/x?last=v1#y>; rel="next"'}
        return replace(Answer.json({"tags": ["v2" if "last=v1" in received.path else "v1"]}), headers=link)

    with asking(answer) as (server, registry):
        assert list(RegistrySource(registry).tags(IMAGE)) == ["v1", "v2"]
        assert server.paths[1:] == ["/v2/x?last=v1"]


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ('<?n=1000>; rel="next"', "form a loop"),
        ('<http://[::1/>; rel="next"', "no usable address"),
        ('<a b>; rel="next"', "no usable address"),
        ('/v2/x; rel="next"', "cannot be read"),
        ('</v2/x; rel="next"', "cannot be read"),
        ('</v2/x>; rel="next', "cannot be read"),
    ],
)
def test_a_page_that_cannot_be_found_is_not_the_last(link: str, says: str) -> None:
    answer = replace(Answer.json({"tags": ["v1"]}), headers={"Link": link})
    with asking(lambda _: answer) as (server, registry):
        with pytest.raises(MismatchError, match=says):
            RegistrySource(registry).tags(IMAGE)
        assert len(server.received) == 1


def test_pages_that_form_a_loop_are_refused() -> None:
    def answer(received: Received) -> Answer:
        link = {"Link": f'</v2/x?page={len(received.path) % 2}{"1" * (len(received.path) % 2)}>; rel="next"'}
        return replace(Answer.json({"tags": ["v1"]}), headers=link)

    with asking(answer) as (server, registry), pytest.raises(MismatchError, match="form a loop"):
        RegistrySource(registry).tags(IMAGE)
    assert len(server.received) < 5


def test_pages_without_end_are_refused() -> None:
    def answer(received: Received) -> Answer:
        link = {"Link": f'<{received.path}1>; rel="next"'}
        return replace(Answer.json({"tags": ["v"] * 30_000}), headers=link)

    with asking(answer) as (server, registry), pytest.raises(MismatchError, match="more than"):
        RegistrySource(registry).tags(IMAGE)
    assert len(server.received) == 4


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"tags": "v1"}', b'{"tags": [1]}'])
def test_what_is_no_list_of_tags(body: bytes) -> None:
    with asking(lambda _: Answer(200, body)) as (_, registry), pytest.raises(MismatchError):
        RegistrySource(registry).tags(IMAGE)


def test_no_tags_are_none() -> None:
    with asking(lambda _: Answer(200, b'{"name": "x", "tags": null}')) as (_, registry):
        assert list(RegistrySource(registry).tags(IMAGE)) == []


# -- statuses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(403, b'{"errors":[{"code":"DENIED","message":"no\\u001b[31m way"}]}'), NotAllowedError),
        (Answer(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}'), NotFoundError),
        (Answer(429, b"slow down"), TryAgainError),
        (Answer(500, b'{"errors":[]}'), TryAgainError),
        (Answer(502, b'{"errors":[7]}'), TryAgainError),
        (Answer(301, headers={"Location": "/x"}), UnreachableError),
        (Answer(418, b"teapot"), UnreachableError),
    ],
)
def test_statuses_of_a_manifest(answer: Answer, kind: type[D8Error]) -> None:
    with asking(lambda _: answer) as (server, registry), pytest.raises(kind, match=server.host) as caught:
        RegistrySource(registry).manifest(IMAGE, "v1")
    assert caught.value.hint
    assert str(caught.value).isprintable()


def test_a_huge_manifest_is_refused() -> None:
    with asking(lambda _: Answer(200, b" " * ((1 << 20) + 1))) as (_, registry), pytest.raises(MismatchError):
        RegistrySource(registry).manifest(IMAGE, "v1")


# -- blobs and redirects ---------------------------------------------------------------------------------

SAMPLE = Sample.make("blobs", size=5000)
REQUEST = SAMPLE.request(PLATFORMS[0])
LAYER = SAMPLE.layers[PLATFORMS[0]]


def to(url: str) -> Answer:
    return Answer(307, headers={"Location": url})


def test_a_blob_may_lie_elsewhere_and_sees_no_credentials(tmp_path: Path) -> None:
    with serving(lambda _: Answer(200, LAYER)) as store:

        def answer(received: Received) -> Answer:
            if "authorization" not in received.headers:
                return Answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
            return to(f"{store.url}/blob?signature=x") if received.path.endswith("/moved") else to("/moved")

        with serving(answer) as server:
            env = logged_in(tmp_path, server.host, store.host)
            with opened(f"oci://{server.host}/root", env) as registry:
                assert read_layer(RegistrySource(registry), REQUEST) == LAYER
        assert [one.headers.get("authorization") for one in server.received] == [None, BASIC, BASIC]
        assert "authorization" not in store.received[0].headers


@pytest.mark.parametrize("refusal", [403, 405])
def test_a_size_is_told_where_a_signed_link_allows_no_head(refusal: int) -> None:
    """Then a GET is ended after its headers: the store's body never comes to an end."""
    with serving(lambda one: Answer(refusal if one.method == "HEAD" else 200, LAYER)) as store:
        with asking(lambda _: to(f"{store.url}/blob")) as (server, registry):
            assert RegistrySource(registry).layer_size(REQUEST) == REQUEST.size
        assert [one.method for one in server.received] == ["HEAD", "GET"]
    with asking(lambda _: Answer(404)) as (server, registry):
        with pytest.raises(NotFoundError):
            RegistrySource(registry).layer_size(REQUEST)
        assert [one.method for one in server.received] == ["HEAD"]


def test_an_authorization_is_sent_at_once_the_next_time(tmp_path: Path) -> None:
    def answer(received: Received) -> Answer:
        known = "authorization" in received.headers
        return Answer(200, LAYER) if known else Answer(401, headers={"WWW-Authenticate": "Basic"})

    with serving(answer) as server, opened(f"oci://{server.host}", logged_in(tmp_path, server.host)) as registry:
        for _ in range(3):
            assert read_layer(RegistrySource(registry), REQUEST) == LAYER
        assert len(server.received) == 4


@pytest.mark.parametrize(("hops", "good"), [(3, True), (4, False)])
def test_three_redirects_and_no_more(hops: int, good: bool) -> None:
    def answer(received: Received) -> Answer:
        done = int(received.path.rpartition("hop=")[2] if "hop=" in received.path else 0)
        return Answer(200, LAYER) if done == hops else to(f"/x?hop={done + 1}")

    with asking(answer) as (_, registry):
        if good:
            assert read_layer(RegistrySource(registry), REQUEST) == LAYER
        else:
            with pytest.raises(UnreachableError):
                read_layer(RegistrySource(registry), REQUEST)


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("http://store.example/blob", NotAllowedError),
        ("http://user:pw@127.0.0.1/blob", MismatchError),
        ("file:///etc/passwd", MismatchError),
        ("", UnreachableError),
        ("https://[::1/", MismatchError),
    ],
)
def test_a_redirect_leads_to_https_or_nowhere(location: str, kind: type[D8Error]) -> None:
    with asking(lambda _: to(location)) as (_, registry), pytest.raises(kind) as caught:
        read_layer(RegistrySource(registry), REQUEST)
    assert "pw" not in str(caught.value)


def test_a_remote_registry_cannot_lead_into_this_machine() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with (
        serving(lambda _: Answer(200, b"internal")) as internal,
        serving(lambda _: Answer(200, headers={"Location": internal.url}), context) as server,
    ):
        with opened("oci+https://localhost/x") as registry:
            stream_url = "https://registry.example/v2/x"
            call = structs.replace(registry.call("GET", "x", "y"), url=server.url)
            with registry.exchange(call) as stream, pytest.raises(NotAllowedError):
                registry.leads_to(stream_url, stream)
        assert internal.received == []


def test_another_size_ends_it_before_the_body() -> None:
    with asking(lambda _: Answer(200, b"x" * 77)) as (_, registry), pytest.raises(MismatchError, match="77 bytes"):
        read_layer(RegistrySource(registry), REQUEST)


def test_a_cut_blob_is_try_again() -> None:
    broken = pytest.raises(TryAgainError, match=f"99 of {REQUEST.size}")
    with asking(lambda _: cut(REQUEST.size, b"x" * 99)) as (_, registry), broken:
        read_layer(RegistrySource(registry), REQUEST)

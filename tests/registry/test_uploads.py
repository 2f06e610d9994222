"""What is written to a registry, and what happens when it is not taken."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import (
    D8Error,
    MismatchError,
    NotAllowedError,
    TryAgainError,
)
from d8_installer.model.digest import Digest
from d8_installer.registry.oci_push import RegistryDestination
from d8_installer.testing.memory import image_manifest
from tests.registry.registries import asking, logged_in, opened
from tests.registry.servers import DROPPED, Answer, Received, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from d8_installer.registry.oci_registry import Registry


IMAGE = "deckhouse-cli/plugins/x"
LAYER = b"a layer " * 1000


def uploading(location: str, *puts: Answer) -> Callable[[Received], Answer]:
    rest = list(puts)

    def answer(received: Received) -> Answer:
        if received.method == "POST":
            return Answer(202, headers={"Location": location})
        return rest.pop(0) if rest else Answer(201)

    return answer


def put(registry: Registry) -> None:
    RegistryDestination(registry).put_blob(IMAGE, Digest.of(LAYER), len(LAYER), lambda: io.BytesIO(LAYER))


@pytest.mark.parametrize(("location", "query"), [("/up?state=a", "?state=a&digest="), ("/up", "?digest=")])
def test_an_upload_is_one_post_and_one_put(location: str, query: str) -> None:
    with asking(uploading(location)) as (server, registry):
        put(registry)
        begun, sent = server.received
    assert (begun.method, begun.path) == ("POST", f"/v2/root/{IMAGE}/blobs/uploads/")
    assert (sent.method, sent.path, sent.body) == ("PUT", f"/up{query}{Digest.of(LAYER)}", LAYER)


@pytest.mark.parametrize("fault", [Answer(503), Answer(429), DROPPED])
def test_a_broken_upload_begins_anew(fault: Answer) -> None:
    with asking(uploading("/up", fault, fault)) as (server, registry):
        put(registry)
        assert [one.method for one in server.received] == ["POST", "PUT"] * 3
        assert server.received[-1].body == LAYER


def test_an_upload_that_stays_broken_is_try_again() -> None:
    with asking(uploading("/up", *[Answer(503)] * 9)) as (server, registry):
        with pytest.raises(TryAgainError):
            put(registry)
        assert [one.method for one in server.received] == ["POST", "PUT"] * 3


def test_an_upload_elsewhere_sees_no_credentials(tmp_path: Path) -> None:
    def answer(received: Received) -> Answer:
        if "authorization" not in received.headers:
            return Answer(401, headers={"WWW-Authenticate": "Basic"})
        return Answer(202, headers={"Location": f"{store.url}/up"})

    with serving(lambda _: Answer(201)) as store, serving(answer) as server:
        env = logged_in(tmp_path, server.host, store.host)
        with opened(f"oci://{server.host}", env) as registry:
            put(registry)
        assert store.received[0].body == LAYER
        assert "authorization" not in store.received[0].headers


@pytest.mark.parametrize(
    ("location", "kind"), [("http://store.example/up", NotAllowedError), ("ftp://127.0.0.1/up", MismatchError)]
)
def test_an_upload_in_plain_text_is_refused(location: str, kind: type[D8Error]) -> None:
    with asking(uploading(location)) as (server, registry):
        with pytest.raises(kind):
            put(registry)
        assert [one.method for one in server.received] == ["POST"]


def test_a_registry_that_renames_a_manifest_is_caught() -> None:
    answer = Answer(201, headers={"Docker-Content-Digest": str(Digest.of(b"other"))})
    with asking(lambda _: answer) as (_, registry), pytest.raises(MismatchError):
        RegistryDestination(registry).put_manifest(IMAGE, "v1", image_manifest([]))


def test_a_tags_digest_is_computed_where_none_is_given() -> None:
    manifest = image_manifest([])
    with asking(lambda _: Answer(200, manifest.raw, {"Content-Type": manifest.media_type})) as (_, registry):
        assert RegistryDestination(registry).tag_digest(IMAGE, "v1") == manifest.digest

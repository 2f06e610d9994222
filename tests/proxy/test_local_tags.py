"""A layout says at once what its tags mean, so their manifests come from memory; and never an old one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import NotFoundError
from d8_installer.proxy.app import ProxyApp
from d8_installer.proxy.cache import LayerCache
from d8_installer.proxy.handler import Handler
from d8_installer.proxy.upstream import Upstream
from d8_installer.registry.oci_layout import LayoutSource
from tests.images import add_image, executables
from tests.proxy.asgi import ask_once

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = "deckhouse-cli/plugins/vault"


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "reg")


def test_a_tag_is_remembered_once_asked_and_a_moved_one_is_not_served_from_memory(root: str) -> None:
    first = add_image(root, "vault", "v1", executables("one"))
    upstream = Upstream(lambda: "oci-layout:x", lambda _: LayoutSource(root))
    assert upstream.remembered(IMAGE, "v1") is None
    assert upstream.manifest(IMAGE, "v1").digest == first
    known = upstream.remembered(IMAGE, "v1")
    assert known is not None
    assert known.digest == first
    second = add_image(root, "vault", "v1", executables("two"))
    assert upstream.remembered(IMAGE, "v1") is None
    assert upstream.manifest(IMAGE, "v1").digest == second
    add_image(root, "vault", "v1", executables("one"))
    again = upstream.remembered(IMAGE, "v1")
    assert again is not None
    assert again.digest == first


def test_what_is_not_there_is_left_to_the_full_question(root: str) -> None:
    add_image(root, "vault", "v1", executables("one"))
    upstream = Upstream(lambda: "oci-layout:x", lambda _: LayoutSource(root))
    upstream.manifest(IMAGE, "v1")
    assert upstream.remembered(IMAGE, "v2") is None
    assert upstream.remembered("deckhouse-cli/plugins/other", "v1") is None
    with pytest.raises(NotFoundError):
        upstream.manifest(IMAGE, "v2")


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="the system cannot say what is in memory")
def test_a_layer_that_was_served_before_needs_no_thread(root: str, tmp_path: Path) -> None:
    add_image(root, "vault", "v1", executables("one"))
    cache = LayerCache(str(tmp_path / "cache"), 1 << 20)
    handler = Handler(Upstream(lambda: "oci-layout:x", lambda _: LayoutSource(root)), cache)
    target = f"/v1/images/{IMAGE}/images/v1?platform=linux-amd64"
    first = ask_once(ProxyApp(handler), target)
    assert first.status == 200
    handler.close()  # the threads end, and no new ones are started
    again = ask_once(ProxyApp(handler), target)
    assert (again.whole, again.body, again.headers) == (True, first.body, first.headers)


def test_a_moved_tag_is_served_at_once_and_a_changed_blob_is_not_served(root: str, tmp_path: Path) -> None:
    add_image(root, "vault", "v1", executables("one"))
    cache = LayerCache(str(tmp_path / "cache"), 1 << 20)
    handler = Handler(Upstream(lambda: "oci-layout:x", lambda _: LayoutSource(root)), cache)
    target = f"/v1/images/{IMAGE}/images/v1?platform=linux-amd64"
    first = [ask_once(ProxyApp(handler), target).body for _ in range(2)]
    add_image(root, "vault", "v1", executables("two"))
    second = [ask_once(ProxyApp(handler), target).body for _ in range(2)]
    assert first[0] == first[1] != second[0] == second[1]
    for blob in (tmp_path / "reg").rglob("blobs/sha256/*"):
        if blob.read_bytes() == second[0]:
            blob.chmod(0o644)
            blob.write_bytes(b"x" * len(second[0]))
    assert ask_once(ProxyApp(handler), target).status == 502
    handler.close()

"""A layout says at once what its tags mean, so their manifests come from memory; and never an old one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import NotFoundError
from d8_installer.proxy.upstream import Upstream
from d8_installer.registry.oci_layout import LayoutSource
from tests.images import add_image, executables

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

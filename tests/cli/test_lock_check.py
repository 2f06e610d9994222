"""``lock --check``: what is proven, what is found wrong, and that nothing is written."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests import images
from tests.cli.locking import NOWHERE, Project, a_project, everything
from tests.cli.test_json import envelope

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return a_project(tmp_path)


# -- --check -----------------------------------------------------------------------------------------------------


def test_check_writes_nothing_whatever_it_finds(project: Project) -> None:
    project.wants("stronghold", "vault ~1.0")
    project.ok("lock")
    shutil.rmtree(project.home / ".local")
    for entries, code in ((("stronghold", "vault ~1.0"), 0), (("stronghold <1", "vault"), 65)):
        project.wants(*entries)
        before = everything(project.home)
        project.ends(code, "lock", "--check")
        project.ends(code, "--offline", "lock", "--check")
        assert everything(project.home) == before
    project.lock.unlink()
    before = everything(project.home)
    assert "is missing" in project.fails(65, "lock", "--check").err
    assert everything(project.home) == before


@pytest.mark.skipif(os.name == "nt", reason="mode bits")
def test_check_needs_no_home_that_can_be_written(project: Project) -> None:
    project.wants("stronghold")
    project.ok("sync")
    before = everything(project.home)
    assert project.ok("lock", "--check").out.endswith("(1 image)\n")
    assert everything(project.home) == before


def test_check_says_image_by_image_what_differs(project: Project) -> None:
    project.wants("stronghold", "vault ~1.0")
    project.ok("lock")
    image = project.locked().images[0]
    project.wants("stronghold <1", "ruff ^2")
    done = project.fails(65, "lock", "--check")
    line = dict(image.requests)["d8.toml"]
    assert "stronghold is locked at v1.1.0, which d8.toml (<1) does not allow\n" in done.out
    assert f"  the request of d8.toml: locked {line}, wanted <1 (sha256:" in done.out
    assert "  the version: locked v1.1.0, wanted <1 of d8.toml\n" in done.out
    assert "  the request of d8.toml: locked nothing, wanted ^2\n" in done.out
    assert (
        "vault is locked and no requester here wants it\n  the version: locked v1.0.0 for d8.toml, wanted nothing"
        in done.out
    )
    assert "d8.lock is stale: ruff is wanted by d8.toml and not locked; stronghold is" in done.err
    document = envelope(project.fails(65, "--json", "lock", "--check"))
    assert document["status"] == "partial"
    found = {one["image"]: one["details"] for one in document["data"]["differences"]}
    assert sorted(found) == ["ruff", "stronghold", "vault"]
    assert {"what": "the version", "locked": "v1.1.0", "wanted": "<1 of d8.toml"} in found["stronghold"]
    assert document["data"]["proven"] is None


def test_check_proves_what_a_layout_holds_and_reads_no_layer(project: Project) -> None:
    project.wants("stronghold", "vault")
    project.ok("lock")
    builds = sum(len(image.platforms) for image in project.locked().images)
    document = envelope(project.ok("--json", "lock", "--check"))
    assert document["data"]["proven"] == builds
    assert document["data"]["differences"] == []
    layer = dict(project.locked().images[0].platforms)["linux-arm64"].layer
    blob = project.blob("stronghold", layer)
    flipped = bytearray(blob.read_bytes())
    flipped[20] ^= 1
    blob.write_bytes(flipped)
    project.ok("lock", "--check")  # its size is right; sync is who reads it


@pytest.mark.parametrize(
    ("part", "how", "code", "says"),
    [
        ("index", "gone", 69, "stronghold v1.1.0 (darwin-arm64, "),
        ("child", "gone", 69, "stronghold v1.1.0 for linux-arm64 is gone"),
        ("layer", "gone", 69, "stronghold v1.1.0 for linux-arm64 is gone"),
        ("index", "other", 76, "stronghold v1.1.0: sha256:"),
        ("child", "other", 76, "stronghold v1.1.0 for linux-arm64: sha256:"),
        ("layer", "other", 76, "stronghold v1.1.0 for linux-arm64: the layer sha256:"),
    ],
)
def test_check_names_what_a_layout_lost_or_changed(project: Project, part: str, how: str, code: int, says: str) -> None:
    project.wants("stronghold", "vault")
    project.ok("lock")
    image = project.locked().images[0]
    pin = dict(image.platforms)["linux-arm64"]
    blob = project.blob("stronghold", {"index": image.top, "child": pin.child, "layer": pin.layer}[part])
    blob.unlink() if how == "gone" else blob.write_bytes(blob.read_bytes() + b"\n")
    before = everything(project.home)
    done = project.ends(code, "lock", "--check")
    assert says in done.err
    assert everything(project.home) == before
    assert len(envelope(project.ends(code, "--json", "lock", "--check"))["errors"]) == 1
    project.ok("--offline", "lock", "--check")


def test_a_tag_that_moved_is_reported_where_all_is_found_by_digest_too(project: Project) -> None:
    """What was locked is placed all the same, with a line."""
    project.wants("stronghold")
    project.ok("lock")
    images.add_image(str(project.layout), "stronghold", "v1.1.0", images.executables("moved"))
    done = project.fails(76, "lock", "--check")
    assert "stronghold:v1.1.0 is sha256:" in done.err
    assert "--accept-moved stronghold:v1.1.0" in done.err
    placed = project.ok("sync", "--locked")
    assert sum("stronghold:v1.1.0" in line for line in placed.err.splitlines()) == 1


def test_check_changes_nothing_so_it_takes_no_option_that_would(project: Project) -> None:
    project.wants("stronghold")
    project.ok("lock")
    for more in (("--upgrade",), ("--upgrade-image", "stronghold"), ("--platform", "linux-amd64")):
        assert "--check changes nothing" in project.fails(2, "lock", "--check", *more).err


def test_check_offline_needs_no_source(project: Project) -> None:
    project.wants("stronghold")
    project.ok("lock")
    project.ok("--offline", "lock", "--check", endpoint=NOWHERE)
    assert "cannot connect" in project.fails(69, "lock", "--check", endpoint=NOWHERE).err

"""Contracts of placed images: stored at the switch, kept while needed, verified, put back, carried in bundles."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.contract import Contract
from d8_installer.model.digest import Digest
from d8_installer.model.lock import Lock
from d8_installer.model.value import replace
from d8_installer.registry.oci_layout import LayoutSource
from d8_installer.testing.faults import fault_server
from tests import images
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path

BETA = Contract(name="beta", version="v1.0.0", description="keeps secrets", kubernetes=">=1.28")
MANIFEST = 'schema = 1\n[[images]]\nname = "beta"\n'


class Owner(Person):
    """Somebody with a project whose lock has the contract of its image."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "home", directory / "registry")
        self.cwd = self.project(MANIFEST)

    def publish_beta(self, *, on_builds: bool = False) -> None:
        builds = images.executables("beta v1.0.0", images.host_platform(), "darwin-arm64")
        notes = {"contract": BETA.annotation()}
        where = ({}, notes) if on_builds else (notes, {})
        images.add_image(str(self.source), "beta", "v1.0.0", builds, *where)

    def lock_with(self, contract: Digest | None = None) -> None:
        """Lock the project; its entry says the contract that *contract* is the digest of, BETA if None."""
        self.ok("lock")
        path = self.cwd / "d8.lock"
        lock = Lock.parse(path.read_bytes(), "d8.lock")
        said = contract or Digest.of(BETA.render().encode())
        path.write_text(Lock.of(replace(image, contract=said) for image in lock.images).render())

    @property
    def stored(self) -> dict[str, str]:
        """The stored contracts by the names of their files."""
        return {path.name: path.read_text() for path in sorted((self.data / "store/contracts").glob("*"))}

    @property
    def file(self) -> Path:
        (path,) = (self.data / "store/contracts").iterdir()
        return path

    def top(self) -> str:
        (image,) = Lock.parse((self.cwd / "d8.lock").read_bytes(), "d8.lock").images
        return f"{image.top.hex}.json"


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner(tmp_path)


@pytest.fixture
def settled(owner: Owner) -> Owner:
    owner.publish_beta()
    owner.lock_with()
    owner.ok("sync", "--frozen")
    return owner


@pytest.mark.parametrize("on_builds", [False, True])
def test_a_contract_is_stored_as_the_go_tool_writes_it(owner: Owner, on_builds: bool) -> None:
    owner.publish_beta(on_builds=on_builds)
    owner.lock_with()
    owner.ok("sync", "--frozen")
    assert owner.stored == {owner.top(): BETA.render()}
    assert owner.ok("verify").code == 0


def test_another_contract_than_the_locked_one_stops_the_switch(owner: Owner) -> None:
    owner.publish_beta()
    owner.lock_with(Digest.of(b"another"))
    done = owner.fails(76, "sync", "--frozen")
    assert "beta v1.0.0" in done.err
    assert "carries another contract than the lock says" in done.err
    assert owner.stored == {}
    assert owner.has() == {}


def test_a_contract_that_went_missing_at_the_source_stops_the_switch(owner: Owner) -> None:
    owner.publish("beta", "v1.0.0")
    owner.lock_with()
    assert "carries no contract, and the lock has one" in owner.fails(76, "sync", "--frozen").err


def test_a_stored_contract_needs_no_source(settled: Owner) -> None:
    (settled.cwd / "again").mkdir()
    for name in ("d8.toml", "d8.lock"):
        shutil.copy(settled.cwd / name, settled.cwd / "again" / name)
    settled.ok("--offline", "sync", "--frozen", cwd="again")


def test_gc_keeps_what_a_generation_needs_and_removes_the_rest(settled: Owner) -> None:
    assert settled.json("gc")["removed"] == []
    assert len(settled.stored) == 1
    (settled.cwd / "d8.toml").write_text("schema = 1\n")
    settled.ok("sync")
    removed = settled.json("gc", "--keep", "1")["removed"]
    assert f"sha256:{(settled.stored and '') or removed[0]['name']}" is not None
    assert {one["kind"] for one in removed} == {"generation", "layer", "contract", "executable"}
    assert settled.stored == {}


def test_damage_is_found_and_put_back(settled: Owner) -> None:
    for damage in (b"", b"{}", settled.file.read_bytes() + b" "):
        settled.file.write_bytes(damage)
        (found,) = settled.json("verify", code=76)["findings"]
        assert (found["kind"], found["problem"]) == ("contract", "is not as it was written")
        settled.ok("verify", "--fix")
        assert settled.stored == {settled.top(): BETA.render()}
    path = settled.file
    path.unlink()
    (found,) = settled.json("verify", code=76)["findings"]
    assert found["problem"] == "is missing"
    settled.ok("verify", "--fix")
    assert path.read_text() == BETA.render()


def test_what_cannot_be_put_back_is_said(settled: Owner) -> None:
    settled.file.write_text("{}")
    shutil.rmtree(settled.home.parent / "registry/deckhouse-cli/plugins/beta/blobs")
    done = settled.fails(76, "verify", "--fix")
    assert "is not as it was written: it cannot be read again: " in done.err


def test_a_damaged_contract_that_nothing_needs_is_removed(settled: Owner) -> None:
    stray = settled.file.with_name(f"{'0' * 64}.json")
    stray.write_text("junk")
    assert len(settled.json("verify", code=76)["findings"]) == 1
    settled.ok("verify", "--fix")
    assert not stray.exists()


@pytest.mark.parametrize("on_builds", [False, True])
def test_a_contract_travels_in_a_bundle_with_the_manifests(owner: Owner, tmp_path: Path, on_builds: bool) -> None:
    owner.publish_beta(on_builds=on_builds)
    owner.lock_with()
    owner.ok("bundle", "create", "-o", "tools.bundle", "--platform", images.host_platform())
    island = Person(tmp_path / "island", f"bundle:{owner.cwd / 'tools.bundle'}")
    place = island.project(MANIFEST)
    shutil.copy(owner.cwd / "d8.lock", place / "d8.lock")
    island.ok("--offline", "sync", "--frozen", cwd=place)
    (stored,) = (island.data / "store/contracts").iterdir()
    assert stored.read_text() == BETA.render()
    assert json.loads(stored.read_text())["description"] == "keeps secrets"


@pytest.mark.parametrize("on_builds", [False, True])
def test_no_manifest_is_requested_twice_for_a_contract(owner: Owner, on_builds: bool) -> None:
    owner.publish_beta(on_builds=on_builds)
    with fault_server(LayoutSource(str(owner.source))) as proxy:
        owner.ok("sync", endpoint=proxy.url)
        asked = [one.target for one in (*proxy.seen("index"), *proxy.seen("child"))]
    assert len(asked) >= 3
    assert sorted(asked) == sorted(set(asked))
    assert owner.stored == {owner.top(): BETA.render()}

"""``sync`` of a lock: what is fetched, placed and refused."""

from __future__ import annotations

import json
import re
import shutil
import struct
from typing import TYPE_CHECKING

import pytest

from tests import images
from tests.cli.locking import NOWHERE, Project, a_project, everything

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return a_project(tmp_path)


# -- sync of a lock ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["--locked", "--frozen"])
def test_sync_of_a_lock_is_served_from_the_store_alone(project: Project, how: str) -> None:
    project.wants("stronghold", "vault ~1.0")
    project.ok("sync")
    profiles = project.home / ".local/share/d8-installer/profiles"
    text = project.lock.read_bytes()
    for more, endpoint in ((("--offline",), None), ((), NOWHERE)):
        shutil.rmtree(profiles)  # all but the store is gone: nothing that was placed can be taken for done
        planned = project.ok(*more, "sync", how, "--dry-run", endpoint=endpoint).out
        assert "fetch" not in planned
        project.ok(*more, "sync", how, endpoint=endpoint)
        assert project.ok("which", "vault").out.strip().endswith("/vault")
        assert project.ok(*more, "sync", how, endpoint=endpoint).out.startswith("nothing to do")
        assert project.lock.read_bytes() == text
    shutil.rmtree(project.home / ".local/share/d8-installer")
    refused = project.fails(69, "--offline", "sync", how, endpoint=NOWHERE)
    assert "was not asked: this run is offline" in refused.err
    assert "--from bundle:FILE" in refused.err
    project.fails(69, "sync", how, endpoint=NOWHERE)


def test_sync_offline_without_an_endpoint_leads_to_a_bundle(project: Project) -> None:
    project.wants("stronghold ~1.0")
    project.ok("sync")
    shutil.rmtree(project.home / ".local/share/d8-installer")
    refused = project.fails(78, "--offline", "sync", "--locked", D8_RPP_ENDPOINT="")
    assert "error[no-endpoint]" in refused.err
    assert "--from bundle:FILE" in refused.err
    assert "config set" not in refused.err


def test_a_witness_that_does_not_answer_is_called_a_witness(project: Project) -> None:
    project.wants("stronghold ~1.0")
    project.ok("sync")
    refused = project.fails(69, "sync", "--locked", "--witness", NOWHERE)
    assert f"error[unreachable]: the witness {NOWHERE}: cannot connect" in refused.err
    assert "after --witness" in refused.err
    assert "--endpoint" not in refused.err


def test_sync_locked_reads_and_writes_no_more_than_it_may(project: Project) -> None:
    project.wants("stronghold ~1.0")
    project.ok("sync")
    text = project.lock.read_bytes()
    project.wants("stronghold ~1.1")
    assert json.loads(project.fails(65, "--json", "sync", "--locked").out)["errors"][0]["kind"] == "StaleLock"
    project.ok("--offline", "sync", "--frozen")
    project.ok("sync", "--dry-run")
    assert project.lock.read_bytes() == text
    project.ok("sync", "--prune")
    assert project.lock.read_bytes() != text


@pytest.mark.parametrize("platform", images.PLATFORMS)
def test_another_platforms_binaries_as_a_plain_directory(project: Project, platform: str) -> None:
    project.wants("stronghold", "vault")
    project.ok("lock")
    project.ok("sync", "--locked", "--platform", platform, "--to", "out")
    suffix = ".exe" if platform.startswith("windows") else ""
    out = project.place / "out"
    assert sorted(path.name for path in out.iterdir()) == [f"stronghold{suffix}", f"vault{suffix}"]
    assert all(path.is_file() and not path.is_symlink() for path in out.iterdir())
    assert (out / f"vault{suffix}").read_bytes() == images.executable(platform, "vault v1.1.0")
    shutil.rmtree(out)
    project.ok("--offline", "sync", "--frozen", "--platform", platform, "--to", "out", endpoint=NOWHERE)
    assert len(list(out.iterdir())) == 2
    assert not (project.home / ".local/share/d8-installer/bin").exists()


@pytest.mark.parametrize("to", ["d8.toml", "d8.toml/x", "d8.toml/x/y"])
def test_a_file_in_the_place_of_a_directory_is_named_itself(project: Project, to: str) -> None:
    project.wants("stronghold")
    project.ok("lock")
    refused = project.fails(73, "--json", "sync", "--locked", "--to", to)
    [error] = json.loads(refused.out)["errors"]
    assert error["message"] == f"{project.place / 'd8.toml'} is in the way: it is not a directory"
    assert (project.place / "d8.toml").read_text().startswith("schema")


def test_a_single_manifest_is_judged_by_its_executable(project: Project) -> None:
    """It meets every demand in the lock; also where the store has it already, for the platform that it is for."""
    elf = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHI", 2, 0x3E, 1) + bytes(40)
    for name, file in (("native", elf), ("script", images.script("any"))):
        images.add_image(str(project.layout), name, "v1.0.0", {"any": file})
    demanded = '["linux-amd64", "linux-arm64"]'
    project.wants("script", platforms=demanded)
    project.ok("lock")
    project.ok("sync", "--locked", "--platform", "linux-arm64", "--to", "scripts")
    project.wants("native", platforms=demanded)
    project.ok("lock")
    assert [key for key, _ in project.locked().images[0].platforms] == ["any"]
    for _ in range(2):
        project.fails(76, "sync", "--locked", "--platform", "linux-arm64", "--to", "arm")
        assert not list((project.place / "arm").glob("*"))
        project.ok("sync", "--locked", "--platform", "linux-amd64", "--to", "amd")
    assert (project.place / "amd/native").read_bytes() == elf


def test_a_dry_run_writes_nothing_at_all(project: Project) -> None:
    """Nor does it make a home: it may be another's, or on a medium that cannot be written to."""
    project.wants("stronghold")
    before = everything(project.home)
    for words, said in {
        ("lock", "--dry-run"): "would write", ("sync", "--dry-run"): "would install stronghold",
        ("install", "vault", "--dry-run"): "would install vault", ("sync", "--to", "out", "--dry-run"): "stronghold",
    }.items():  # fmt: skip
        assert said in project.ok(*words).out
    assert everything(project.home) == before


def test_a_lock_that_cannot_be_written_leaves_no_generation(project: Project) -> None:
    """Its name is as long as a file system allows, so that the file which is renamed to it cannot be made."""
    project.wants("stronghold")
    project.ok("lock")
    long = project.lock.rename(project.place / ("x" * 250))
    project.lock.symlink_to(long.name)
    project.wants("stronghold", "vault")
    refused = project.fails(73, "sync")
    assert re.fullmatch(rf"cannot write {long}: file name too long", refused.errors[0]), refused
    assert project.json("history")["generations"] == []
    project.lock.unlink()
    assert "generation 1" in project.ok("sync").out
    project.ok("verify")

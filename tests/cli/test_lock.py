"""``lock`` by the installed command: what --check shows and never writes, and what a partial lock leaves alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.digest import Digest
from tests import images
from tests.cli.test_json import envelope
from tests.command import Completed, run
from tests.installed import install, library, manifest
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "http://127.0.0.1:9"


class Project(Person):
    """A person's project with its manifest, its lock, and a layout of images."""

    def __init__(self, home: Path, place: Path, layout: Path) -> None:
        super().__init__(home, layout)
        self.layout = layout
        self.place = self.cwd = place

    @property
    def lock(self) -> Path:
        return self.place / "d8.lock"

    def wants(self, *entries: str, platforms: str = "") -> None:
        """Write the manifest: each entry is ``name range``, or the lines of a table."""
        lines = ["schema = 1", *([f"platforms = {platforms}"] if platforms else [])]
        for entry in entries:
            name, _, spec = entry.partition(" ")
            lines += ["[[images]]", f'name = "{name}"', f'version = "{spec or "*"}"']
        (self.place / "d8.toml").write_text("\n".join([*lines, ""]))

    def blob(self, name: str, digest: Digest) -> Path:
        return self.layout / "deckhouse-cli/plugins" / name / "blobs/sha256" / digest.hex


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "home", tmp_path / "home/work", tmp_path / "reg")
    made.place.mkdir(parents=True)
    for tag in ("v1.0.0", "v1.1.0"):
        for name in ("stronghold", "vault"):
            images.add_image(str(made.layout), name, tag, images.executables(f"{name} {tag}"))
    return made


def everything(place: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file below *place* with its bytes and time, and every directory with its time."""
    return {
        str(path): (path.read_bytes() if path.is_file() else b"", path.lstat().st_mtime_ns) for path in place.rglob("*")
    }


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


# -- what a partial lock leaves alone ----------------------------------------------------------------------------


def blocks(text: str) -> dict[str, str]:
    """Return the text of each image's block by its name."""
    return {block.split('"')[1]: block for block in text.split("[[images]]\n")[1:]}


def test_upgrading_one_image_changes_its_block_alone(project: Project) -> None:
    project.wants("stronghold", "vault")
    project.ok("lock")
    before = blocks(project.lock.read_text())
    for name in ("stronghold", "vault"):
        images.add_image(str(project.layout), name, "v1.2.0", images.executables("new"))
    project.ok("lock")
    assert blocks(project.lock.read_text()) == before  # locked versions are preferred
    project.ok("lock", "--upgrade-image", "vault")
    after = blocks(project.lock.read_text())
    assert {name for name in before if after[name] != before[name]} == {"vault"}


def test_another_platform_has_a_directory_or_a_home(project: Project) -> None:
    project.wants("stronghold")
    project.ok("sync")
    other = "windows-amd64" if images.host_platform() != "windows-amd64" else "linux-amd64"
    refused = project.fails(2, "sync", "--platform", other).err
    assert (
        f"`sync --platform {other} --to DIR`, or give the other platform a home of its own with --home DIR" in refused
    )


def test_a_platform_is_added_and_the_others_stay(project: Project) -> None:
    (project.place / "d8.toml").write_text(
        'schema = 1\n[[images]]\nname = "stronghold"\nplatforms = ["linux-arm64"]\n[[images]]\nname = "vault"\n'
    )
    project.ok("lock")
    before = project.lock.read_text()
    project.ok("lock", "--platform", "darwin-arm64")
    after = project.lock.read_text()
    assert [key for key, _ in project.locked().images[0].platforms] == ["darwin-arm64", "linux-arm64"]
    assert blocks(after)["vault"] == blocks(before)["vault"]
    unmarked = [
        re.sub("  # entry .*", "", text).splitlines() for text in (before, after)
    ]  # the mark is of the whole block
    assert [line for line in unmarked[0] if line not in unmarked[1]] == []
    for words in (("lock",), ("lock", "--check"), ("sync", "--locked", "--platform", "linux-arm64", "--to", "out")):
        project.ok(*words)
    assert project.lock.read_text() == after
    refused = project.fails(69, "lock", "--platform", "plan9-386").err
    assert "has no build for plan9-386" in refused
    assert "; leave `--platform plan9-386` out, or set" in refused
    assert project.lock.read_text() == after


def test_a_name_that_nobody_wants_is_a_mistake(project: Project) -> None:
    project.wants("stronghold")
    project.ok("lock")
    for words in (("lock", "--upgrade-image", "strongold"), ("lock", "--accept-moved", "strongold:v1.0.0")):
        refused = project.fails(69, *words)
        assert "asks for strongold, and it is not locked there" in refused.err
    assert "asks for zz," in project.fails(69, "sync", "--accept-moved", "zz:v9").err
    project.ok("lock", "--upgrade-image", "stronghold", "--accept-moved", "stronghold:v1.1.0")


def test_a_dry_run_says_what_would_be_written(project: Project) -> None:
    """Also where no version changes: another range changes the entry."""
    project.wants("stronghold <2")
    project.ok("sync")
    project.wants("stronghold >=1, <2")
    before = project.lock.read_bytes()
    assert project.ok("lock", "--dry-run").out == f"would write {project.lock} (1 image)\n"
    data = envelope(project.ok("--json", "lock", "--dry-run"))["data"]
    assert (data["changed"], data["written"], data["changes"]) == (True, False, [])
    assert project.ok("sync", "--dry-run").out.endswith(f"\nwould write {project.lock}\n")
    assert envelope(project.ok("--json", "sync", "--dry-run"))["data"]["lock"] == str(project.lock)
    assert project.lock.read_bytes() == before
    assert envelope(project.ok("--json", "sync"))["data"]["lock"] == str(project.lock)
    assert project.ok("lock", "--dry-run").out == f"unchanged: {project.lock} (1 image)\n"
    assert project.ok("sync", "--dry-run").out == "nothing to do\n"
    assert envelope(project.ok("--json", "sync"))["data"]["lock"] is None


def test_the_ends_of_lines_of_a_checkout_stay(project: Project) -> None:
    """Git on Windows writes CRLF into the working copy (core.autocrlf): that is not a change of the lock."""
    project.wants("stronghold <1.1")
    project.ok("sync")
    text = project.lock.read_bytes().replace(b"\n", b"\r\n")
    project.lock.write_bytes(text)
    for words in (
        ("lock", "--check"),
        ("lock", "--dry-run"),
        ("lock",),
        ("sync",),
        ("sync", "--locked"),
        ("sync", "--dry-run"),
    ):
        done = project.ok(*words)
        assert "would write" not in done.out
        assert project.lock.read_bytes() == text
    project.wants("stronghold")
    project.ok("lock", "--upgrade")
    assert b"\r" not in project.lock.read_bytes()


def test_first_trust_is_said_of_what_was_not_locked(project: Project) -> None:
    project.wants("stronghold")
    assert "first lock of stronghold:v1.1.0" in project.ok("lock").err
    shutil.rmtree(project.home / ".local")  # a fresh clone: nothing is remembered, and all is locked
    project.wants("stronghold >=1")
    assert "first lock" not in project.ok("lock").err


# -- platforms of a project --------------------------------------------------------------------------------------


def test_a_project_demands_platforms_of_all_its_images(project: Project) -> None:
    project.wants("stronghold ~1.0", "vault", platforms='["windows-amd64", "linux-amd64"]')
    project.ok("lock")
    assert project.lock.read_text().count('demanded = [\n    "linux-amd64",\n    "windows-amd64",\n]') == 2
    project.ok("lock", "--check")
    project.wants("stronghold ~1.0", "vault", platforms='["linux-amd64"]')
    stale = project.fails(65, "sync", "--locked")
    said = "is locked for other `platforms` than the project's (linux-amd64, windows-amd64, and linux-amd64 wanted)"
    assert f"stronghold {said}; vault {said}\n" in stale.err
    shown = project.fails(65, "lock", "--check").out
    assert "  the demanded platforms: locked linux-amd64, windows-amd64, wanted linux-amd64\n" in shown
    project.ok("lock")
    project.wants("stronghold ~1.0", "vault")
    project.ok("lock")
    assert "demanded" not in project.lock.read_text()


def test_a_demanded_platform_that_is_missing_is_named_with_who_has_it(project: Project) -> None:
    images.add_image(str(project.layout), "stronghold", "v1.2.0", images.executables("new", "linux-amd64"))
    project.wants("stronghold", platforms='["windows-amd64"]')
    done = project.fails(69, "lock")
    assert "stronghold v1.2.0 has no build for windows-amd64" in done.err
    assert "the newest allowed version that has it is v1.1.0" in done.err
    assert not project.lock.exists()
    project.wants("stronghold", platforms='["freebsd-riscv64"]')
    refused = project.fails(69, "lock").err
    assert "none of the 2 other versions that are allowed has it; drop freebsd-riscv64 from `platforms`" in refused
    project.wants("stronghold >=1.1", platforms='["freebsd-riscv64"]')
    refused = project.fails(69, "lock").err
    assert "the only other version that is allowed has no build for it either" in refused


@pytest.mark.parametrize(
    ("platforms", "says"),
    [
        ('["linux-amd64", "linux-amd64"]', "d8.toml:2: platforms[1]: linux-amd64 is there twice"),
        ('["linux-amd65"]', "d8.toml:2: platforms[0]: 'linux-amd65' is not a platform that Go knows"),
        ('["Linux"]', "d8.toml:2: platforms[0]: 'Linux' is not a platform"),
        ("[]", "d8.toml:2: platforms: is empty"),
        ('"linux-amd64"', "d8.toml:2: platforms: must be a list"),
    ],
)
def test_platforms_that_are_none(project: Project, platforms: str, says: str) -> None:
    project.wants("stronghold", platforms=platforms)
    assert says in project.fails(65, "lock").err


def test_a_plugin_demands_nothing_of_others(project: Project) -> None:
    project.wants("stronghold", platforms='["linux-amd64"]')
    for words in (("manifest", "check"), ("wheel", "d8.toml", "--parts", "parts", "--manifest", "x/d8.toml")):
        refused = project.fails(65, *words).err
        assert "d8.toml:2: platforms: is a setting of projects, not of plugins" in refused
    project.wants("vault", platforms='["linux-amd64"]')
    place = library(project.place / ".venv")
    install(place, "d8-plug-bold", "1.0", (project.place / "d8.toml").read_text())
    install(place, "d8-plug-fine", "1.0", manifest("stronghold"))
    done = project.fails(65, "lock")
    assert "the plugin d8-plug-bold 1.0" in done.err
    assert "is a setting of projects" in done.err
    assert [(str(image.name), len(image.demanded)) for image in project.locked().images] == [
        ("stronghold", 1),  # what a plugin asks for is under the project's demand
        ("vault", 1),
    ]
    shown = envelope(project.fails(65, "--json", "lock", "--check"))
    assert [len(shown["data"][key]) for key in ("differences", "left_out")] == [0, 1]


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
    project.fails(69, "sync", how, endpoint=NOWHERE)


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
    assert re.search(rf"^error: cannot create {long}\.\d+\.tmp: file name too long$", refused.err, re.M), refused
    assert project.json("history")["generations"] == []
    project.lock.unlink()
    assert "generation 1" in project.ok("sync").out
    project.ok("verify")


# -- why it is locked as it is -----------------------------------------------------------------------------------


def dated(project: Project, name: str, *versions: tuple[str, str]) -> None:
    """Publish each (tag, date) with its date on the index, or none where it is empty."""
    program = project.home / "program"
    program.write_bytes(images.script(name))
    program.chmod(0o755)
    for tag, date in versions:
        epoch = str(int(datetime.fromisoformat(date).timestamp())) if date else ""
        words = ("publish", f"{images.host_platform()}={program}", "--image", name, "--version", tag)
        done = run(
            *words,
            *("--to", f"oci-layout:{project.layout}"),
            home=str(project.home),
            env={"SOURCE_DATE_EPOCH": epoch} if epoch else {},
        )
        assert done.code == 0, done


VERSIONS = (
    ("v1.0.0", "2026-01-01T00:00:00Z"),
    ("v1.1.0", "2026-03-01T00:00:00Z"),
    ("v1.2.0", "2026-05-01T00:00:00Z"),
    ("v1.3.0-rc.1", "2026-05-02T00:00:00Z"),
    ("v1.2.5", ""),
    ("v2.0.0", "2026-02-01T00:00:00Z"),
)


def test_no_version_that_was_created_since_is_chosen(project: Project) -> None:
    dated(project, "ruff", *VERSIONS)
    project.wants("ruff <2", "vault")
    assert "vault" in project.fails(69, "lock", "--exclude-newer", "2026-04-01").err  # no image of it has a date
    project.wants("ruff <2")
    for cutoff, chosen in (
        ("2026-02-01", "v1.0.0"),
        ("2026-05-01T00:00:00Z", "v1.1.0"),
        ("2026-05-01T00:00:01Z", "v1.2.0"),
    ):
        project.lock.unlink(missing_ok=True)
        project.ok("lock", "--exclude-newer", cutoff)
        assert project.locked().images[0].version == chosen
    project.ok("lock", "--exclude-newer", "2026-02-01")
    assert project.locked().images[0].version == "v1.2.0", "what is locked stays"
    project.ok("lock", "--upgrade", "--exclude-newer", "2026-02-01")
    assert project.locked().images[0].version == "v1.0.0"
    project.ok("lock", "--upgrade")
    assert project.locked().images[0].version == "v1.2.5"
    project.lock.unlink()
    done = project.fails(69, "lock", "--exclude-newer", "2025-01-01")
    assert "versions without a date, or from 2025-01-01T00:00:00Z on, are excluded" in done.err
    assert "hint: see `d8-installer lock --explain ruff` with the same --exclude-newer\n" in done.err
    assert "neither a date nor an age" in project.fails(2, "lock", "--exclude-newer", "soon").err


def test_every_command_that_chooses_can_exclude_what_is_new(project: Project) -> None:
    dated(project, "ruff", *VERSIONS)
    project.wants("ruff <2")
    project.ok("sync", "--exclude-newer", "2026-02-01")
    assert project.locked().images[0].version == "v1.0.0"
    project.ok("--project", "upgrade", "ruff", "--exclude-newer", "2026-05-01")
    assert project.locked().images[0].version == "v1.1.0"
    project.ok("--project", "install", "ruff<1.2.5", "--exclude-newer", "2026-04-01")
    assert project.locked().images[0].version == "v1.1.0", "what the new range allows stays too"
    project.fails(69, "--project", "install", "ruff===v1.2.0", "--exclude-newer", "2026-04-01")
    assert project.locked().images[0].version == "v1.1.0"
    assert "neither a date nor an age" in project.fails(2, "sync", "--exclude-newer", "soon").err
    for strict in ("--locked", "--frozen"):
        assert "choose no version" in project.fails(2, "sync", strict, "--exclude-newer", "7d").err


def test_dates_of_children_count_where_the_index_has_none(project: Project) -> None:
    dated(project, "ruff", ("v1.0.0", "2026-01-01T00:00:00Z"), ("v1.1.0", "2026-03-01T00:00:00Z"))
    index = project.layout / "deckhouse-cli/plugins/ruff/index.json"
    document = json.loads(index.read_text())
    for entry in document["manifests"]:
        blob = project.blob("ruff", Digest.parse(entry["digest"]))
        top = json.loads(blob.read_text())
        date = top["annotations"].pop("org.opencontainers.image.created")
        top["manifests"][0]["annotations"] = {"org.opencontainers.image.created": date}
        raw = json.dumps(top).encode()
        entry |= {"digest": str(Digest.of(raw)), "size": len(raw)}
        project.blob("ruff", Digest.of(raw)).write_bytes(raw)
    index.write_text(json.dumps(document))
    project.wants("ruff")
    project.ok("lock", "--exclude-newer", "2026-02-01")
    assert project.locked().images[0].version == "v1.0.0"


def test_explain_tells_what_was_considered(project: Project) -> None:
    dated(project, "ruff", *VERSIONS)
    images.add_image(str(project.layout), "ruff", "latest", images.executables("latest"))
    project.wants("ruff <2")
    before = everything(project.home)
    told = project.ok("lock", "--explain", "ruff").out
    assert "  asked for by d8.toml: <2\n  not locked\n" in told
    assert "* v1.2.5       the newest that all allow\n" in told
    project.ok("lock", "--explain", "ruff", "--exclude-newer", "2026-05-01")
    assert everything(project.home) == before
    project.ok("lock", "--exclude-newer", "2026-04-01")
    assert project.ok("lock", "--explain", "ruff").out.splitlines()[3:] == [
        "  v2.0.0       outside <2 of d8.toml",
        "  v1.3.0-rc.1  a pre-release, for which d8.toml (<2) does not ask",
        "  v1.2.5       newer than the locked one, which is kept until an upgrade",
        "  v1.2.0       newer than the locked v1.1.0, and older than v1.2.5",
        "* v1.1.0       locked, and all allow it",
        "  v1.0.0       older than the locked v1.1.0",
        "  latest       it is not a version",
    ]
    project.lock.unlink()
    words = ("--json", "lock", "--explain", "ruff", "--exclude-newer", "2026-05-01")
    explanation = envelope(project.ok(*words))["data"]["explanation"]
    why = {one["tag"]: one["why"] for one in explanation["considered"]}
    assert why["v1.2.5"] == "it has no date, so it counts as too new"
    assert why["v1.2.0"] == "created 2026-05-01T00:00:00Z, which is not before 2026-05-01T00:00:00Z"
    assert (explanation["chosen"], explanation["locked"]) == ("v1.1.0", None)
    assert not project.lock.exists()


def test_who_cannot_agree_is_named_and_explained(project: Project) -> None:
    """Not the first who agreed, but the one whose range it is; and a stale lock that `lock` cannot mend says so."""
    images.add_image(str(project.layout), "stronghold", "v2.0.0", images.executables("two"))
    project.wants("stronghold")
    place = library(project.place / ".venv")
    install(place, "d8-plug-x", "1.0", manifest("stronghold", version="<2"))
    project.ok("lock")
    install(place, "d8-plug-y", "1.0", manifest("stronghold", version=">=2"))
    for _ in range(2):
        refused = project.fails(65, "lock").err
        assert "d8-plug-y wants stronghold >=2 and cannot agree: d8-plug-x wants stronghold <2\n" in refused
        assert "hint: loosen one of the ranges, or do without d8-plug-y\n" in refused
    stale = project.fails(65, "sync", "--locked").err
    assert "stronghold is locked at v1.1.0, which d8-plug-y (>=2) does not allow\n" in stale
    assert "if it leaves d8-plug-y out, loosen a range, or do without d8-plug-y\n" in stale
    told = project.ok("lock", "--explain", "stronghold").out
    assert "  left out: d8-plug-y wants stronghold >=2 and cannot agree: d8-plug-x wants stronghold <2\n" in told
    assert "* v1.1.0  locked, and the others allow it\n" in told
    assert "  v2.0.0  outside <2 of d8-plug-x\n" in told
    document = envelope(project.ok("--json", "lock", "--explain", "stronghold"))["data"]["explanation"]
    assert (document["chosen"], [one["requester"] for one in document["left_out"]]) == ("v1.1.0", ["d8-plug-y"])


def test_explain_where_the_tags_are_gone(project: Project) -> None:
    project.wants("stronghold")
    project.ok("lock")
    index = project.layout / "deckhouse-cli/plugins/stronghold/index.json"
    document = json.loads(index.read_text())
    kept = [one for one in document["manifests"] if "v1.1.0" not in one["annotations"].values()]
    index.write_text(json.dumps(document | {"manifests": kept}))
    told = project.ok("lock", "--explain", "stronghold").out
    assert f"  v1.1.0 stays, though oci-layout:{project.layout} does not list it any more\n" in told
    index.write_text(json.dumps(document | {"manifests": []}))
    assert f"  oci-layout:{project.layout} lists no tag of it\n" in project.ok("lock", "--explain", "stronghold").out
    project.wants("stronghold >=2")
    refused = project.fails(69, "lock").err
    assert "stronghold has no published version: its list of tags is empty\n" in refused
    assert "pre-releases" not in refused


def test_very_many_stale_images_are_counted(project: Project) -> None:
    project.wants(*(f"image{number}" for number in range(25)))
    project.lock.write_text("lock_version = 1\n")
    refused = project.fails(65, "sync", "--locked").err
    assert refused.count("and not locked") == 20
    assert "; and 5 more, which `lock --check` shows\n" in refused
    assert project.fails(65, "lock", "--check").out.count("and not locked") == 25


def test_explain_names_a_missing_platform_and_who_asked(project: Project) -> None:
    images.add_image(str(project.layout), "vault", "v1.2.0", images.executables("new", "linux-amd64"))
    project.wants("vault", platforms='["darwin-arm64"]')
    told = project.ok("lock", "--explain", "vault").out
    assert "* v1.2.0  the newest that all allow; it has no build for darwin-arm64, which is demanded\n" in told
    assert "asks for other," in project.fails(69, "lock", "--explain", "other").err
    assert "--explain changes nothing" in project.fails(2, "lock", "--explain", "vault", "--upgrade").err
    project.fails(2, "lock", "--explain", "vault", "--check")


# -- several sources ---------------------------------------------------------------------------------------------


def test_check_believes_the_first_source_that_has_a_build(project: Project, tmp_path: Path) -> None:
    project.wants("stronghold", "vault")
    project.ok("lock")
    builds = sum(len(image.platforms) for image in project.locked().images)
    mirror = tmp_path / "mirror"
    shutil.copytree(project.layout / "deckhouse-cli/plugins/vault", mirror / "deckhouse-cli/plugins/vault")
    config = project.home / ".config/d8-installer"
    config.mkdir(parents=True)
    (config / "config.toml").write_text(f'sources = ["oci-layout:{mirror}", "oci-layout:{project.layout}"]\n')

    def checked(expect: int) -> Completed:
        words = ("--json", "lock", "--check")
        done = run(*words, home=str(project.home), cwd=str(project.place))
        assert done.code == expect, done
        return done

    assert envelope(checked(0))["data"]["proven"] == builds
    pin = dict(project.locked().images[0].platforms)["linux-arm64"]
    project.blob("stronghold", pin.layer).unlink()
    document = envelope(checked(69))
    assert document["data"]["proven"] == builds - 1
    assert "stronghold v1.1.0 for linux-arm64 is gone" in document["errors"][0]["message"]
    images.add_image(str(mirror), "stronghold", "v1.1.0", images.executables("moved"))
    assert envelope(checked(69))["data"]["proven"] == builds - 1  # another meaning of a tag is not looked at


def test_check_proves_what_a_bundle_holds(project: Project) -> None:
    project.wants("stronghold", "vault")
    project.ok("lock")
    builds = sum(len(image.platforms) for image in project.locked().images)
    project.ok("bundle", "create", "-o", "all.bundle")
    whole = project.ok("--json", "lock", "--check", endpoint=f"bundle:{project.place / 'all.bundle'}")
    assert envelope(whole)["data"]["proven"] == builds
    project.ok("bundle", "create", "--platform", "linux-arm64", "-o", "one.bundle")
    done = project.fails(69, "--json", "lock", "--check", endpoint=f"bundle:{project.place / 'one.bundle'}")
    document = envelope(done)
    assert document["data"]["proven"] == 2
    assert len(document["errors"]) == builds - 2

"""``lock``: what a partial lock leaves alone, the platforms of a project, several sources."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests import images
from tests.cli.locking import Project, a_project
from tests.cli.test_json import envelope
from tests.command import Completed, run
from tests.installed import install, library, manifest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return a_project(tmp_path)


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

"""``lock --explain``: why an image is locked as it is."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.digest import Digest
from tests import images
from tests.cli.locking import Project, a_project, everything
from tests.cli.test_json import envelope
from tests.command import run
from tests.installed import install, library, manifest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return a_project(tmp_path)


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
    without = project.fails(69, "lock", "--exclude-newer", "2026-04-01").err
    assert ": --exclude-newer leaves no version of vault; versions without a date, or from 2026-04-01T00" in without
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

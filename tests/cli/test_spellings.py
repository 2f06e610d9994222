"""Versions and platforms in the spellings of other tools, with every command that takes them."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from tests import images
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def person(tmp_path: Path) -> Person:
    person = Person(tmp_path / "home", tmp_path / "registry")
    person.publish("ruff", "v1.4.1", "v1.4.3", "v1.5.0", "v2.0.0", "pr-12")
    return person


def asked(person: Person) -> str | None:
    (image,) = tomllib.loads(person.manifest.read_text())["images"]
    version: str | None = image.get("version")
    return version


@pytest.mark.parametrize(
    ("typed", "version", "written"),
    [
        ("ruff@1.4.1", "v1.4.1", "==1.4.1"),
        ("ruff@v1.4.1", "v1.4.1", "==v1.4.1"),
        ("ruff@1.4", "v1.4.3", "==1.4.*"),
        ("ruff@1", "v1.5.0", "==1.*"),
        ("ruff@latest", "v2.0.0", None),
        ("ruff@^1.4", "v1.5.0", "^1.4"),
        ("ruff@pr-12", "pr-12", "===pr-12"),
    ],
)
def test_a_version_after_an_at_sign_is_that_version(person: Person, typed: str, version: str, written: str) -> None:
    person.ok("install", typed)
    assert (person.has()["ruff"], asked(person)) == (version, written)
    shown = person.json("show", typed)
    assert shown["version"] == version
    assert person.ok("run", typed).out.startswith(f"ruff {version}")
    project = person.home / "project"
    project.mkdir()
    person.ok("init", typed, cwd=project)
    assert (project / "d8.toml").read_bytes() == person.manifest.read_bytes()
    (project / "d8.toml").unlink()
    person.ok("add", typed, cwd=project)
    assert (project / "d8.toml").read_bytes() == person.manifest.read_bytes()


def test_part_of_a_version_and_latest_move_to_the_newest(person: Person) -> None:
    """A locked version stays for a range, but ``@`` with part of a version asks for the newest of that line."""
    person.ok("install", "ruff==1.4.1")
    assert "stays" not in person.ok("install", "ruff@1.4").err
    assert person.has() == {"ruff": "v1.4.3"}
    person.publish("ruff", "v1.4.4")
    person.ok("install", "ruff==1.4.*")
    assert person.has() == {"ruff": "v1.4.3"}
    person.ok("install", "ruff@1.4")
    assert person.has() == {"ruff": "v1.4.4"}
    person.ok("install", "ruff@latest")
    assert (person.has(), asked(person)) == ({"ruff": "v2.0.0"}, None)
    assert person.ok("install", "ruff@latest").out == "nothing to do\n", "a second time changes nothing"
    person.publish("ruff", "v2.1.0")
    assert person.ok("run", "ruff@latest").out.startswith("ruff v2.1.0"), (
        "not what was run before, nor what is installed"
    )
    assert person.ok("run", "ruff@2").out.startswith("ruff v2.1.0")
    assert person.json("show", "ruff@2")["version"] == "v2.1.0"


def test_run_with_part_of_a_version_works_without_its_source(person: Person) -> None:
    person.ok("run", "ruff@1.4")
    away = person.home / "away"
    person.ok("run", "ruff==1.4.*")
    (person.home.parent / "registry").rename(away)
    gone = "http://127.0.0.1:9"
    assert person.ok("run", "ruff@1.4", endpoint=gone, D8_PATIENCE="1").out.startswith("ruff v1.4.3")
    person.fails(69, "run", "ruff@latest", endpoint=gone, D8_PATIENCE="1")


def test_use_takes_both_spellings_and_stays_in_the_range(person: Person) -> None:
    person.ok("install", "ruff<2")
    for words, version in (
        (("ruff@1.4.1",), "v1.4.1"),
        (("ruff", "1.4"), "v1.4.3"),
        (("ruff@1",), "v1.5.0"),
        (("ruff==1.4.1",), "v1.4.1"),
        (("ruff", "v1.4.3"), "v1.4.3"),
    ):
        person.ok("use", *words)
        assert (person.has()["ruff"], asked(person)) == (version, "<2"), words
    assert "v2.0.0 is outside the range" in person.fails(65, "use", "ruff@2").err
    latest = person.fails(2, "use", "ruff@latest").err
    assert "type `d8-installer upgrade ruff`, or without a range `d8-installer install ruff@latest`" in latest
    assert "type `d8-installer use ruff VERSION`" in person.fails(2, "use", "ruff").err
    assert "type the name alone: ruff, or `d8-installer install ruff@2` for" in person.fails(2, "upgrade", "ruff@2").err


def test_a_range_that_another_one_narrows_is_named(person: Person) -> None:
    person.pipx("d8-plug-ruff", 'schema = 1\n[[images]]\nname = "ruff"\nversion = "<2"\n')
    held = person.ok("install", "ruff@latest").err
    assert "ruff stays at v1.5.0: v2.0.0 is outside <2 of the plugin d8-plug-ruff" in held


def test_a_platform_as_docker_has_it(person: Person) -> None:
    """``linux/arm64`` and ``linux/arm64/v8`` are ``linux-arm64`` wherever a platform is typed."""
    builds = {name: images.script(name) for name in ("linux-amd64", "linux-arm64")}
    person.publish("both", "v1.0.0", builds=builds)
    project = person.project('schema = 1\n[[images]]\nname = "both"\n')
    for spelling in ("linux/arm64", "linux/arm64/v8", "linux-arm64"):
        dry = person.json("install", "--dry-run", "both", "--platform", spelling)
        assert dry["platform"] == "linux-arm64"
        person.ok("lock", "--platform", spelling, cwd=project)
        person.ok("sync", "--to", "out", "--platform", spelling, cwd=project)
        assert (project / "out/both").read_bytes() == builds["linux-arm64"]
        person.ok("bundle", "create", "--platform", spelling, "-o", f"{spelling.replace('/', '.')}.bundle", cwd=project)
        (project / "program").write_bytes(builds["linux-arm64"])
        words = ("--image", "mine", "--version", "v1.0.0", "--to", f"oci-layout:{person.home}/out")
        person.ok("publish", f"{spelling}=program", *words, cwd=project)
    made = [path.read_bytes() for path in sorted(project.glob("*.bundle"))]
    assert made[0] == made[1] == made[2]
    refused = person.fails(2, "install", "both", "--platform", "linux/x86_64")
    assert "'linux/x86_64' is not a platform" in refused.err
    assert "hint: write linux-amd64" in refused.err


def test_a_document_has_one_spelling_of_a_platform(person: Person) -> None:
    project = person.project('schema = 1\nplatforms = ["linux/amd64"]\n')
    refused = person.fails(65, "lock", cwd=project)
    assert "'linux/amd64' is not a platform" in refused.err
    assert "hint: write linux-amd64" in refused.err


def test_a_typed_name_that_no_binary_may_have_is_a_usage_error(person: Person) -> None:
    """As any other name that cannot be typed there: 2, not the 65 of a document that has it."""
    refused = person.fails(2, "install", "nul")
    assert refused.errors == ["the binary of image 'nul' needs another name, because 'nul' is a device name on Windows"]
    assert not person.manifest.exists()

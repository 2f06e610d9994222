"""A lock is a claim: what it says of tags, digests and names counts when a source or the manifests have shown it."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests import images
from tests.cli.locking import NOWHERE, Project

if TYPE_CHECKING:
    from pathlib import Path

HOST = images.host_platform()


@pytest.fixture
def claims(tmp_path: Path) -> Project:
    """Give a project that wants ``a <2`` and ``b``, and images that print their name and version."""
    made = Project(tmp_path / "home", tmp_path / "home/work", tmp_path / "reg")
    made.place.mkdir(parents=True)
    for name in ("a", "b"):
        for tag in ("v1.0.0", "v1.1.0", "v2.0.0"):
            publish(made, name, tag)
    made.wants("a <2", "b")
    return made


def publish(project: Project, name: str, tag: str, text: str = "", layout: Path | None = None) -> None:
    built = {**images.executables(tag, "darwin-arm64"), HOST: images.script(text or f"{name} {tag}")}
    images.add_image(str(layout or project.layout), name, tag, built)


def another(project: Project, name: str) -> Project:
    """Give a second project of the same person."""
    place = project.home / name
    place.mkdir()
    return Project(project.home, place, project.layout)


def says(project: Project, binary: str) -> str:
    path = project.ok("which", binary).out.strip()
    return subprocess.run([path], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


def without_marks(text: str) -> str:
    return re.sub("  # entry .*", "", text)


def tags_known(project: Project) -> dict[str, dict[str, str]]:
    path = project.home / ".local/share/d8-installer/tags.json"
    known: dict[str, dict[str, str]] = json.loads(path.read_text())["tags"] if path.exists() else {}
    return known


# -- tags ----------------------------------------------------------------------------------------------------


def test_a_lock_does_not_change_what_is_remembered_of_a_tag(claims: Project, tmp_path: Path) -> None:
    claims.ok("sync")
    before = tags_known(claims)
    evil = tmp_path / "evil"
    for tag in ("v1.1.0", "v2.0.0"):
        publish(claims, "a", tag, "EVIL", evil)
        publish(claims, "b", tag, "EVIL", evil)
    stranger = Project(tmp_path / "stranger", another(claims, "second").place, evil)
    stranger.wants("a <2", "b")
    stranger.ok("lock")
    second = Project(claims.home, stranger.place, evil)
    for words in (("sync", "--locked"), ("lock",), ("sync",), ("sync", "--frozen"), ("lock", "--check")):
        assert "a:v1.1.0" in second.fails(76, *words).err, words
    assert tags_known(claims) == before
    third = another(claims, "third")
    third.wants("a <2")
    third.ok("sync")
    assert says(third, "a") == "a v1.1.0"
    second.ok("sync", "--locked", "--accept-moved", "a:v1.1.0", "--accept-moved", "b:v2.0.0")
    assert says(second, "a") == "EVIL"
    assert tags_known(claims) != before


def test_a_wrong_digit_in_a_lock_says_nothing_of_the_tag_to_others(claims: Project) -> None:
    claims.ok("lock")
    index = tomllib.loads(claims.lock.read_text())["images"][0]["index"]
    (claims.home / ".local/share/d8-installer/tags.json").unlink()
    claims.lock.write_text(claims.lock.read_text().replace(index, f"sha256:{'9' * 64}"))
    claims.fails(76, "lock")
    claims.fails(69, "sync", "--frozen")
    other = another(claims, "other")
    other.wants("a <2")
    other.ok("sync")
    assert says(other, "a") == "a v1.1.0"


def test_another_version_in_the_lock_is_said_and_not_remembered(claims: Project) -> None:
    claims.ok("lock")
    (claims.home / ".local/share/d8-installer/tags.json").unlink()
    claims.lock.write_text(without_marks(claims.lock.read_text()).replace('"v1.1.0"', '"v1.0.0"'))
    assert "a:v1.0.0 is sha256:" in claims.fails(76, "lock", "--check").err
    done = claims.ok("sync", "--locked")
    assert "a:v1.0.0 is sha256:" in done.err
    assert "v1.0.0" not in tags_known(claims).get("deckhouse-cli/plugins/a", {})
    assert "v2.0.0" in tags_known(claims)["deckhouse-cli/plugins/b"], "what the source confirmed is remembered"
    claims.fails(76, "use", "a", "v1.0.0", "--project")


# -- digests -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["layer", "child", "index"])
def test_digests_that_do_not_belong_together_are_refused_though_the_store_has_all(claims: Project, key: str) -> None:
    claims.ok("sync")
    text = claims.lock.read_text()
    first, second = (
        entry["index"] if key == "index" else entry["platforms"][str(HOST)][key]
        for entry in tomllib.loads(text)["images"]
    )
    (claims.home / ".local/share/d8-installer/tags.json").unlink()
    swapped = text.replace(first, "@").replace(second, first).replace("@", second)
    claims.lock.write_text(swapped)
    assert "edited by hand" in claims.fails(65, "sync", "--locked").err
    code = 69 if key == "index" else 76  # the other image has no such index
    claims.ends(code, "sync", "--frozen")
    claims.lock.write_text(without_marks(swapped))
    claims.ends(code, "sync", "--locked")
    assert says(claims, "a") == "a v1.1.0"
    assert says(claims, "b") == "b v2.0.0"


@pytest.mark.parametrize("key", ["child", "size"])
def test_a_flipped_digit_is_found_though_the_store_has_the_layer(claims: Project, key: str) -> None:
    claims.ok("sync")
    text = claims.lock.read_text()
    pin = tomllib.loads(text)["images"][0]["platforms"][str(HOST)]
    wrong = str(pin[key])[:-1] + ("1" if str(pin[key])[-1] != "1" else "2")
    claims.lock.write_text(without_marks(text.replace(str(pin[key]), wrong)))
    claims.fails(76, "sync", "--frozen")
    claims.fails(76, "sync", "--locked")
    assert claims.fails(69, "sync", "--frozen", "--offline", endpoint=NOWHERE).out == ""


def test_what_was_seen_to_belong_together_is_placed_offline(claims: Project) -> None:
    claims.ok("sync")
    claims.wants("b")
    claims.ok("sync")
    claims.wants("a <2", "b")
    claims.ok("lock")
    claims.ok("sync", "--locked", "--offline", endpoint=NOWHERE)
    assert says(claims, "a") == "a v1.1.0"


def test_the_same_bytes_under_a_new_tag_are_proven_and_not_fetched(claims: Project) -> None:
    claims.ok("sync")
    publish(claims, "b", "v2.1.0", "b v2.0.0")
    claims.ok("lock", "--upgrade")
    assert [image.version for image in claims.locked().images] == ["v1.1.0", "v2.1.0"]
    done = claims.ok("sync", "--locked", "-v")
    assert "fetching" not in done.err
    assert "b v2.0.0 -> v2.1.0" in done.out


def test_lock_pins_anew_what_git_joined_line_by_line(claims: Project) -> None:
    def git(*words: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=a@b", *words],
            cwd=claims.place,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def commits(version: str, *platforms: object) -> None:
        listed = ", ".join(f'"{platform}"' for platform in platforms)
        entry = f'name = "a"\nversion = "={version}"\nplatforms = [{listed}]\n'
        (claims.place / "d8.toml").write_text(f"schema = 1\n[[images]]\n{entry}")
        claims.ok("lock")
        git("add", "-A")
        git("commit", "-qm", "x")

    git("init", "-qb", "main")
    commits("1.0.0", HOST)
    git("branch", "theirs")
    commits("1.1.0", HOST)
    claims.ok("sync")
    git("checkout", "-q", "theirs")
    commits("1.0.0", HOST, "darwin-arm64")
    git("checkout", "-q", "main")
    git("merge", "-qX", "theirs", "theirs")
    assert "joined by git" in claims.fails(65, "sync", "--locked").err
    claims.ok("lock")
    (image,) = claims.locked().images
    merged = claims.lock.read_text()
    claims.lock.unlink()
    claims.ok("lock")
    assert claims.lock.read_text() == merged
    claims.ok("sync", "--locked")
    assert says(claims, "a") == f"a {image.version}"


# -- names, and the witness ----------------------------------------------------------------------------------


def test_a_lock_that_says_more_than_was_asked_for_is_stale(claims: Project) -> None:
    claims.ok("lock")
    text = claims.lock.read_text()
    more = without_marks(text.replace('a = "plugin"\n', 'a = "plugin"\nevilname = "plugin"\n'))
    optional = without_marks(text.replace('version = "v1.1.0"', 'version = "v1.1.0"\noptional = true'))
    for spoilt, what in ((more, "evilname"), (optional, "optional")):
        claims.lock.write_text(spoilt)
        claims.fails(65, "sync", "--locked")
        assert what in claims.fails(65, "lock", "--check").out
        claims.ok("lock")
        assert claims.lock.read_text() == text


@pytest.mark.parametrize("how", ["--locked", "--frozen"])
def test_a_witness_is_asked_for_a_lock_that_is_not_made_anew(claims: Project, tmp_path: Path, how: str) -> None:
    claims.ok("lock")
    for name, tag in (("a", "v1.1.0"), ("b", "v2.0.0")):
        publish(claims, name, tag, "other", tmp_path / "witness")
    witness = f"oci-layout:{tmp_path / 'witness'}"
    assert "disagrees" in claims.fails(76, "sync", how, "--witness", witness).err
    assert claims.fails(78, "sync", how, "--witness", "nonsense:x").out == ""
    claims.ok("sync", how, "--witness", f"oci-layout:{claims.layout}")

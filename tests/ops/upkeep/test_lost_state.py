"""Links, `current` and records that are lost or changed behind our back: a sync, or a rollback, makes them right."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.faults.scenarios import CONFIG, said
from tests.images import add_image, executables, host_platform
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="executes scripts by their first line")

NOWHERE = "https://127.0.0.1:1"
SYNCS = (("sync",), ("sync", "--locked"), ("sync", "--frozen"), ("sync", "--offline"), ("install", "tool", "--offline"))


class Loser(Person):
    """Somebody with `tool` and `other` in three generations: `tool` 1.0.0, 2.0.0, 1.0.0."""

    def prepare(self) -> None:
        for tag in ("v1.0.0", "v2.0.0"):
            add_image(str(self.source), "tool", tag, executables(tag, host_platform()))
        add_image(str(self.source), "other", "v1.0.0", executables("other", host_platform()))
        for words in (("tool==1.0.0", "other"), ("tool==2.0.0",), ("tool==1.0.0",)):
            self.ok("install", *words)

    def generation(self, number: int) -> Path:
        return self.user / "generations" / str(number)

    def opened(self, number: int) -> Path:
        """Return a generation's directory, made writable."""
        for where, _, _ in os.walk(self.generation(number)):
            os.chmod(where, 0o755)
        return self.generation(number)

    def works(self, tool: str) -> None:
        assert (said(str(self.home), "tool"), said(str(self.home), "other")) == (tool, "other")
        for path in self.user.glob("current/req/*/*"):
            assert os.access(path, os.X_OK)
            assert path.is_symlink()
        assert len(list(self.user.glob("current/req/*/*"))) == 2


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Loser:
    """Somebody whom nobody changes; each test has a copy."""
    directory = tmp_path_factory.mktemp("prepared")
    made = Loser(directory / "home", directory / "images")
    made.prepare()
    return made


@pytest.fixture
def person(prepared: Loser, tmp_path: Path) -> Loser:
    shutil.copytree(prepared.home, tmp_path / "home", symlinks=True)
    return Loser(tmp_path / "home", prepared.source)


def lost(generation: Path) -> None:
    (generation / "bin" / "tool").unlink()


def wrong(generation: Path) -> None:
    lost(generation)
    (generation / "bin" / "tool").symlink_to("/bin/true")


def a_file(generation: Path) -> None:
    lost(generation)
    shutil.copy("/bin/true", generation / "bin" / "tool")


def all_of_bin(generation: Path) -> None:
    shutil.rmtree(generation / "bin")


def bin_elsewhere(generation: Path) -> None:
    elsewhere = generation.parents[3] / "elsewhere"
    shutil.move(generation / "bin", elsewhere)
    (elsewhere / "ls").touch()
    (generation / "bin").symlink_to(elsewhere)


def a_request(generation: Path) -> None:
    next(generation.glob("req/*/tool")).unlink()


def all_requests(generation: Path) -> None:
    shutil.rmtree(generation / "req")


LOSSES = (lost, wrong, a_file, all_of_bin, bin_elsewhere, a_request, all_requests)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("words", SYNCS, ids=" ".join)
def test_a_sync_makes_the_active_binaries_whole(
    person: Loser, loss: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    person.ok("sync")
    loss(person.opened(3))
    dry = json.loads(person.ok("sync", "--dry-run", "--json").out)["data"]["changes"]
    assert {one["action"] for one in dry} == {"link"}
    done = person.ok(*words)
    assert "placed tool (tool v1.0.0) again" in done.out
    person.works("v1.0.0")
    assert os.readlink(person.user / "current") == "generations/4"
    assert person.ok("sync").out == "nothing to do\n"
    assert person.ok("sync", "--prune").out == "nothing to do\n"


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("target", [2, 3])
def test_a_rollback_makes_the_generation_whole(person: Loser, loss: Callable[[Path], None], target: int) -> None:
    loss(person.opened(target))
    done = person.ok("rollback", str(target), endpoint=NOWHERE)
    assert f"files of generation {target} were lost" in done.err
    person.works({2: "v2.0.0", 3: "v1.0.0"}[target])
    assert person.ok("verify").err == ""
    elsewhere = person.user.parent / "elsewhere"
    assert not elsewhere.exists() or sorted(os.listdir(elsewhere)) == ["ls", "other", "tool"]


def test_a_projects_sync_and_doctor_see_it_too(person: Loser) -> None:
    project = person.home / "work"
    project.mkdir()
    (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "tool"\n')
    person.ok("sync", cwd=project)
    (generation,) = (person.data / "profiles").glob("[0-9a-f]*/generations/1")
    (generation / "bin").chmod(0o755)
    lost(generation)
    assert "tool" in person.fails(1, "doctor", cwd=project).out
    assert "placed tool (tool v2.0.0) again" in person.ok("sync", cwd=project).out
    person.ok("doctor", cwd=project)


# -- rolling back from what is damaged itself ------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("2",)], ids=["the one before", "2"])
def test_a_damaged_active_record_can_be_left(person: Loser, words: tuple[str, ...]) -> None:
    (person.opened(3) / "generation.json").chmod(0o644)
    (person.generation(3) / "generation.json").write_text("")
    done = person.ok("rollback", *words, endpoint=NOWHERE)
    assert "what generation 3 had is not known" in done.err
    assert done.out == "generation 2, was 3\n"
    person.works("v2.0.0")


def test_a_lost_current_can_be_chosen_anew(person: Loser) -> None:
    (person.user / "current").unlink()
    done = person.fails(69, "rollback")
    assert "d8-installer rollback N" in done.err
    data = json.loads(person.ok("rollback", "2", "--json", endpoint=NOWHERE).out)["data"]
    assert (data["before"], data["generation"], data["changes"]) == (None, 2, None)
    person.works("v2.0.0")


def test_one_flipped_bit_of_a_record_is_not_restored(person: Loser) -> None:
    """A digit of the lock's copy: parsed without a complaint, it would become the person's lock."""
    record = person.opened(2) / "generation.json"
    record.chmod(0o644)
    text = record.read_text()
    at = text.index("sha256:", text.index('"lock":')) + 20
    record.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])
    before = (person.user / "d8.lock").read_bytes()
    assert "generations/2/generation.json is damaged" in person.fails(65, "rollback", "2").err
    assert (person.user / "d8.lock").read_bytes() == before


# -- what a rollback does not do -------------------------------------------------------------------------------


def test_what_the_manifest_allows_stays_after_a_rollback_and_the_rest_is_announced(person: Loser) -> None:
    manifest = person.home / CONFIG / "d8.toml"
    manifest.write_text(manifest.read_text().replace('"==1.0.0"', '">=1"'))
    person.ok("upgrade", "tool")
    done = person.ok("rollback", "1")
    assert "d8.toml is unchanged" in done.err
    assert "other" not in person.ok("sync").out
    person.ok("sync", "--locked")
    assert said(str(person.home), "tool") == "v1.0.0"  # the range still allows it
    manifest.write_text(manifest.read_text().replace('">=1"', '">=2"'))
    person.fails(65, "sync", "--locked")
    assert "switched tool (tool v1.0.0 -> v2.0.0)" in person.ok("sync").out

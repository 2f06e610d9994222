"""``verify``: whatever is damaged in a home is named, and mended by ``--fix`` from just what is lost."""

from __future__ import annotations

import json
import os
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.command import run
from tests.faults.scenarios import leftovers, said
from tests.forms import THOROUGH
from tests.images import add_image, executables, host_platform
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="executes scripts by their first line")

NOWHERE = "https://127.0.0.1:1"


class Verifier(Person):
    """Somebody with two generations: `tool` 1.0.0 with `other`, then `tool` 2.0.0."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "home", directory / "images")

    def installs(self) -> None:
        """Come to have all that."""
        for tag in ("v1.0.0", "v2.0.0"):
            add_image(str(self.source), "tool", tag, executables(tag, host_platform()))
        add_image(str(self.source), "other", "v1.0.0", executables("other", host_platform()))
        for words in (("tool==1.0.0", "other"), ("tool==2.0.0",)):
            self.ok("install", *words)

    def found(self, *words: str, endpoint: str | None = None) -> list[dict[str, Any]]:
        done = self.run("verify", "--json", *words, endpoint=endpoint)
        findings: list[dict[str, Any]] = json.loads(done.out)["data"]["findings"]
        return findings

    def binary(self, name: str, generation: int = 2) -> Path:
        return self.user / "generations" / str(generation) / "bin" / name

    def stored(self, name: str, generation: int = 2) -> Path:
        return self.binary(name, generation).resolve()

    def is_sound(self) -> None:
        done = self.run("verify")
        assert (done.code, done.err) == (0, ""), done
        assert (said(str(self.home), "tool"), said(str(self.home), "other")) == ("v2.0.0", "other")
        assert leftovers(str(self.home)) == []


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a person for copying, made once."""
    directory = tmp_path_factory.mktemp("installed")
    Verifier(directory).installs()
    return directory


@pytest.fixture
def person(installed: Path, tmp_path: Path) -> Verifier:
    shutil.copytree(installed, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Verifier(tmp_path)


def flip(path: Path, at: int | None = None) -> None:
    """Change one bit."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at // 8] ^= 1 << ((at or 0) % 8)
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(mode)


def of(path: Path, change: Callable[[Path], object]) -> None:
    """Change something in a directory that is read-only."""
    path.parent.chmod(0o755)
    change(path)
    path.parent.chmod(0o555)


def unlinked(path: Path) -> None:
    of(path, os.unlink)


def led_astray(path: Path) -> None:
    unlinked(path)
    of(path, lambda link: link.symlink_to("/bin/sh"))


def layer_records(person: Verifier) -> list[Path]:
    return sorted((person.data / "store" / "layers").iterdir())


DAMAGE: dict[str, tuple[str, Callable[[Verifier], object]]] = {
    "a bit of an active executable": ("executable", lambda p: flip(p.stored("tool"))),
    "a bit of an older one": ("executable", lambda p: flip(p.stored("tool", 1))),
    "an empty executable": ("executable", lambda p: os.truncate(p.stored("tool"), 0)),
    "a lost executable": ("missing", lambda p: shutil.rmtree(p.stored("tool").parent)),
    "a writable executable": ("mode", lambda p: p.stored("tool").chmod(0o755)),
    "a setuid executable": ("mode", lambda p: p.stored("tool").chmod(0o4555)),
    "a lost link": ("link", lambda p: unlinked(p.binary("tool"))),
    "a link elsewhere": ("link", lambda p: led_astray(p.binary("other"))),
    "a stranger in bin": ("link", lambda p: of(p.binary("evil"), lambda path: path.touch())),
    "a damaged older record": ("record", lambda p: flip_record(p, 1)),
    "a lost layer record": ("layer", lambda p: layer_records(p)[0].unlink()),
    "a damaged layer record": ("layer", lambda p: layer_records(p)[0].write_bytes(b"{")),
    "a false layer record": ("layer", lambda p: layer_records(p)[0].write_bytes(b'{"members": {}}')),
    "a lost bin": ("bin", lambda p: (p.data / "bin").unlink()),
}


def flip_record(person: Verifier, number: int) -> None:
    record = person.user / "generations" / str(number) / "generation.json"
    record.chmod(0o644)
    record.write_text("{")


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named_and_mended(person: Verifier, name: str) -> None:
    kind, damage = DAMAGE[name]
    damage(person)
    done = person.run("verify")
    assert (done.code, done.out) == (76, ""), done
    assert "\nhint: type `d8-installer verify --fix`" in done.err
    assert kind in {one["kind"] for one in person.found()}
    fixed = person.run("verify", "--fix")
    assert fixed.code == 0, fixed
    assert "repaired: " in fixed.out
    person.is_sound()


def test_all_at_once(person: Verifier) -> None:
    for _, damage in list(DAMAGE.values())[1:]:
        if damage is not DAMAGE["a lost executable"][1]:
            damage(person)
    shutil.rmtree(person.stored("other", 1).parent)
    assert {one["kind"] for one in person.found()} >= {"executable", "link", "record", "layer", "bin"}
    assert person.run("verify", "--fix").code == 0
    person.is_sound()


@pytest.mark.parametrize("damage", ["a lost executable", "a bit of an active executable"])
def test_without_a_source_it_says_what_it_cannot_mend(person: Verifier, damage: str) -> None:
    DAMAGE[damage][1](person)
    person.stored("other").chmod(0o755)
    done = person.run("verify", "--fix", endpoint=NOWHERE)
    assert done.code == 76
    assert "cannot be fetched again" in done.err
    assert "repaired: " in done.out  # what needs no network is done all the same
    findings = person.found("--fix", "--offline", endpoint=NOWHERE)
    assert ["cannot be fetched again" in one["reason"] for one in findings] == [True] * len(findings)
    assert person.run("verify", "--fix").code == 0
    person.is_sound()


def test_a_source_that_has_other_bytes_by_now_mends_nothing(person: Verifier) -> None:
    shutil.rmtree(person.source)
    add_image(str(person.source), "tool", "v2.0.0", executables("moved", host_platform()))
    flip(person.stored("tool"))
    before = person.stored("tool").read_bytes()
    done = person.run("verify", "--fix")
    assert done.code == 76
    assert "cannot be fetched again" in done.err
    assert person.stored("tool").read_bytes() == before


def test_what_nothing_needs_is_removed(person: Verifier) -> None:
    person.run("gc", "--keep", "1")
    stored = person.data / "store" / "sha256" / ("0" * 64)
    stored.mkdir()
    (stored / "x").write_text("x")
    (person.data / "store" / "layers" / f"{'0' * 64}.json").write_text("{")
    assert sorted(one["kind"] for one in person.found()) == ["executable", "layer"]
    assert person.run("verify", "--fix", endpoint=NOWHERE).code == 0
    assert not stored.exists()
    person.is_sound()


def test_the_active_record_and_a_lost_generation_are_left_to_sync(person: Verifier) -> None:
    flip_record(person, 2)
    done = person.run("verify", "--fix")
    assert done.code == 76
    assert "only a sync can make it again" in done.err
    assert "hint: type `d8-installer sync`" in done.err
    assert person.run("sync").code == 0
    assert person.run("verify", "--fix").code == 0
    person.is_sound()
    (person.user / "current").unlink()
    (person.user / "current").symlink_to("generations/77")
    assert person.found()[0]["kind"] == "current"
    assert person.run("sync").code == 0
    person.is_sound()


def test_a_damaged_run_is_resolved_anew(person: Verifier) -> None:
    assert person.run("run", "tool==1.0.0").out.startswith("v1.0.0")
    record = next((person.data / "runs").glob("*/generations/1/generation.json"))
    record.chmod(0o644)
    record.write_text("{")
    assert person.run("verify", "--fix").code == 0
    assert person.run("run", "tool==1.0.0").out.startswith("v1.0.0")
    person.is_sound()


def test_doctor_leads_to_it(person: Verifier) -> None:
    shutil.rmtree(person.stored("tool").parent)
    assert "hint: type `d8-installer verify --fix`" in person.run("doctor").out


def test_an_empty_home_is_sound_and_stays_empty(tmp_path: Path) -> None:
    for words in (("verify",), ("verify", "--fix")):
        assert run(*words, home=str(tmp_path)).code == 0
    assert list(tmp_path.iterdir()) == []


def test_every_flipped_bit_of_the_store_is_found(person: Verifier) -> None:
    """Single bits, at random, of stored files: each is named, and bin is the same as before once it is mended."""
    chance = random.Random(4)  # noqa: S311 - no secret
    count = 200 if THOROUGH else 5
    for _ in range(count):
        victim = person.stored(*chance.choice([("tool", 1), ("tool", 2), ("other", 1)]))
        flip(victim, chance.randrange(8 * victim.stat().st_size))
        done = person.run("verify", "--fix")
        assert done.code == 0, done
        assert f"repaired: {victim}" in done.out
    print(f"{count} flipped bits of {count} found and mended")  # noqa: T201 - the figure
    person.is_sound()

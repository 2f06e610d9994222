"""``verify`` and the files that lead to no stored file: what was changed is named, and the way out of it works.

Not ``--thorough``: some flipped bits of each file. Thorough: 150 of each, more than a thousand in all.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.command import run
from tests.faults import driver
from tests.faults.scenarios import CONFIG, DATA, said
from tests.forms import THOROUGH
from tests.images import add_image, executables, host_platform
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="executes scripts; commands are forked")

FLIPS = 150 if THOROUGH else 6
NOWHERE = "https://127.0.0.1:1"


class Keeper(Person):
    """Somebody with `tool` 1.0.0 with `other`, then `tool` 2.0.0, and a project that wants `tool`."""

    def __init__(self, home: Path, images: Path) -> None:
        super().__init__(home, images)
        self.images = images
        self.mine = home / "work" / "mine"

    def prepare(self) -> None:
        """Make all but what the project's path is part of."""
        self.mine.mkdir(parents=True)
        (self.mine.parent / "notes").touch()
        for tag in ("v1.0.0", "v2.0.0"):
            add_image(str(self.images), "tool", tag, executables(tag, host_platform()))
        add_image(str(self.images), "other", "v1.0.0", executables("other", host_platform()))
        for words in (("tool==1.0.0", "other"), ("tool==2.0.0",)):
            self.ok("install", *words)

    def begin(self) -> None:
        (self.mine / "d8.toml").write_text('schema = 1\n[[images]]\nname = "tool"\n')
        self.ok("sync", cwd=self.mine)

    def found(self, *words: str) -> list[dict[str, Any]]:
        done = self.run("verify", "--json", *words, endpoint="")
        findings: list[dict[str, Any]] = json.loads(done.out)["data"]["findings"]
        return findings

    def kinds(self) -> set[str]:
        return {one["kind"] for one in self.found()}

    @property
    def of_project(self) -> Path:
        (found,) = (self.data / "profiles").glob("[0-9a-f]*")
        return found


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Keeper:
    """Somebody whom nobody changes; each test has a copy."""
    directory = tmp_path_factory.mktemp("prepared")
    made = Keeper(directory / "home", directory / "images")
    made.prepare()
    return made


def copy_of(prepared: Keeper, directory: Path) -> Keeper:
    shutil.copytree(prepared.home, directory / "home", symlinks=True)
    shutil.copytree(prepared.images, directory / "images")
    copy = Keeper(directory / "home", directory / "images")
    copy.begin()
    return copy


@pytest.fixture
def person(prepared: Keeper, tmp_path: Path) -> Keeper:
    return copy_of(prepared, tmp_path)


# -- single bits -----------------------------------------------------------------------------------------------

STATE = {
    "active record": "profiles/user/generations/2/generation.json",
    "older record": "profiles/user/generations/1/generation.json",
    "lock": "profiles/user/d8.lock",
    "tags": "tags.json",
    "project": "profiles/[0-9a-f]*/project",
    "schema": "schema",
    "layer record": "store/layers/*.json",
}


@pytest.fixture(scope="module")
def ready(prepared: Keeper, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeper]:
    yield copy_of(prepared, tmp_path_factory.mktemp("flips"))


@pytest.mark.parametrize("name", STATE)
def test_a_flipped_bit_is_noticed(ready: Keeper, name: str, record_property: Callable[[str, object], None]) -> None:
    """By verify, or because nothing that counts was changed: a white space, a comment, the mark itself."""
    person = ready
    path = sorted(person.data.glob(STATE[name]))[0]
    sound = path.read_bytes()
    chance = random.Random(name)  # noqa: S311 - the same places every time
    places = [chance.randrange(8 * len(sound)) for _ in range(FLIPS)] if len(sound) > 9 else range(8 * len(sound))
    missed, noticed = [], 0
    path.chmod(0o644)
    for at in places:
        changed = bytearray(sound)
        changed[at // 8] ^= 1 << at % 8
        path.write_bytes(bytes(changed))
        done = driver.run("verify", home=str(person.home))
        assert "Traceback" not in done.err, done
        noticed += done.code != 0
        if done.code == 0 and not is_harmless(name, sound, at // 8):
            missed.append(f"byte {at // 8} bit {at % 8}: {sound[max(0, at // 8 - 30) : at // 8 + 9]!r}")
        path.write_bytes(sound)
    path.chmod(0o444 if "generations" in str(path) else 0o644)
    record_property("flips", len(places))
    rest = f"{len(places) - noticed - len(missed)} say nothing, {len(missed)} missed"
    print(f"{name}: {noticed} of {len(places)} flipped bits noticed, {rest}")  # noqa: T201 - the figure
    assert not missed, "\n".join(missed)
    assert driver.run("verify", home=str(person.home)).code == 0


def is_harmless(name: str, sound: bytes, at: int) -> bool:
    """Whether no value is in that place: between JSON's tokens, in the lock's comments and blank lines."""
    if name in {"tags", "layer record"}:
        return sound[at : at + 1].isspace() or b'"mark"' in sound[at - 12 : at + 12]
    if name == "lock":
        begin = sound.rfind(b"\n", 0, at) + 1
        end = sound.find(b"\n", at)
        line = sound[begin : end + 1]
        return line.startswith((b"#", b"lock_version")) or line == b"\n" or b"  # entry" in line[: at - begin + 10]
    return False


# -- what is named, and its way out ----------------------------------------------------------------------------


def test_a_changed_lock_is_named_and_restored(person: Keeper) -> None:
    lock = person.user / "d8.lock"
    sound = lock.read_text()
    at = sound.index('child = "sha256:') + 20
    lock.write_text(sound[:at] + ("0" if sound[at] != "0" else "1") + sound[at + 1 :])
    assert "is not as it was written: the entry of " in person.fails(76, "verify").err
    assert "repaired: " in person.ok("verify", "--fix", endpoint=NOWHERE).out
    assert lock.read_text() == sound
    lock.write_text("lock_version = 1\n[[images")
    assert person.kinds() == {"lock"}
    person.ok("verify", "--fix", endpoint=NOWHERE)
    assert lock.read_text() == sound


def test_a_record_without_a_checksum_must_agree_with_the_lock_in_it(person: Keeper) -> None:
    generation = person.user / "generations" / "2"
    generation.chmod(0o755)
    (generation / "summary").touch()  # what an older version wrote; nobody reads it
    record = generation / "generation.json"
    record.chmod(0o644)
    document = json.loads(record.read_text())
    del document["checksum"]
    record.write_text(json.dumps(document, indent=1))
    person.ok("verify")
    record.write_text(record.read_text().replace('"version": "v2.0.0"', '"version": "v1.0.0"'))
    assert person.kinds() == {"current"}
    (person.user / "d8.lock").write_text("# a line\n" + (person.user / "d8.lock").read_text())
    assert "differs from the lock in it" in person.ok("sync", "--frozen").err
    assert "hint: type `d8-installer verify --fix`" in person.fails(76, "verify").err  # it is an older one now
    person.ok("verify", "--fix")
    person.ok("verify")


def test_a_damaged_memory_of_tags_is_named_and_made_anew(person: Keeper) -> None:
    tags = person.data / "tags.json"
    sound = json.loads(tags.read_text())
    tags.write_text("{")
    assert person.kinds() == {"tags"}
    assert "tags.json is damaged" in person.fails(1, "doctor").out
    person.ok("verify", "--fix", endpoint=NOWHERE)
    assert json.loads(tags.read_text()) == sound
    person.ok("install", "tool==1.0.0")


def test_a_lost_current_is_named(person: Keeper) -> None:
    (person.user / "current").unlink()
    done = person.fails(76, "verify")
    assert "current is missing: no generation is active" in done.err
    assert "hint: type `d8-installer sync`\n" in done.err
    person.ok("sync")
    person.ok("verify")
    assert said(str(person.home), "tool") == "v2.0.0"


def test_a_directory_at_current_is_to_be_moved_away(person: Keeper) -> None:
    current = person.user / "current"
    current.unlink()
    current.mkdir()
    done = person.fails(76, "verify")
    assert f"{current} is in the way: it is not a link of d8-installer" in done.errors
    assert "hint: move it away, then type `d8-installer sync`\n" in done.err
    assert "move it away" in person.fails(76, "verify", "--fix").err
    current.rename(person.home / "elsewhere")
    person.ok("sync")
    person.ok("verify")


def test_a_bin_that_leads_elsewhere_is_to_be_moved_away(person: Keeper) -> None:
    entry = person.data / "bin"
    entry.unlink()
    entry.symlink_to("/usr/bin")
    for words in ((), ("--fix",)):
        done = person.fails(76, "verify", *words)
        assert "hint: move it away, then type `d8-installer sync`\n" in done.err
        assert "--fix" not in done.err
    entry.unlink()
    person.ok("sync")
    person.ok("verify")


def test_what_cannot_be_fetched_hints_at_what_is_missing(person: Keeper) -> None:
    shutil.rmtree((person.data / "bin" / "tool").resolve().parent)
    done = person.fails(76, "verify", "--fix", endpoint="")
    assert "hint: type `d8-installer config set endpoint" in done.err
    assert "verify --fix" not in done.err


def test_a_directory_that_is_a_link_is_named_and_what_it_leads_to_stays(person: Keeper) -> None:
    generation = person.user / "generations" / "2"
    generation.chmod(0o755)
    (generation / "bin").chmod(0o755)
    elsewhere = person.home / "elsewhere"
    (generation / "bin").rename(elsewhere)
    (elsewhere / "ls").touch()
    (generation / "bin").symlink_to(elsewhere)
    assert "bin (generation 2 of your profile) is not of this generation" in person.fails(76, "verify").err
    person.ok("verify", "--fix")
    person.ok("verify")
    assert not (generation / "bin").is_symlink()
    assert sorted(path.name for path in elsewhere.iterdir()) == ["ls", "other", "tool"]


@pytest.mark.parametrize(
    "place",
    [
        *(".", "profiles", "profiles/user", "profiles/user/generations", "profiles/user/generations/1/bin", "store"),
        *("store/sha256", "store/layers", "profiles/user/d8.lock", "tags.json"),
    ],
)
def test_what_anybody_may_change_is_named_and_mended(person: Keeper, place: str) -> None:
    path = person.data / place
    before = path.stat().st_mode
    path.chmod(before | 0o022)
    assert "may be changed by everybody" in person.fails(76, "verify").err
    person.ok("verify", "--fix", endpoint=NOWHERE)
    assert path.stat().st_mode & 0o022 == 0
    assert path.stat().st_mode & 0o7000 == before & 0o7000
    person.ok("verify")


def test_a_stray_file_in_the_store_goes_without_a_network(person: Keeper) -> None:
    stored = (person.data / "bin" / "tool").resolve()
    stray, other = stored.parent / "stray", stored.parent / "deep"
    stray.write_text("x")
    other.mkdir()
    assert person.kinds() == {"executable"}
    person.ok("verify", "--fix", endpoint=NOWHERE)
    assert os.listdir(stored.parent) == ["tool"]


@pytest.mark.parametrize("target", [None, "nowhere", "twin"], ids=["other bytes", "dangling link", "link"])
def test_a_damaged_name_takes_the_bytes_of_a_sound_one(person: Keeper, target: str | None) -> None:
    add_image(
        str(person.images), "twin", "v1.0.0", executables("v2.0.0", host_platform())
    )  # the bytes of `tool` under another name
    person.ok("install", "twin")
    tool = (person.data / "bin" / "tool").resolve()
    twin = (person.data / "bin" / "twin").resolve()
    assert tool.parent == twin.parent
    tool.unlink()
    if target is None:
        tool.write_bytes(b"x")
        tool.chmod(0o555)
    else:
        tool.symlink_to(target)
    person.ok("verify", "--fix", endpoint=NOWHERE)
    assert tool.read_bytes() == twin.read_bytes()
    assert not tool.is_symlink()


def test_the_counts_are_those_after_mending(person: Keeper) -> None:
    shutil.rmtree((person.data / "bin" / "tool").resolve().parent)
    fixed, after = person.ok("verify", "--fix").out.splitlines()[-1], person.ok("verify").out.splitlines()[-1]
    assert fixed == after
    assert fixed.startswith("3 stored files (")


def test_one_file_is_one_file(tmp_path: Path) -> None:
    add_image(str(tmp_path / "images"), "tool", "v1.0.0", executables("x", host_platform()))
    home = tmp_path / "home"
    home.mkdir()
    env = {"D8_RPP_ENDPOINT": f"oci-layout:{tmp_path / 'images'}"}

    def says(*words: str) -> str:
        done = run(*words, home=str(home), env=env)
        assert done.code == 0, done
        return done.out

    says("install", "tool")
    assert "1 stored file (" in says("verify")
    assert says("lock").endswith("(1 image)\n")
    assert "has all 1 build as locked" not in says("lock", "--check")
    assert "has the 1 build as locked" in says("lock", "--check")
    assert "(1 image, 1 layer for " in says("bundle", "create", "-o", "x.bundle")
    says("uninstall", "tool")
    assert "in 3 things\n" in says("gc", "--keep", "1")
    (home / DATA / "store" / "layers" / f"{'0' * 64}.json").write_text("{}")
    assert " in 1 thing\n" in says("gc")


# -- whose profile it is ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["/elsewhere", "", "\0", None])
def test_a_profile_that_names_another_project_stays(person: Keeper, damage: str | None) -> None:
    file = person.of_project / "project"
    if damage is None:
        file.unlink()
    else:
        file.write_text(f"{person.home}/work/gone\n" if damage == "/elsewhere" else damage)
    done = person.fails(76, "verify")
    assert "project does not name the project that this profile is of" in done.err
    assert "hint: type `d8-installer sync` in that project\n" in done.err
    assert "whose project is not known" in person.ok("gc").err
    person.ok("which", "tool", cwd=person.mine)
    person.ok("sync", "--prune", cwd=person.mine)
    person.ok("verify")


def test_a_project_that_was_a_disk_of_its_own_may_only_be_unmounted(person: Keeper) -> None:
    (person.of_project / "mounted").touch()  # as a sync there writes it
    shutil.rmtree(person.mine)
    assert "--missing" in person.ok("gc").err
    assert "removed the p" in person.ok("gc", "--missing").out


def test_a_profile_directory_on_a_disk_that_is_away_is_no_empty_one(person: Keeper) -> None:
    disk = person.home / "disk"
    disk.mkdir()
    profiles = person.data / "profiles"
    profiles.rename(disk / "profiles")
    profiles.symlink_to(disk / "profiles")
    disk.rename(person.home / "away")
    before = sorted((person.data / "store").glob("*/*"))
    for words in (("gc",), ("gc", "--dry-run"), ("verify",), ("verify", "--fix")):
        assert "is a link that leads nowhere" in person.fails(73, *words).err
    profiles.unlink()
    profiles.mkdir()  # a mount point, while its disk is away
    assert "mount the disk that it is on" in person.fails(73, "gc").err
    assert sorted((person.data / "store").glob("*/*")) == before
    profiles.rmdir()
    (person.home / "away" / "profiles").rename(profiles)
    person.ok("gc")
    person.ok("verify")


LEADS_NOWHERE = "{} is a link that leads nowhere"
WRITTEN_THROUGH = {
    "tags.json": (("lock", "--upgrade"), 73, LEADS_NOWHERE),
    "schema": (("install", "other"), 78, "has no file `schema`"),
    "profiles/user/stamp.json": (("install", "other"), 0, LEADS_NOWHERE),
    "profiles/user/d8.lock": (("install", "other"), 73, LEADS_NOWHERE),
}


@pytest.mark.parametrize("name", WRITTEN_THROUGH)
def test_a_state_file_that_is_a_link_to_nowhere_is_not_written_through(person: Keeper, name: str) -> None:
    words, code, says = WRITTEN_THROUGH[name]
    victim = person.home / "victim"
    (person.data / name).unlink()
    (person.data / name).symlink_to(victim)
    assert says.format(person.data / name) in person.ends(code, *words).err
    assert not victim.exists()


def test_a_missing_directory_is_not_the_disks_fault(person: Keeper) -> None:
    done = person.fails(73, "bundle", "create", "-o", "nowhere/x.bundle")
    assert "disk is sound" not in done.err
    assert "make the directory first" in done.err


# -- numbers that no calendar has ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("gc", "--older-than", "999999w"), 0),
        (("gc", "--older-than", "999999d", "--dry-run"), 0),
        (("gc", "--older-than", "9999999w"), 2),
        (("gc", "--keep", "99999999999999999999"), 2),
        (("lock", "--exclude-newer", "99999w"), 69),
        (("lock", "--exclude-newer", "0001-01-01"), 69),
        (("lock", "--exclude-newer", "0001-01-01T00:00:00+23:59"), 2),
        (("lock", "--exclude-newer", "9999-12-31T23:59:59-23:59"), 2),
        (("lock", "--exclude-newer", "9999-12-31"), 69),
        (("rollback", "9" * 9), 69),
        (("rollback", "9" * 5000), 2),
    ],
)
def test_no_number_is_a_bug(person: Keeper, words: tuple[str, ...], code: int) -> None:
    manifest = person.home / CONFIG / "d8.toml"
    manifest.write_text(manifest.read_text())
    (person.user / "d8.lock").unlink()
    person.ends(code, *words)

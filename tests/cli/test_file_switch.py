"""The verbs where a generation becomes active file by file, as on Windows: the same life, exercised on Linux."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from d8_installer.store import fs
from d8_installer.store.flock import WaitPolicy, say_nothing
from tests.command import Completed, ended
from tests.faults.scenarios import leftovers
from tests.images import add_image, executables, host_platform
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="executes scripts by their first line")

_MAIN = """
import sys
from d8_installer.store import switch
from d8_installer.store.file_switch import FileSwitch
switch.switch_for_this_system = FileSwitch
from d8_installer.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


class WithoutLinks(Person):
    """Somebody whose system has no links."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "home", directory / "images")
        for tag in ("v1.0.0", "v2.0.0", "v3.0.0"):
            add_image(str(self.source), "tool", tag, executables(tag, host_platform()))

    @property
    def bin(self) -> Path:
        return self.data / "bin"

    def _command(self, *words: str, env: dict[str, str], cwd: str) -> Completed:
        return ended([sys.executable, "-c", _MAIN, *words], home=str(self.home), env=env, cwd=cwd)


@pytest.fixture
def person(tmp_path: Path) -> WithoutLinks:
    made = WithoutLinks(tmp_path)
    for version in ("1.0.0", "2.0.0"):
        made.ok("install", f"tool=={version}")
    assert (made.user / "current").is_dir()
    assert not (made.user / "current").is_symlink()
    return made


def test_a_life(person: WithoutLinks) -> None:
    person.ok("rollback")
    assert person.says("tool").split()[0] == "v1.0.0"
    person.ok("install", "tool==3.0.0")
    person.ok("verify")
    removed = json.loads(person.ok("gc", "--keep", "1", "--json").out)["data"]["removed"]
    assert sorted(one["kind"] for one in removed) == ["executable"] * 2 + ["generation"] * 2 + ["layer"] * 2
    assert person.says("tool").split()[0] == "v3.0.0"
    person.ok("verify")
    assert leftovers(str(person.home)) == []
    person.ok("self", "uninstall", "--yes")
    assert list(person.home.iterdir()) == []


def test_a_cut_switch_is_carried_on_before_anything_is_collected(person: WithoutLinks) -> None:
    (person.user / "current" / "journal.json").write_text('{"to": 1}')
    person.ok("gc", "--keep", "1")
    assert person.says("tool").split()[0] == "v1.0.0"
    person.ok("verify")


@pytest.mark.parametrize("place", ["../../bin/tool", "generations/2/bin/tool"])
def test_the_copies_are_verified_and_mended(person: WithoutLinks, place: str) -> None:
    path = person.user / place
    path.parent.chmod(0o755)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-2] + b"!\n")
    path.chmod(0o755)
    assert "tool" in person.fails(76, "verify").err
    person.ok("verify", "--fix")
    person.ok("verify")
    assert person.says("tool").split()[0] == "v2.0.0"


def test_a_damaged_stored_file_is_mended_under_all_its_names(person: WithoutLinks) -> None:
    stored = next(path for path in (person.data / "store" / "sha256").glob("*/tool") if b"v2" in path.read_bytes())
    stored.chmod(0o755)
    stored.write_bytes(stored.read_bytes().replace(b"v2", b"v9"))  # a hard link: the copies are this very file
    assert person.says("tool").split()[0] == "v9.0.0"
    person.fails(76, "verify")
    person.ok("verify", "--fix")
    assert person.says("tool").split()[0] == "v2.0.0"
    person.ok("verify")


def test_a_lost_path_entry_is_made_again(person: WithoutLinks) -> None:
    for words in (("sync",), ("verify", "--fix")):
        shutil.rmtree(person.bin)
        assert "tool" in person.fails(76, "verify").err
        person.ok(*words)
        assert person.says("tool").split()[0] == "v2.0.0"
        person.ok("verify")


def test_a_file_of_others_in_the_path_entry_is_reported_and_stays(person: WithoutLinks) -> None:
    theirs = person.bin / "theirs"
    theirs.write_text("theirs")
    for words in (("verify",), ("verify", "--fix")):
        done = person.fails(76, *words)
        assert str(theirs) in done.err
        assert "move it away" in done.err
    assert "d8-installer did not put it there" in done.err
    person.ok("install", "tool==3.0.0")
    person.ok("rollback")
    assert "not d8-installer's" in person.ok("self", "uninstall", "--yes").out
    kept = {path for path in person.data.rglob("*") if path.is_file()}
    assert kept == {theirs, person.data / "schema"}, "what is kept is a home still"


def test_a_file_of_others_is_not_replaced(person: WithoutLinks) -> None:
    add_image(str(person.source), "other", "v1.0.0", executables("v1.0.0", host_platform()))
    theirs = person.bin / "other"
    theirs.write_text("theirs")
    assert f"{theirs} is in the way" in person.fails(73, "install", "other").err
    assert theirs.read_text() == "theirs"
    theirs.unlink()
    person.ok("install", "other")


@pytest.mark.parametrize(
    "words", [("list",), ("which", "tool"), ("history",), ("doctor",), ("run", "tool"), ("verify",)]
)
def test_a_reading_command_finishes_a_cut_switch(person: WithoutLinks, words: tuple[str, ...]) -> None:
    (person.user / "current" / "journal.json").write_text('{"to": 1}')
    (person.bin / "tool").unlink()
    person.ok(*words)
    assert person.says("tool").split()[0] == "v1.0.0"
    assert not (person.user / "current" / "journal.json").exists()


def test_a_reading_command_leaves_a_switch_to_the_process_that_is_at_work(person: WithoutLinks) -> None:
    journal = person.user / "current" / "journal.json"
    journal.write_text('{"to": 1}')
    for mutex in (person.user / "mutex", person.data / "switching.mutex"):
        with fs.exclusive(str(mutex), WaitPolicy(say_nothing)):
            person.ok("list")
        assert journal.exists()

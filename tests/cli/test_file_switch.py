"""The verbs where a generation becomes active file by file, as on Windows: the same life, exercised on Linux."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.command import Completed, ended
from tests.faults.scenarios import DATA, leftovers
from tests.images import add_image, executables, host_platform

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="executes scripts by their first line")

_MAIN = """
import sys
from d8_installer.store import switch
switch.switch_for_this_system = switch.FileSwitch
from d8_installer.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


class Person:
    """Somebody whose system has no links."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "home"
        self.path.mkdir()
        self.images = str(directory / "images")
        for tag in ("v1.0.0", "v2.0.0", "v3.0.0"):
            add_image(self.images, "tool", tag, executables(tag, host_platform()))

    def run(self, *words: str, expect: int = 0) -> Completed:
        env = {"D8_RPP_ENDPOINT": f"oci-layout:{self.images}"}
        done = ended([sys.executable, "-c", _MAIN, *words], home=str(self.path), env=env)
        assert done.code == expect, done
        return done

    @property
    def user(self) -> Path:
        return self.path / DATA / "profiles" / "user"

    def says(self) -> str:
        return ended([str(self.user / "current" / "bin" / "tool")], home=str(self.path)).out.split()[0]


@pytest.fixture
def person(tmp_path: Path) -> Person:
    made = Person(tmp_path)
    for version in ("1.0.0", "2.0.0"):
        made.run("install", f"tool=={version}")
    assert (made.user / "current").is_dir()
    assert not (made.user / "current").is_symlink()
    return made


def test_a_life(person: Person) -> None:
    person.run("rollback")
    assert person.says() == "v1.0.0"
    person.run("install", "tool==3.0.0")
    person.run("verify")
    removed = json.loads(person.run("gc", "--keep", "1", "--json").out)["data"]["removed"]
    assert sorted(one["kind"] for one in removed) == ["executable"] * 2 + ["generation"] * 2 + ["layer"] * 2
    assert person.says() == "v3.0.0"
    person.run("verify")
    assert leftovers(str(person.path)) == []
    person.run("self", "uninstall", "--yes")
    assert list(person.path.iterdir()) == []


def test_a_cut_switch_is_carried_on_before_anything_is_collected(person: Person) -> None:
    (person.user / "current" / "journal.json").write_text('{"to": 1}')
    person.run("gc", "--keep", "1")
    assert person.says() == "v1.0.0"
    person.run("verify")


@pytest.mark.parametrize("place", ["current/bin/tool", "generations/2/bin/tool"])
def test_the_copies_are_verified_and_mended(person: Person, place: str) -> None:
    path = person.user / place
    path.parent.chmod(0o755)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-2] + b"!\n")
    path.chmod(0o755)
    assert "tool" in person.run("verify", expect=76).err
    person.run("verify", "--fix")
    person.run("verify")
    assert person.says() == "v2.0.0"


def test_a_damaged_stored_file_is_mended_under_all_its_names(person: Person) -> None:
    stored = next(
        path for path in (person.path / DATA / "store" / "sha256").glob("*/tool") if b"v2" in path.read_bytes()
    )
    stored.chmod(0o755)
    stored.write_bytes(stored.read_bytes().replace(b"v2", b"v9"))  # a hard link: the copies are this very file
    assert person.says() == "v9.0.0"
    person.run("verify", expect=76)
    person.run("verify", "--fix")
    assert person.says() == "v2.0.0"
    person.run("verify")

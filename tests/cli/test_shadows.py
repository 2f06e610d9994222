"""Another file on PATH with the name of a binary, and before it: it is named, by all that places, and by doctor."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.digest import Digest
from d8_installer.plugin.launcher import launcher
from tests.command import SYSTEM_PATH
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="scripts and mode bits")


class Shadowed(Person):
    """Somebody with the images a and b, and a directory of other programs."""

    def __init__(self, root: Path) -> None:
        super().__init__(root / "home", root / "images")
        self.other = root / "other"
        self.other.mkdir()
        for name in ("a", "b"):
            self.publish(name, "v1.0.0", "v2.0.0")

    def program(self, name: str, text: str = "#!/bin/sh\n", mode: int = 0o755) -> str:
        file = self.other / name
        file.write_text(text)
        file.chmod(mode)
        return str(file)

    @property
    def first(self) -> str:
        """A PATH with the others before ours."""
        return f"{self.other}:{SYSTEM_PATH}:{self.bin}"


@pytest.fixture
def person(tmp_path: Path) -> Shadowed:
    return Shadowed(tmp_path)


def test_each_name_is_named_with_its_file_by_all_that_places(person: Shadowed) -> None:
    files = [person.program(name) for name in ("a", "b")]
    for words in (("install", "a", "b"), ("use", "a", "v1.0.0"), ("upgrade", "a"), ("rollback",), ("sync",)):
        done = person.ok(*words, PATH=person.first)
        if words == ("sync",) and "nothing to do" in done.out:
            continue
        for name, file in zip(("a", "b"), files, strict=True):
            assert f"{file} comes first on PATH, so the command {name} is not the one in {person.bin}" in done.err, (
                words
            )
    found = json.loads(person.ok("doctor", "--json", PATH=person.first).out)["data"]["findings"]
    warned = [one for one in found if one["check"] == "path" and one["level"] == "warning"]
    assert [one["message"].split()[0] for one in warned] == files
    assert str(person.bin) in warned[0]["hint"]


def test_before_ensurepath_it_is_said_as_well(person: Shadowed) -> None:
    file = person.program("a")
    done = person.ok("install", "a", PATH=f"{SYSTEM_PATH}:{person.other}")
    assert f"{file} is on PATH, so the command a will not be the one in {person.bin}" in done.err


def test_what_is_no_other_command_is_not_named(person: Shadowed) -> None:
    person.ok("install", "a", "b", PATH=f"{person.bin}")
    person.program("a", launcher("a", Digest("0" * 64)))  # starts the very binary
    (person.other / "b").symlink_to(person.bin / "b")
    again = ("use", "a", "v1.0.0"), ("use", "a", "v2.0.0")
    assert "on PATH" not in person.ok(*again[0], PATH=person.first).err
    (person.other / "a").unlink()
    person.program("a", mode=0o644)
    (person.other / "b").unlink()
    (person.other / "b").mkdir()
    assert "on PATH" not in person.ok(*again[1], PATH=f"{person.first}::.").err
    person.program("a")
    for path in (f"{person.bin}:{person.other}", f"{person.bin}/:{person.other}"):
        assert "on PATH" not in person.ok("upgrade", "--all", PATH=path).err, "ours comes first"


def test_a_projects_bin_counts_where_it_is_on_path(person: Shadowed) -> None:
    project = person.home / "work"
    project.mkdir()
    (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "a"\n')
    file = person.program("a")
    assert "on PATH" not in person.ok("sync", PATH=f"{person.other}:{SYSTEM_PATH}", cwd=project).err
    where = person.ok("env", "--shell", "github", PATH=SYSTEM_PATH, cwd=project).out.strip()
    (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "a"\n[[images]]\nname = "b"\n')
    done = person.ok("sync", PATH=f"{person.other}:{SYSTEM_PATH}:{where}", cwd=project)
    assert f"{file} comes first on PATH, so the command a is not the one in {where}" in done.err

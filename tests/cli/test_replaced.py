"""A program that replaces its own file in the store, as `d8 dist update` does, is noticed and named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.command import Completed, run
from tests.images import add_image, executables, host_platform

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")

PUT_BACK = "putting back what was installed: "


class Person:
    """Somebody who has `tool` in place."""

    def __init__(self, home: Path, images: Path) -> None:
        self.home = home
        self.images = images

    def run(self, *words: str, expect: int = 0) -> Completed:
        done = run("--endpoint", f"oci-layout:{self.images}", *words, home=str(self.home))
        assert "Traceback" not in done.err, done
        assert done.code == expect, done
        return done

    @property
    def program(self) -> Path:
        return Path(self.run("which", "tool").out.strip())

    def says(self) -> str:
        return subprocess.run(
            [self.home / ".local/share/d8-installer/bin/tool"], capture_output=True, text=True, check=True
        ).stdout.split()[0]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("replaced")
    add_image(str(root / "images"), "tool", "v1.0.0", executables("old", host_platform()))
    (root / "home").mkdir()
    Person(root / "home", root / "images").run("install", "tool")
    return root


@pytest.fixture
def person(prepared: Path, tmp_path: Path) -> Person:
    shutil.copytree(prepared / "home", tmp_path / "home", symlinks=True)
    return Person(tmp_path / "home", prepared / "images")


def a_link(program: Path, new: Path) -> None:
    program.unlink()
    program.symlink_to(new)


def another_file(program: Path, new: Path) -> None:
    shutil.copy(new, f"{program}.new")
    os.replace(f"{program}.new", program)


def longer(program: Path, _new: Path) -> None:
    program.chmod(0o755)
    with program.open("a") as file:
        file.write("# more\n")


def a_directory(program: Path, _new: Path) -> None:
    program.unlink()
    program.mkdir()


CHANGES = (a_link, another_file, longer, a_directory)


def change(person: Person, how: Callable[[Path, Path], None]) -> Path:
    """Change the stored file, which its directory only allows somebody who insists; returns the file."""
    new = person.home / "new"
    new.write_text("#!/bin/sh\necho a newer one\n")
    new.chmod(0o755)
    program = person.program
    program.parent.chmod(0o755)
    how(program, new)
    program.parent.chmod(0o555)
    return program


def test_the_store_is_closed_to_programs_that_replace_themselves(person: Person) -> None:
    directories = (person.home / ".local/share/d8-installer/store/sha256").iterdir()
    assert [oct(path.stat().st_mode & 0o777) for path in directories] == ["0o555"]
    program = person.program
    assert program.stat().st_mode & 0o777 == 0o555
    as_person = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run([*as_person, "mv", "-T", str(program), f"{program}.old"], capture_output=True, check=False)
    assert done.returncode != 0
    assert person.says() == "old"


@pytest.mark.parametrize("how", CHANGES, ids=lambda how: how.__name__)
def test_a_replaced_program_is_named_and_not_run(person: Person, how: Callable[[Path, Path], None]) -> None:
    program = change(person, how)
    for words in (("list",), ("which", "tool"), ("sync", "--dry-run")):
        assert f"warning: something else changed tool v1.0.0: {program} " in person.run(*words).err, words
    assert f"error: something else changed tool v1.0.0: {program} " in person.run("run", "tool", expect=76).err
    assert f"{program} " in person.run("verify", expect=76).err
    assert "tool was changed" in person.run("doctor", expect=1).out or how is a_directory


@pytest.mark.parametrize("how", CHANGES[:3], ids=lambda how: how.__name__)
@pytest.mark.parametrize("command", [("sync",), ("verify", "--fix"), ("install", "tool")], ids=" ".join)
def test_what_puts_it_back_says_so(person: Person, how: Callable[[Path, Path], None], command: tuple[str, ...]) -> None:
    program = change(person, how)
    done = person.run(*command)
    assert PUT_BACK in done.err
    assert "`d8-installer upgrade tool`" in done.err
    assert (person.says(), program.is_symlink()) == ("old", False)
    assert oct(program.parent.stat().st_mode & 0o777) == "0o555"
    assert (person.home / "new").exists()
    assert PUT_BACK not in person.run("sync").err
    person.run("verify")


def test_a_list_for_programs_says_it_too(person: Person) -> None:
    assert rows(person)[0]["problem"] is None
    change(person, a_link)
    assert rows(person)[0]["problem"] == f"is a link to {person.home / 'new'}, which is not what was installed"


def rows(person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(person.run("--json", "list").out)["data"]["binaries"]
    return found


def test_the_quick_sync_notices_a_replacement_with_the_same_time(person: Person) -> None:
    person.run("sync")
    assert person.run("sync").out == "nothing to do\n"
    times = person.program.stat()
    program = change(person, another_file)
    os.utime(program, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert PUT_BACK in person.run("sync").err


def test_a_lost_permission_to_execute_is_given_back(person: Person) -> None:
    person.program.chmod(0o444)
    assert "may not be executed" in person.run("doctor", expect=1).out
    assert PUT_BACK in person.run("sync").err
    assert person.says() == "old"


def test_without_a_source_the_replacement_stays(person: Person) -> None:
    program = change(person, a_link)
    done = run("--offline", "sync", home=str(person.home))
    assert done.code != 0
    assert "something else changed tool" in done.err
    assert program.is_symlink()

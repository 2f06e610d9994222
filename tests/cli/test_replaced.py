"""A program that replaces its own file in the store, as `d8 dist update` does, is noticed and named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.command import run
from tests.images import add_image, executables, host_platform
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")

PUT_BACK = "putting back what was installed: "


class ToolOwner(Person):
    """Somebody who has `tool` in place."""

    @property
    def program(self) -> Path:
        return Path(self.ok("which", "tool").out.strip())


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("replaced")
    add_image(str(root / "images"), "tool", "v1.0.0", executables("old", host_platform()))
    ToolOwner(root / "home", root / "images").ok("install", "tool")
    return root


@pytest.fixture
def person(prepared: Path, tmp_path: Path) -> ToolOwner:
    shutil.copytree(prepared / "home", tmp_path / "home", symlinks=True)
    return ToolOwner(tmp_path / "home", prepared / "images")


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


def change(person: ToolOwner, how: Callable[[Path, Path], None]) -> Path:
    """Change the stored file, which its directory only allows somebody who insists; returns the file."""
    new = person.home / "new"
    new.write_text("#!/bin/sh\necho a newer one\n")
    new.chmod(0o755)
    program = person.program
    program.parent.chmod(0o755)
    how(program, new)
    program.parent.chmod(0o555)
    return program


def test_the_store_is_closed_to_programs_that_replace_themselves(person: ToolOwner) -> None:
    directories = (person.home / ".local/share/d8-installer/store/sha256").iterdir()
    assert [oct(path.stat().st_mode & 0o777) for path in directories] == ["0o555"]
    program = person.program
    assert program.stat().st_mode & 0o777 == 0o555
    as_person = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run([*as_person, "mv", "-T", str(program), f"{program}.old"], capture_output=True, check=False)
    assert done.returncode != 0
    assert person.says("tool").split()[0] == "old"


@pytest.mark.parametrize("how", CHANGES, ids=lambda how: how.__name__)
def test_a_replaced_program_is_named_and_not_run(person: ToolOwner, how: Callable[[Path, Path], None]) -> None:
    program = change(person, how)
    for words in (("list",), ("which", "tool"), ("sync", "--dry-run")):
        assert f"warning: something else changed tool v1.0.0: {program} " in person.ok(*words).err, words
    assert f"]: something else changed tool v1.0.0: {program} " in person.fails(76, "run", "tool").err
    assert f"{program} " in person.fails(76, "verify").err
    assert "tool was changed" in person.fails(1, "doctor").out or how is a_directory


@pytest.mark.parametrize("how", CHANGES[:3], ids=lambda how: how.__name__)
@pytest.mark.parametrize("command", [("sync",), ("verify", "--fix"), ("install", "tool")], ids=" ".join)
def test_what_puts_it_back_says_so(
    person: ToolOwner, how: Callable[[Path, Path], None], command: tuple[str, ...]
) -> None:
    program = change(person, how)
    done = person.ok(*command)
    assert PUT_BACK in done.err
    assert "`d8-installer upgrade tool`" in done.err
    assert (person.says("tool").split()[0], program.is_symlink()) == ("old", False)
    assert oct(program.parent.stat().st_mode & 0o777) == "0o555"
    assert (person.home / "new").exists()
    assert PUT_BACK not in person.ok("sync").err
    person.ok("verify")


def test_a_list_for_programs_says_it_too(person: ToolOwner) -> None:
    assert rows(person)[0]["problem"] is None
    change(person, a_link)
    assert rows(person)[0]["problem"] == f"is a link to {person.home / 'new'}, which is not what was installed"


def rows(person: ToolOwner) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(person.ok("--json", "list").out)["data"]["binaries"]
    return found


def test_the_quick_sync_notices_a_replacement_with_the_same_time(person: ToolOwner) -> None:
    person.ok("sync")
    assert person.ok("sync").out == "nothing to do\n"
    times = person.program.stat()
    program = change(person, another_file)
    os.utime(program, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert PUT_BACK in person.ok("sync").err


def test_a_lost_permission_to_execute_is_given_back(person: ToolOwner) -> None:
    person.program.chmod(0o444)
    assert "may not be executed" in person.fails(1, "doctor").out
    assert PUT_BACK in person.ok("sync").err
    assert person.says("tool").split()[0] == "old"


def test_without_a_source_the_replacement_stays(person: ToolOwner) -> None:
    program = change(person, a_link)
    done = run("--offline", "sync", home=str(person.home))
    assert done.code != 0
    assert "something else changed tool" in done.err
    assert program.is_symlink()

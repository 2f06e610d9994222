"""``self uninstall``: the tree of HOME is what it was before the first install, and nothing of anybody else's goes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from d8_installer.store import fs
from tests import installed
from tests.command import PROGRAM, environment, run
from tests.faults.scenarios import CONFIG, DATA
from tests.images import add_image, executables, host_platform
from tests.person import Person

pytestmark = pytest.mark.skipif(os.name != "posix", reason="start-up files of POSIX shells")


class Resident(Person):
    """Somebody with a HOME that has start-up files of several kinds, and a project with an environment."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "home", directory / "images")
        for name in ("tool", "hello"):
            add_image(str(self.source), name, "v1.0.0", executables(name, host_platform()))
        (self.home / ".bashrc").write_bytes(b"alias ll='ls -l'")  # no line end
        (self.home / ".bash_profile").write_text("# mine\n")
        (self.home / ".bash_profile").chmod(0o600)
        (self.home / ".zshrc").touch()
        (self.home / ".config" / "fish").mkdir(parents=True)
        (self.home / ".config" / "fish" / "config.fish").touch()
        self.work = self.home / "work"
        self.library = installed.library(self.work / ".venv")
        installed.install(self.library, "d8-plug-hello", "1.0", installed.manifest())
        (self.work / "d8.toml").write_text('schema = 1\n[[images]]\nname = "tool"\n')

    def tree(self) -> dict[str, tuple[int, bytes | str]]:
        """Return every file, link and directory of HOME with its mode, and bytes or target."""
        found: dict[str, tuple[int, bytes | str]] = {}
        for where, directories, files in os.walk(self.home):
            for path in (Path(where, name) for name in (*directories, *files)):
                content = os.readlink(path) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
                found[str(path.relative_to(self.home))] = (path.lstat().st_mode, content)
        return found

    def live(self) -> None:
        """Use what leaves traces."""
        self.ok("config", "set", "endpoint", f"oci-layout:{self.source}")
        self.ok("install", "tool")
        self.ok("ensurepath", SHELL="/usr/bin/fish")
        self.ok("run", "hello")
        self.ok("sync", cwd=self.work)
        self.ok("sync", "--env", "work/.venv")
        (self.work / "d8.lock").unlink()  # the project's, not ours to remove


@pytest.fixture
def person(tmp_path: Path) -> Resident:
    return Resident(tmp_path)


def test_nothing_of_ours_is_left_and_nothing_else_is_gone(person: Resident) -> None:
    before = person.tree()
    person.live()
    assert (person.work / ".venv" / ".d8-profile").is_symlink()
    changed = {path for path, now in person.tree().items() if before.get(path) != now}
    assert {".bashrc", ".bash_profile", ".zshrc", ".profile", ".config/fish/conf.d/d8-installer.fish"} <= changed
    assert (person.home / ".bashrc").read_text().splitlines()[0] == "alias ll='ls -l'"
    whole = person.tree()
    would = json.loads(person.ok("self", "uninstall", "--dry-run", "--json").out)["data"]
    assert person.tree() == whole
    done = json.loads(person.ok("self", "uninstall", "--yes", "--json").out)["data"]
    assert done == would | {"dry_run": False}
    assert person.tree() == before
    assert "nothing of d8-installer's" in person.ok("self", "uninstall", "--yes").out
    assert person.tree() == before


def test_an_empty_home_is_empty_again(tmp_path: Path, person: Resident) -> None:
    home = tmp_path / "empty"
    home.mkdir()
    env = {"D8_RPP_ENDPOINT": f"oci-layout:{person.source}", "SHELL": "/bin/bash"}
    for words in (("install", "tool"), ("ensurepath",), ("self", "uninstall", "--yes")):
        assert (done := run(*words, home=str(home), env=env)).code == 0, done
    assert list(home.iterdir()) == []


def test_what_others_put_there_stays_and_is_named(person: Resident) -> None:
    person.live()
    strange = [person.home / DATA / "notes", person.home / CONFIG / "notes"]
    for path in strange:
        path.write_text("mine")
    done = person.ok("self", "uninstall", "--yes")
    assert [path.read_text() for path in strange] == ["mine", "mine"]
    assert sorted(path.name for path in (person.home / DATA).iterdir()) == ["notes", "schema"]
    assert f"kept {person.home / DATA}" in done.out
    assert not person.json("self", "uninstall", "--yes")["changed"]
    person.ok("install", "tool")  # what stays is a home still
    person.ok("self", "uninstall", "--yes")
    (person.home / DATA / "notes").unlink()
    person.ok("self", "uninstall", "--yes")
    assert not (person.home / DATA).exists()


def test_lines_that_the_person_changed_are_the_persons(person: Resident) -> None:
    person.live()
    text = (person.home / ".bash_profile").read_text().replace(";; esac", ":/mine ;; esac")
    (person.home / ".bash_profile").write_text(text)
    person.ok("self", "uninstall", "--yes")
    assert (person.home / ".bash_profile").read_text() == text


def test_it_asks(person: Resident) -> None:
    person.ok("install", "tool")
    before = person.tree()
    refused = person.run("self", "uninstall")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    assert answered(person, "n\n") == 2
    assert person.tree() == before
    assert answered(person, "y\n") == 0
    assert not (person.home / DATA).exists()


def answered(person: Resident, answer: str) -> int:
    """Run it on a terminal, and type *answer*."""
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [PROGRAM, "self", "uninstall"], stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL,
            env=environment(str(person.home)), cwd=person.home,
        ) as process:  # fmt: skip
            os.write(ours, answer.encode())
            return process.wait(60)
    finally:
        os.close(theirs)
        os.close(ours)


@pytest.mark.parametrize("words", [("--yes",), ("--dry-run",)])
def test_a_directory_that_is_no_home_is_refused(person: Resident, words: tuple[str, ...]) -> None:
    before = person.tree()
    done = person.run("self", "uninstall", "--home", str(person.home), *words)
    assert (done.code, "not a home of d8-installer" in done.err) == (78, True)
    assert person.tree() == before


def test_a_home_that_was_typed_takes_no_settings_with_it(person: Resident, tmp_path: Path) -> None:
    person.ok("config", "set", "retention", "5")
    person.ok("install", "tool", "--home", str(tmp_path / "other"))
    person.ok("self", "uninstall", "--yes", "--home", str(tmp_path / "other"))
    assert not (tmp_path / "other").exists()
    assert (person.home / CONFIG / "config.toml").exists()


def test_nor_does_one_that_the_environment_names(person: Resident, tmp_path: Path) -> None:
    person.live()
    other = str(tmp_path / "other")
    person.ok("install", "hello", D8_INSTALLER_HOME=other)
    before = person.tree()
    person.ok("self", "uninstall", "--yes", D8_INSTALLER_HOME=other)
    assert not os.path.exists(other)
    assert person.tree() == before
    assert person.ok("sync").out == "nothing to do\n"


def test_the_lines_of_a_home_that_was_typed_go_with_it(person: Resident, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    before = person.tree()
    person.ok("install", "tool", "--home", other)
    person.ok("ensurepath", "--home", other)
    assert other in (person.home / ".profile").read_text()
    done = person.ok("self", "uninstall", "--yes", "--home", other)
    assert person.tree() == before
    assert f"removed the lines of d8-installer in {person.home / '.bashrc'}" in done.out.splitlines()
    assert f"removed {person.home / '.profile'}" in done.out.splitlines()


def test_what_was_there_before_stays_though_it_is_empty(tmp_path: Path, person: Resident) -> None:
    home = tmp_path / "empty"
    for name in (".config", ".local/share"):
        (home / name).mkdir(parents=True)
    env = {"D8_RPP_ENDPOINT": f"oci-layout:{person.source}", "SHELL": "/bin/bash"}
    for words in (
        ("config", "set", "retention", "3"), ("install", "tool"), ("ensurepath",), ("self", "uninstall", "--yes"),
    ):  # fmt: skip
        assert (done := run(*words, home=str(home), env=env)).code == 0, done
    assert sorted(str(path.relative_to(home)) for path in home.rglob("*")) == [".config", ".local", ".local/share"]


FIRST = (("config", "set", "retention", "3"), ("ensurepath",), ("lock",), ("gc",))


@pytest.mark.parametrize("shell", ["/bin/bash", "/usr/bin/fish"])
@pytest.mark.parametrize("first", FIRST, ids=" ".join)
def test_an_empty_home_is_empty_again_whatever_came_first(
    tmp_path: Path, person: Resident, first: tuple[str, ...], shell: str
) -> None:
    home = tmp_path / "empty"
    home.mkdir()
    env = {"D8_RPP_ENDPOINT": f"oci-layout:{person.source}", "SHELL": shell}
    for words in (first, ("install", "tool"), ("self", "uninstall", "--yes")):
        assert (done := run(*words, home=str(home), env=env)).code == 0, done
    assert list(home.iterdir()) == []


def test_an_empty_directory_is_somebodys(person: Resident, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    done = person.ok("self", "uninstall", "--yes", "--home", str(tmp_path / "theirs"))
    assert "nothing of d8-installer's" in done.out
    assert list((tmp_path / "theirs").iterdir()) == []


def test_a_link_to_the_home_stays_and_is_named(person: Resident, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    link = str(tmp_path / "link")
    person.ok("install", "tool", "--home", link)
    would = json.loads(person.ok("self", "uninstall", "--dry-run", "--json", "--home", link).out)["data"]
    done = person.ok("self", "uninstall", "--yes", "--home", link)
    assert (would["removed"], would["kept"]) == ([], [link])
    assert done.out.splitlines()[0] == f"kept {link}: it is a link"
    assert list((tmp_path / "disk").iterdir()) == []


def test_while_another_command_works_nothing_goes(person: Resident) -> None:
    person.ok("install", "tool")
    person.ok("ensurepath")
    before = person.tree()
    with fs.exclusive(str(person.home / DATA / "profiles/user/mutex"), pytest.fail):
        done = person.run("self", "uninstall", "--yes")
    assert done.code == 75, done
    assert {path: now for path, now in person.tree().items() if "mutex" not in path and "switching" not in path} == {
        path: now for path, now in before.items() if "mutex" not in path and "switching" not in path
    }


@pytest.mark.parametrize(
    ("marker", "command"),
    [("pipx_metadata.json", "pipx uninstall d8-installer"), ("uv-receipt.toml", "uv tool uninstall d8-installer")],
)
def test_it_says_how_the_package_itself_goes(person: Resident, tmp_path: Path, marker: str, command: str) -> None:
    prefix = tmp_path / "tool"
    installed.running_environment(prefix)
    (prefix / marker).touch()
    python = str(prefix / "bin" / "python")
    words = [python, "-m", "d8_installer", "self", "uninstall", "--yes"]
    done = subprocess.run(words, env=environment(str(person.home)), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"the package itself: {command}"
    (prefix / marker).unlink()
    done = subprocess.run(words, env=environment(str(person.home)), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"the package itself: {python} -m pip uninstall d8-installer"

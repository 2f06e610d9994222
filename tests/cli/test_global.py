"""``--global``: the system's profile is root's to write and everybody's to read, and nothing of it is in a HOME."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from d8_installer.store.paths import global_home
from tests.command import PROGRAM, Completed, ended, environment, run
from tests.images import add_image, executables, host_platform
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and users of POSIX")

BE_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


class Machine(Person):
    """An administrator whose HOME stays empty, a place for the system's home, and images."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "opt"
        self.images = str(directory / "images")
        shared = {"D8_INSTALLER_GLOBAL_HOME": str(self.root)}
        super().__init__(directory / "person", env=shared, always=("--global",))
        for tag in ("v1.0.0", "v2.0.0"):
            add_image(self.images, "tool", tag, executables(tag, host_platform()))
        add_image(self.images, "other", "v1.0.0", executables("other", host_platform()))

    def _command(self, *words: str, env: dict[str, str], cwd: str) -> Completed:
        done = super()._command(*words, env=env, cwd=cwd)
        assert list(self.home.iterdir()) == []
        return done

    def as_nobody(self, *words: str) -> Completed:
        """Run as a user who has nothing; not the script itself, whose interpreter may be root's alone."""
        return ended([*BE_NOBODY, *words], home="/", env={**self.env, "HOME": "/nonexistent"})

    def set_up(self) -> None:
        self.ok("config", "set", "endpoint", f"oci-layout:{self.images}")
        self.ok("install", "tool==1.0.0", "other")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_its_usual_place() -> None:
    assert global_home({}) == "/opt/d8-installer"
    assert global_home({"D8_INSTALLER_GLOBAL_HOME": "/srv/d8"}) == "/srv/d8"


def test_a_life(machine: Machine, tmp_path: Path) -> None:
    machine.set_up()
    assert sorted(path.name for path in machine.root.iterdir() if path.is_file()) >= ["config.toml", "d8.toml"]
    assert os.readlink(machine.root / "bin") == "profiles/system/current/bin"
    assert subprocess.run([machine.root / "bin" / "tool"], capture_output=True, check=True).stdout.startswith(b"v1.0.0")
    assert json.loads(machine.ok("install", "tool>=1", "--json").out)["data"]["bin"] == str(machine.root / "bin")
    machine.ok("use", "tool", "v2.0.0")
    machine.ok("upgrade", "--all")
    machine.ok("sync", "--locked")
    machine.ok("lock", "--check")
    assert "the system's profile" in machine.ok("list").err
    assert machine.ok("which", "tool").out.startswith(str(machine.root / "store"))
    machine.ok("rollback", "1")
    assert machine.ok("run", "tool").out.startswith("v1.0.0")
    assert len(json.loads(machine.ok("history", "--json").out)["data"]["generations"]) >= 2
    machine.ok("gc", "--keep", "1")
    machine.ok("verify", "--fix")
    assert machine.ok("env", "--shell", "github").out == f"{machine.root}/profiles/system/current/bin\n"
    machine.ok("doctor")
    machine.ok("uninstall", "tool")
    assert not (machine.root / "bin" / "tool").exists()
    machine.ok("self", "uninstall", "--yes")
    assert not machine.root.exists()


def test_a_project_and_a_persons_variables_mean_nothing_to_it(machine: Machine, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "other"\n')
    machine.ok("config", "set", "endpoint", f"oci-layout:{machine.images}")
    env = machine.env | {"D8_INSTALLER_HOME": str(tmp_path / "mine")}
    done = run("--global", "install", "tool", home=str(machine.home), env=env, cwd=str(project))
    assert done.code == 0, done
    assert not (tmp_path / "mine").exists()
    assert [path.name for path in (machine.root / "profiles").iterdir()] == ["system"]


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(getattr(request, "param", 0o077))
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_all_of_it_is_readable_whatever_the_umask(machine: Machine) -> None:
    machine.root.parent.chmod(0o755)
    machine.set_up()
    machine.ok("run", "tool==2.0.0")
    machine.ok("config", "set", "retention", "5")
    machine.ok("gc", "--keep", "1")
    machine.ok("verify", "--fix")
    unreadable = []
    for where, directories, files in os.walk(machine.root):
        for path in (Path(where, name) for name in (*directories, *files)):
            mode = path.stat().st_mode
            wanted = 0o555 if stat.S_ISDIR(mode) or "sha256" in path.parts else 0o444
            wrong = mode & wanted != wanted or mode & 0o022
            if path.name.endswith("mutex"):  # whoever may open it can hold it, and keep root waiting
                wrong = stat.S_IMODE(mode) != 0o600
            if wrong:
                unreadable.append(f"{stat.S_IMODE(mode):o} {path}")
    assert unreadable == []


@pytest.mark.parametrize(
    ("umask", "exists"), [(0o077, None), (0, None), (0, 0o777), (0o077, 0o700)], indirect=["umask"]
)
@pytest.mark.usefixtures("umask")
def test_its_directory_is_everybodys_to_read_and_roots_to_write_from_the_first_command_on(
    machine: Machine, exists: int | None
) -> None:
    if exists is not None:
        machine.root.mkdir()
        machine.root.chmod(exists)
    machine.ok("config", "set", "endpoint", f"oci-layout:{machine.images}")
    assert stat.S_IMODE(machine.root.stat().st_mode) == 0o755
    machine.ok("install", "tool")
    assert stat.S_IMODE(machine.root.stat().st_mode) == 0o755


def test_one_that_others_may_write_to_is_refused(machine: Machine) -> None:
    machine.set_up()
    machine.root.chmod(0o775)
    for words in (("install", "tool"), ("gc",), ("config", "set", "retention", "3"), ("verify", "--fix")):
        done = machine.fails(78, *words)
        assert f"hint: type `chmod go-w {machine.root}`" in done.err
    machine.root.chmod(0o755)
    machine.ok("install", "tool")


def test_the_hint_for_path_is_the_systems(machine: Machine) -> None:
    machine.ok("config", "set", "endpoint", f"oci-layout:{machine.images}")
    hint = "type `d8-installer --global ensurepath`"
    assert hint in machine.ok("install", "tool").err
    assert hint in machine.ok("doctor").out


# -- another user ------------------------------------------------------------------------------------------------

needs_setpriv = pytest.mark.skipif(
    shutil.which("setpriv") is None or os.getuid() != 0, reason="only root can become another user, by setpriv"
)


def _readable_program() -> bool:
    """Whether another user can execute this environment's Python."""
    command = [*BE_NOBODY, sys.executable, "-c", "import d8_installer"]
    return subprocess.run(command, capture_output=True, env=environment("/"), check=False, cwd="/").returncode == 0


@needs_setpriv
def test_another_user_reads_runs_and_writes_nothing() -> None:
    with tempfile.TemporaryDirectory() as directory:  # pytest's own are closed to others
        os.chmod(directory, 0o755)
        another_user(Machine(Path(directory)))


def another_user(machine: Machine) -> None:
    machine.set_up()
    machine.ok("install", "tool==2.0.0")
    assert machine.as_nobody(str(machine.root / "bin" / "tool")).out.startswith("v2.0.0")
    if not _readable_program():
        pytest.skip("another user cannot execute this Python")
    for words, said in {
        ("list",): "tool", ("which", "tool"): str(machine.root), ("run", "tool"): "v2.0.0", ("history",): "* 2",
        ("verify",): "are sound", ("gc", "--dry-run"): "nothing to do", ("env",): str(machine.root),
        ("sync", "--dry-run"): "nothing to do", ("use", "other", "v1.0.0", "--dry-run"): "nothing to do",
        ("install", "tool==1.0.0", "--dry-run"): "would switch tool", ("lock", "--dry-run"): "unchanged",
    }.items():  # fmt: skip
        done = machine.as_nobody(PROGRAM, "--global", *words)
        assert (done.code, said in done.out) == (0, True), (words, done)
    for words in (
        ("install", "tool"), ("uninstall", "tool"), ("upgrade", "--all"), ("use", "tool", "v1.0.0"),
        ("sync",), ("lock",), ("rollback",), ("gc",), ("verify", "--fix"), ("config", "set", "retention", "3"),
        ("self", "uninstall", "--yes"), ("run", "tool==1.0.0"),
    ):  # fmt: skip
        done = machine.as_nobody(PROGRAM, "--global", *words)
        assert done.code == 77, (words, done)
        assert "hint: type it as root (sudo)" in done.err
    machine.ok("verify")
    machine.ok("config", "unset", "endpoint")
    told = machine.as_nobody(PROGRAM, "--global", "doctor").out
    assert re.search("hint: type `sudo .*--global ensurepath`\n", told), told
    assert re.search("hint: type `sudo .*--global config set endpoint https://", told), told


@needs_setpriv
def test_another_user_cannot_hold_its_locks() -> None:
    """Opening a lock file to read it is enough to hold it, and keep root waiting for ever."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        machine = Machine(Path(directory))
        machine.set_up()
        for name in ("mutex", "switching.mutex", "profiles/system/mutex"):
            (machine.root / name).chmod(0o644)  # as older versions made it
            machine.ok("install", "tool==2.0.0")
            done = machine.as_nobody("flock", "--nonblock", str(machine.root / name), "echo", "held")
            assert ("Permission denied" in done.err, done.out) == (True, ""), done


def test_the_hint_for_a_missing_endpoint_is_for_the_same_settings(machine: Machine) -> None:
    done = machine.run("versions", "tool", D8_RPP_ENDPOINT="")
    assert (done.code, "type `d8-installer --global config set endpoint URL`" in done.err) == (78, True), done

"""Places that are not ours: a home that cannot be written, files of others in the way, another person's home."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.command import Completed, run
from tests.faults import driver
from tests.faults.scenarios import CONFIG, DATA, leftovers, said
from tests.images import add_image, executables, host_platform

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="owners and mode bits; commands are forked")

IS_ROOT = os.name == "posix" and os.geteuid() == 0
NOBODY = 65534
USER = os.path.join(DATA, "profiles", "user")
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can give a directory to somebody else")


@dataclass(frozen=True)
class Machine:
    """A place that every user may enter, with published images and a HOME."""

    root: str
    home: str

    def run(self, *arguments: str) -> Completed:
        """Run the installed command."""
        return run("--endpoint", self.images, *arguments, home=self.home)

    def as_person(self, *arguments: str) -> Completed:
        """Run as a user who is not root, whoever runs the tests."""
        typed = ("--endpoint", self.images, *arguments)
        return driver.run(*typed, home=self.home, user=NOBODY if IS_ROOT else None)

    @property
    def images(self) -> str:
        return f"oci-layout:{self.root}/images"

    def path(self, *below_home: str) -> str:
        return os.path.join(self.home, *below_home)


@pytest.fixture
def machine() -> Iterator[Machine]:
    root = tempfile.mkdtemp(prefix="d8-in-the-way-")  # pytest's own directories are for one user only
    try:
        os.chmod(root, 0o711)
        home = os.path.join(root, "home")
        os.mkdir(home)
        for tag, text in (("v1.0.0", "one"), ("v1.1.0", "two")):
            add_image(os.path.join(root, "images"), "tool", tag, executables(text, host_platform()))
        yield Machine(root, home)
    finally:
        for where, _, _ in os.walk(root):
            os.chmod(where, 0o700)
        shutil.rmtree(root)


def refused(done: Completed, code: int, *says: str) -> None:
    errors = done.errors
    assert done.code == code, done
    assert len(errors) == 1, done
    assert "\nhint: " in done.err, done
    assert "Traceback" not in done.err, done
    for text in says:
        assert text in errors[0], done


# -- a home that cannot be written ---------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("install", "tool"), ("sync",), ("lock",)], ids=" ".join)
def test_home_not_writable(machine: Machine, command: tuple[str, ...]) -> None:
    os.chmod(machine.home, 0o555)
    done = machine.as_person(*command)
    refused(done, 73, machine.home, "permission denied")
    assert "--home DIR" in done.err
    assert os.listdir(machine.home) == []


def test_config_directory_not_writable(machine: Machine) -> None:
    if IS_ROOT:
        os.chown(machine.home, NOBODY, NOBODY)
    os.mkdir(machine.path(".config"), 0o555)
    refused(machine.as_person("install", "tool"), 73, ".config", "permission denied")
    assert said(machine.home, "tool") is None
    assert leftovers(machine.home) == []


def test_a_project_that_cannot_be_read_or_written_needs_no_other_home(machine: Machine) -> None:
    if IS_ROOT:
        os.chown(machine.home, NOBODY, NOBODY)
    project = machine.path("work")
    os.mkdir(project)
    files = [os.path.join(project, name) for name in ("d8.toml", "d8.lock")]
    for file, text in zip(files, ('schema = 1\n[[images]]\nname = "tool"\n', "lock_version = 1\n"), strict=True):
        with open(file, "w") as made:
            made.write(text)
    images = ("--endpoint", machine.images)
    user = NOBODY if IS_ROOT else None
    for file in files:
        os.chmod(file, 0)
        done = driver.run(*images, "lock", home=project, env_home=machine.home, user=user)
        refused(done, 73, f"cannot read {file}", "permission denied")
        assert "hint: make it readable for you\n" in done.err
        os.chmod(file, 0o644)
    os.chmod(project, 0o555)
    done = driver.run(*images, "lock", home=project, env_home=machine.home, user=user)
    refused(done, 73, project, "permission denied")
    assert "hint: make the directory" in done.err
    assert "/work writable for you\n" in done.err
    assert ".tmp" not in done.err, "the file that a person knows is named"


def test_what_is_installed_stays_usable_when_the_home_turns_read_only(machine: Machine) -> None:
    assert machine.run("install", "tool==1.0.0").code == 0
    for where, _, _ in os.walk(machine.home):
        os.chmod(where, 0o555)
    refused(machine.as_person("install", "tool==1.1.0"), 73, "permission denied")
    assert said(machine.home, "tool") == "one"
    for command in (("list",), ("which", "tool"), ("sync",)):
        assert (done := machine.as_person(*command)).code == 0, done


def test_looking_at_a_home_that_may_not_be_read(machine: Machine) -> None:
    assert machine.run("install", "tool").code == 0
    os.chmod(machine.path(DATA), 0o700 if IS_ROOT else 0o000)
    try:
        refused(machine.as_person("list"), 73, "permission denied")
    finally:
        os.chmod(machine.path(DATA), 0o700)


# -- something else in the way -------------------------------------------------------------------------------


def put_file(path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write("mine\n")


def put_directory(path: str) -> None:
    os.makedirs(path)
    put_file(os.path.join(path, "mine"))


def put_link(path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink("/usr/bin", path)


def put_schema(home: str) -> None:
    os.makedirs(home)
    with open(os.path.join(home, "schema"), "w", encoding="ascii") as file:
        file.write("1\n")


def is_mine(path: str) -> bool:
    if os.path.islink(path):
        return os.readlink(path) == "/usr/bin"
    return os.path.isfile(os.path.join(path, "mine") if os.path.isdir(path) else path)


@pytest.mark.parametrize(
    ("place", "put", "code"),
    [
        ("", put_file, 73),
        ("schema", put_directory, 73),
        ("schema", put_file, 78),
        ("bin", put_file, 73),
        ("bin", put_directory, 73),
        ("bin", put_link, 73),
        ("store", put_file, 73),
        ("store/sha256", put_file, 73),
        ("store/layers", put_file, 73),
        ("incoming", put_file, 73),
        ("mutex", put_directory, 73),
        ("tags.json", put_directory, 73),
        ("profiles", put_file, 73),
        ("profiles/user", put_file, 73),
        ("profiles/user/current", put_file, 73),
        ("profiles/user/current", put_directory, 73),
        ("profiles/user/current", put_link, 73),
        ("profiles/user/generations", put_file, 73),
        ("profiles/user/d8.lock", put_directory, 73),
        ("profiles/user/mutex", put_directory, 73),
    ],
)
def test_a_foreign_thing_is_named_and_stays(machine: Machine, place: str, put: object, code: int) -> None:
    path = machine.path(DATA, *place.split("/")) if place else machine.path(DATA)
    assert callable(put)
    if place not in ("", "schema"):  # else it would be somebody's directory
        put_schema(machine.path(DATA))
    put(path)
    done = machine.run("install", "tool")
    refused(done, code, path)
    assert is_mine(path)
    assert leftovers(machine.home) == []
    remove(path)
    done = machine.run("install", "tool")
    assert done.code == 0, done
    assert said(machine.home, "tool") == "two"


def remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


@pytest.mark.parametrize(
    ("place", "put"),
    [
        *((place, put) for place in ("bin", "profiles/user/current", "tags.json") for put in (put_file, put_directory)),
        ("store/layers", put_file),
    ],
)
def test_a_foreign_thing_that_came_later_does_not_spoil_what_is_there(
    machine: Machine, place: str, put: object
) -> None:
    """Upgrading with something in the way: nothing is written, and once it is away all goes on."""
    assert machine.run("install", "tool==1.0.0").code == 0
    path = machine.path(DATA, *place.split("/"))
    remove(path)
    assert callable(put)
    put(path)
    before = state(machine)
    refused(machine.run("install", "tool==1.1.0"), damaged_code(place, put), path)
    assert state(machine) == before
    remove(path)
    assert (done := machine.run("install", "tool==1.1.0")).code == 0, done
    assert said(machine.home, "tool") == "two"


def damaged_code(place: str, put: object) -> int:
    """A file at tags.json is a damaged tags.json; anything else is in the way."""
    return 65 if (place, put) == ("tags.json", put_file) else 73


def state(machine: Machine) -> list[bytes | list[str]]:
    documents = [machine.path(CONFIG, "d8.toml"), machine.path(USER, "d8.lock")]
    texts = []
    for path in documents:
        with open(path, "rb") as file:
            texts.append(file.read())
    return [*texts, sorted(os.listdir(machine.path(USER, "generations")))]


def test_a_directory_where_an_executable_should_lie(machine: Machine) -> None:
    assert machine.run("install", "tool==1.0.0").code == 0
    stored = machine.run("which", "tool").out.strip()
    os.chmod(os.path.dirname(stored), 0o700)
    os.unlink(stored)
    put_directory(stored)
    refused(machine.run("sync"), 73, stored)
    remove(stored)
    assert (done := machine.run("sync")).code == 0, done
    assert said(machine.home, "tool") == "one"


def test_what_is_in_the_way_of_the_stamp_is_only_warned_of(machine: Machine) -> None:
    put_schema(machine.path(DATA))
    stamp = machine.path(DATA, "profiles", "user", "stamp.json")
    put_directory(stamp)
    done = machine.run("install", "tool")
    assert done.code == 0, done
    assert "warning: " in done.err
    assert stamp in done.err
    assert os.path.isdir(stamp)


# -- another person's home -----------------------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize(
    "command",
    [
        ("install", "tool"),
        ("sync",),
        ("lock",),
        ("run", "tool"),
        ("config", "set", "endpoint", "https://rpp.example"),
        ("ensurepath",),
    ],
    ids=" ".join,
)
def test_root_in_the_home_of_another_is_refused(machine: Machine, command: tuple[str, ...]) -> None:
    os.chown(machine.home, NOBODY, NOBODY)
    done = machine.run(*command)
    refused(done, 77, machine.home, "another user")
    assert os.listdir(machine.home) == []


@needs_root
def test_root_may_look_at_the_home_of_another(machine: Machine) -> None:
    os.chown(machine.home, NOBODY, NOBODY)
    assert machine.as_person("install", "tool==1.0.0").code == 0
    assert machine.run("list").code == 0
    refused(machine.run("install", "tool==1.1.0"), 77)
    assert said(machine.home, "tool") == "one"


@needs_root
def test_root_leaves_nothing_in_the_home_of_another(machine: Machine) -> None:
    project = make_project(machine.path("work"))
    os.chown(machine.home, NOBODY, NOBODY)
    for words in (("bundle", "create", "-o", os.path.join(machine.root, "x.bundle")), ("plugins", "disable", "x")):
        driver.run("--endpoint", machine.images, *words, home=machine.home, cwd=project)
        assert roots_own(machine.home) == [], words
    assert machine.as_person("install", "tool==1.0.0").code == 0
    os.unlink(machine.path(DATA, "switching.mutex"))
    os.chmod(machine.run("which", "tool").out.strip(), 0o755)
    assert machine.run("verify").code == 76
    assert roots_own(machine.home) == []


@needs_root
def test_root_in_the_project_of_another_writes_no_lock(machine: Machine) -> None:
    project = make_project(os.path.join(machine.root, "work"))
    typed = ("--endpoint", machine.images, "--home", os.path.join(machine.root, "own"))
    refused(driver.run(*typed, "sync", home=machine.home, cwd=project), 77, project, "is not trusted")
    assert machine.run("config", "set", "safe_directories", project).code == 0
    for words in (("sync",), ("lock",), ("install", "--project", "tool>=1")):
        done = driver.run(*typed, *words, home=machine.home, cwd=project)
        refused(done, 77, project)
        assert os.listdir(project) == ["d8.toml"]
        assert roots_own(project) == []
    done = driver.run("--endpoint", machine.images, "lock", home=project, cwd=project, user=NOBODY)
    assert done.code == 0, done
    for command in ("sync", "lock"):  # they have nothing to write there
        done = driver.run(*typed, command, home=machine.home, cwd=project)
        assert done.code == 0, done
    assert roots_own(project) == []


def make_project(directory: str) -> str:
    """Make a project that is another user's."""
    os.mkdir(directory)
    manifest = os.path.join(directory, "d8.toml")
    with open(manifest, "w", encoding="utf-8") as file:
        file.write('schema = 1\n[[images]]\nname = "tool"\n')
    for path in (directory, manifest):
        os.chown(path, NOBODY, NOBODY)
    return directory


def roots_own(directory: str) -> list[str]:
    found = [os.path.join(where, name) for where, names, files in os.walk(directory) for name in (*names, *files)]
    return [path for path in found if os.lstat(path).st_uid == 0]


@needs_root
def test_root_with_a_home_of_its_own_beside_that_of_another(machine: Machine) -> None:
    os.chown(machine.home, NOBODY, NOBODY)
    own = os.path.join(machine.root, "own")
    assert (done := machine.run("--home", own, "install", "tool")).code == 0, done
    assert os.listdir(machine.home) == []

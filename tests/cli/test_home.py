"""Which directory is a home: one that is new or says so; what lies in it and is not ours stays, whatever is typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.faults.scenarios import CONFIG
from tests.images import add_image, executables, host_platform
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Completed

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, pipes and modes of POSIX")

WRITING = (
    *(("install", "tool"), ("sync",), ("lock",), ("run", "tool"), ("upgrade", "--all"), ("gc",), ("verify", "--fix")),
    *(("rollback",), ("plugins", "disable", "x"), ("bundle", "create", "-o", "out.bundle"), ("uninstall", "tool")),
    ("self", "uninstall", "--yes"),
)


class HomeOwner(Person):
    """Somebody who types where images come from."""

    def __init__(self, directory: Path) -> None:
        self.images = f"oci-layout:{directory / 'images'}"
        super().__init__(directory / "home", always=("--endpoint", self.images))
        for tag in ("v1.0.0", "v2.0.0"):
            add_image(str(directory / "images"), "tool", tag, executables(tag, host_platform()))

    def refused(self, code: int, *words: str, says: str) -> str:
        """Run what is refused, with *says* in its one error; return the hint."""
        return self.is_refused(self.run(*words), code, says)

    @staticmethod
    def is_refused(done: Completed, code: int, says: str) -> str:
        errors = done.errors
        assert (done.code, len(errors)) == (code, 1), done
        assert says in errors[0], done
        return done.err.partition("hint: ")[2].strip()


@pytest.fixture
def person(tmp_path: Path) -> HomeOwner:
    return HomeOwner(tmp_path)


def put(root: Path, *paths: str) -> dict[str, str]:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"mine: {path}")
    return content(root)


def content(root: Path) -> dict[str, str]:
    """Return every file below, with its text."""
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


# -- what is not a home -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", WRITING, ids=" ".join)
@pytest.mark.parametrize(
    "paths",
    [
        ("incoming/photos/a.jpg", "incoming/thesis.pdf", "arriving/parcel.txt", "backup.20261124.tmp"),
        ("runs/exp1/log", "profiles/me", "store/db/x", "config.toml"),
        ("mutex",),
    ],
    ids=["ftp", "ml", "mutex"],
)
def test_a_directory_of_other_things_is_left_alone(
    person: HomeOwner, tmp_path: Path, words: tuple[str, ...], paths: tuple[str, ...]
) -> None:
    before = put(tmp_path / "theirs", *paths)
    done = person.run("--home", str(tmp_path / "theirs"), *words)
    assert content(tmp_path / "theirs") == before
    assert "Traceback" not in done.err
    if words[0] in {"install", "sync", "lock", "run", "self"}:
        assert (done.code, "not a home of d8-installer" in done.err) == (78, True), done


def test_it_is_refused_by_its_variable_and_its_usual_place_too(person: HomeOwner, tmp_path: Path) -> None:
    put(tmp_path / "theirs", "thesis.pdf")
    done = person.run("install", "tool", D8_INSTALLER_HOME=str(tmp_path / "theirs"))
    hint = person.is_refused(done, 78, "thesis.pdf")
    assert "--home DIR" in hint
    put(person.data, "thesis.pdf")
    person.refused(78, "sync", says="thesis.pdf")


@pytest.mark.parametrize(
    "names",
    [
        (), ("d8.toml",), ("config.toml", "d8.toml"), ("lost+found",), ("mutex",), ("mutex", "schema.17.tmp"),
        ("mutex", "made.17.tmp", "made"),
    ],
    ids=str,
)  # fmt: skip
def test_a_new_home_may_hold_what_a_person_wrote_and_what_a_cut_first_use_left(
    person: HomeOwner, tmp_path: Path, names: tuple[str, ...]
) -> None:
    home = tmp_path / "new"
    home.mkdir()
    texts = {"d8.toml": "schema = 1\n", "mutex": "4711\n"}
    for name in names:
        (home / name).write_text(texts.get(name, ""))
    person.ok("--home", str(home), "install", "tool")
    assert (home / "schema").read_text() == "1\n"
    assert not list(home.glob("*.tmp"))


def test_a_home_that_lost_its_schema_is_named_and_the_hint_works(person: HomeOwner) -> None:
    person.ok("install", "tool==1.0.0")
    (person.data / "schema").unlink()
    before = content(person.data)
    hint = person.refused(78, "install", "tool", says=str(person.data))
    assert content(person.data) == before
    assert hint.endswith(f"write 1 into {person.data / 'schema'}")
    assert "tool" in person.ok("list").out
    (person.data / "schema").write_text("1\n")
    person.ok("install", "tool")


# -- what others put into a home -----------------------------------------------------------------------------

STRANGE = (
    *("notes", "backup.20261124.tmp", "incoming/photos/a.jpg", "incoming/thesis.pdf", "arriving/parcel.txt"),
    *("arriving/parcel.mutex", "profiles/user/notes.3.tmp", "store/layers/mine.4.tmp", "store/sha256/mine/x"),
    *("runs/log", "config.toml", "profiles/me", "profiles/user/generations/mine/x"),
)


def test_no_command_takes_what_has_not_the_form_of_our_names(person: HomeOwner) -> None:
    person.ok("install", "tool==1.0.0")
    put(person.data, *STRANGE)
    for words in (
        ("install", "tool"),
        ("run", "tool==1.0.0"),
        ("rollback",),
        ("gc", "--keep", "1"),
        ("verify", "--fix"),
    ):
        person.run(*words)
    assert {path: person.data.joinpath(path).read_text() for path in STRANGE} == {p: f"mine: {p}" for p in STRANGE}
    done = person.ok("self", "uninstall", "--yes")
    assert sorted(content(person.data)) == sorted([*STRANGE, "schema"]), "what is kept is a home still"
    assert f"kept {person.data}: it has files that are not d8-installer's" in done.out.splitlines()
    assert f"removed {person.data}" not in done.out.splitlines()


def test_what_killed_processes_left_goes(person: HomeOwner) -> None:
    person.ok("install", "tool==1.0.0")
    digest = "0" * 64
    litter = (
        *("tags.json.12.tmp", "incoming/99999.0123abcd/plugin.1", f"incoming/{'a' * 16}"),
        *(f"arriving/{digest}.mutex", f"arriving/{digest}.etag", f"arriving/{digest}.etag.5.tmp"),
        *(f"store/layers/{digest}.json.3.tmp", "profiles/user/stamp.json.6.tmp", "profiles/user/d8.lock.7.tmp"),
    )  # fmt: skip
    put(person.data, *litter)
    person.ok("install", "tool")
    assert [path for path in litter if person.data.joinpath(path).exists()] == []


# -- locks ---------------------------------------------------------------------------------------------------

LOCKS = ("mutex", "switching.mutex", "profiles/user/mutex")


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("exists", [True, False], ids=["leads to a file", "dangles"])
def test_a_link_in_the_place_of_a_lock_is_named_and_not_followed(person: HomeOwner, lock: str, exists: bool) -> None:
    person.ok("install", "tool==1.0.0")
    victim = person.home / "victim"
    if exists:
        victim.write_text("mine")
    (person.data / lock).unlink()
    (person.data / lock).symlink_to(victim)
    assert person.refused(73, "install", "tool", says=str(person.data / lock)) == "move it away"
    assert victim.exists() == exists
    assert not exists or victim.read_text() == "mine"
    (person.data / lock).unlink()
    person.ok("install", "tool")


def test_a_pipe_in_the_place_of_a_lock_is_named(person: HomeOwner) -> None:
    person.ok("install", "tool==1.0.0")
    (person.data / "mutex").unlink()
    os.mkfifo(person.data / "mutex")
    person.refused(73, "install", "tool", says="not a regular file")


# -- projects ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pipe", "directory"])
@pytest.mark.parametrize("words", [("list",), ("sync",), ("lock",)], ids=" ".join)
def test_a_manifest_that_is_no_file_is_not_passed_over(person: HomeOwner, kind: str, words: tuple[str, ...]) -> None:
    project = person.home / "work"
    project.mkdir()
    if kind == "pipe":
        os.mkfifo(project / "d8.toml")
    else:
        (project / "d8.toml").mkdir()
    done = person.run(*words, cwd=project)
    assert "your profile" not in done.err
    assert words == ("list",) or (done.code == 73 and str(project / "d8.toml") in done.err), done


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems have UTF-8 names only")
def test_a_project_whose_path_is_no_utf8(person: HomeOwner) -> None:
    project = person.home / os.fsdecode(b"pr\xff")
    project.mkdir()
    (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "tool"\n')
    for words in (
        ("sync",), ("list",), ("list", "--json"), ("which", "tool"), ("env",), ("history",), ("verify",), ("doctor",),
        ("sync", "--locked"), ("lock", "--check"), ("rollback",), ("gc",), ("export", "--format", "json"),
    ):  # fmt: skip
        done = person.run(*words, cwd=project)
        assert done.code in {0, 1, 69}, (words, done)
        assert "Traceback" not in done.err, (words, done)
    recorded = next(person.data.glob("profiles/*/project")).read_bytes()
    assert recorded == os.fsencode(os.path.realpath(project)) + b"\n"
    assert json.loads(person.ok("gc", "--json", cwd=project).out)["data"]["spared"] == []


# -- settings ------------------------------------------------------------------------------------------------


def test_settings_that_are_changed_at_once_are_all_kept(person: HomeOwner) -> None:
    count = 8
    code = "import sys; from d8_installer.cli.main import main; sys.exit(main(sys.argv[1:]))"
    env = {"HOME": str(person.home), "PATH": os.environ["PATH"]}
    changes = [[sys.executable, "-c", code, "config", "set", f"owners.b{number}", "tool"] for number in range(count)]
    for process in [subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL) for words in changes]:
        assert process.wait(60) == 0
    owners = json.loads(person.ok("config", "--json").out)["data"]["settings"]["owners"]
    assert owners == {f"b{number}": "tool" for number in range(count)}
    assert os.listdir(person.home / CONFIG) == ["config.toml"]

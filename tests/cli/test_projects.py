"""``add``, ``remove`` and ``init``: the project of a directory, from nothing, as a person types it."""

from __future__ import annotations

import shlex
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def person(tmp_path: Path) -> Person:
    person = Person(tmp_path / "home", tmp_path / "registry")
    person.publish("ruff", "v1.0.0", "v1.1.0", "v2.0.0")
    person.publish("vault", "v1.0.0")
    return person


def asked(project: Path) -> list[dict[str, str]]:
    images: list[dict[str, str]] = tomllib.loads((project / "d8.toml").read_text())["images"]
    return images


def test_add_makes_a_project_and_says_so(person: Person) -> None:
    app = person.home / "app"
    app.mkdir()
    added = person.ok("add", "ruff<2", cwd=app)
    assert f"made {app}/d8.toml: no project was here or above\n" in added.err
    assert added.out.startswith("installed ruff (ruff v1.1.0)\n")
    assert asked(app) == [{"name": "ruff", "version": "<2"}]
    assert person.has("--user") == {}, "a person's own profile is another one"
    below = app / "a/b"
    below.mkdir(parents=True)
    again = person.ok("add", "vault", cwd=below)
    assert "made" not in again.err
    assert [one["name"] for one in asked(app)] == ["ruff", "vault"], "the nearest project is meant"
    assert person.ok("remove", "ruff", cwd=below).out.startswith("removed ruff")
    assert person.has(cwd=app) == {"vault": "v1.0.0"}
    assert person.ok("history", cwd=app).out.split("add ruff<2")[0].count("remove ruff") == 1


def test_add_that_fails_or_is_tried_makes_nothing(person: Person) -> None:
    app = person.home / "app"
    app.mkdir()
    assert f"would make {app}/d8.toml" in person.ok("add", "--dry-run", "ruff", cwd=app).err
    person.fails(69, "add", "nonesuch", cwd=app)
    person.fails(69, "add", "ruff>=3", cwd=app)
    assert list(app.iterdir()) == []


def test_add_is_install_for_the_project(person: Person) -> None:
    """The same files and the same answer, byte for byte, but for the names of the commands."""
    one, two = person.project("schema = 1\n", "one"), person.project("schema = 1\n", "two")
    for words in (["ruff>=1,<2"], ["ruff", "vault"], ["ruff", "--use-major", "1"]):
        person.ok("add", *words, cwd=one)
        person.ok("install", "--project", *words, cwd=two)
    person.ok("remove", "vault", cwd=one)
    person.ok("uninstall", "--project", "vault", cwd=two)
    for name in ("d8.toml", "d8.lock"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


@pytest.mark.parametrize("words", [("add", "ruff"), ("init",), ("init", "ruff")], ids=" ".join)
def test_a_home_directory_never_becomes_a_project(person: Person, words: tuple[str, ...]) -> None:
    link = person.home.parent / "link"
    link.symlink_to(person.home)
    before = {one.name for one in person.home.iterdir()}
    for home in (person.home, link):
        refused = person.fails(2, *words, HOME=str(home))
        assert "is no place for a project" in refused.err
        assert "type `d8-installer install NAME`" in refused.err
    assert "/ is no place for a project" in person.fails(2, *words, cwd="/").err
    assert not (person.home / "d8.toml").exists()
    assert {one.name for one in person.home.iterdir()} - before <= {".local"}
    below = person.home / "below"
    below.mkdir()
    person.ok(*words, cwd=below)


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        ("--user add ruff", "install ruff"),
        ("add --user 'ruff<2' vault", "install 'ruff<2' vault"),
        ("--global add ruff", "--global install ruff"),
        ("remove --user ruff", "uninstall ruff"),
    ],
)
def test_another_profile_has_other_words(person: Person, words: str, instead: str) -> None:
    app = person.project("schema = 1\n")
    refused = person.fails(2, *shlex.split(words), cwd=app)
    assert f"hint: type `d8-installer {instead}`\n" in refused.err
    assert (app / "d8.toml").read_text() == "schema = 1\n"


def test_remove_without_a_project(person: Person) -> None:
    person.ok("install", "ruff")
    refused = person.fails(2, "remove", "ruff")
    assert "or above it, so there is no project to remove from" in refused.err
    assert "`d8-installer uninstall ruff` for your own profile" in refused.err
    assert person.has() == {"ruff": "v2.0.0"}


def test_init_takes_no_name_or_some(person: Person) -> None:
    app = person.home / "app"
    app.mkdir()
    empty = person.ok("init", cwd=app)
    assert (empty.out, empty.err) == (f"wrote {app}/d8.toml\n", "next, `d8-installer add NAME` adds a tool\n")
    text = (app / "d8.toml").read_text()
    assert "# [[images]]\n" in text
    assert person.ok("sync", cwd=app).out == f"wrote {app}/d8.lock\n"
    assert "add to it with `d8-installer add NAME`" in person.fails(73, "init", "vault", cwd=app).err
    person.ok("add", "ruff", cwd=app)
    assert (app / "d8.toml").read_text().startswith(text), "its comments stay"
    shown = text.replace("# [[", "[[").replace("# name", "name").replace("# version", "version")
    assert tomllib.loads(shown)["images"] == [{"name": "stronghold", "version": ">=1.4, <2"}]
    other = person.home / "other"
    other.mkdir()
    named = person.ok("init", "ruff<2", "vault", cwd=other)
    assert named.err == "next, `d8-installer sync` fetches them\n"
    of_a_plugin = person.ok("init", "ruff", "--file", "src/my tool/d8.toml", cwd=other).err
    assert of_a_plugin == (
        "next, `d8-installer manifest check --resolve 'src/my tool/d8.toml'` looks up what it names\n"
    )
    person.ok("sync", cwd=other)
    assert person.has(cwd=other) == {"ruff": "v1.1.0", "vault": "v1.0.0"}


def test_where_no_project_is_the_hint_says_how_to_make_one(person: Person) -> None:
    refused = person.fails(2, "--project", "install", "ruff")
    assert "type `d8-installer init` to make one there, or leave --project out" in refused.err


def test_a_lock_that_cannot_be_written_leaves_the_manifest(person: Person) -> None:
    """Otherwise the next command would install what this one was refused."""
    app = person.project("schema = 1\n")
    (app / "d8.lock").symlink_to("nowhere/d8.lock")
    for words in (("add", "ruff"), ("add", "--use-major", "1", "ruff"), ("--project", "install", "vault")):
        assert "d8.lock is a link that leads nowhere" in person.fails(73, *words, cwd=app).err
        assert (app / "d8.toml").read_bytes() == b"schema = 1\n"
    (app / "d8.toml").unlink()
    person.fails(73, "add", "ruff", cwd=app)
    assert [one.name for one in app.iterdir()] == ["d8.lock"], "a manifest that was not there is taken away again"
    (app / "d8.lock").unlink()
    person.ok("add", "ruff", "vault", cwd=app)
    text = (app / "d8.toml").read_bytes()
    (app / "d8.lock").rename(app / "kept")
    (app / "d8.lock").symlink_to("nowhere/d8.lock")
    person.fails(73, "remove", "ruff", cwd=app)
    assert (app / "d8.toml").read_bytes() == text
    assert person.json("list", cwd=app)["binaries"], "what was in place still is"


def test_run_says_which_other_profile_has_the_program(person: Person) -> None:
    app = person.project("schema = 1\n")
    person.ok("install", "ruff<2")
    first = person.ok("run", "ruff", cwd=app)
    assert first.out.startswith("ruff v2.0.0")
    there = "your profile has ruff v1.1.0: type `d8-installer --user run ruff`\n"
    assert f"running ruff v2.0.0, which the project {app} does not have; {there}" in first.err
    assert person.ok("run", "ruff", cwd=app).err == "", "once, when it is fetched"
    nowhere = f"oci-layout:{person.home}/nowhere"
    person.ok("install", "vault")
    refused = person.run("run", "vault", cwd=app, endpoint=nowhere)
    assert refused.code in (69, 78), refused
    assert "hint: your profile has vault v1.0.0: type `d8-installer --user run vault`\n" in refused.err
    person.publish("solo", "v1.0.0")
    person.ok("add", "solo", cwd=app)
    refused = person.run("--user", "run", "solo", cwd=app, endpoint=nowhere)
    assert f"the project {app} has solo v1.0.0: type `d8-installer run solo`\n" in refused.err


def test_an_option_after_the_name_that_may_be_ours(person: Person) -> None:
    nowhere = f"oci-layout:{person.home}/nowhere"
    for option in ("--from", "--endpoint"):
        for words in ((option, person.endpoint), (f"{option}={person.endpoint}",)):
            refused = person.run("run", "vault", *words, endpoint=nowhere)
            assert refused.code in (69, 78)
            typed = f"d8-installer run {option} {person.endpoint} vault"
            assert f"hint: what follows vault goes to the program: type `{typed}`\n" in refused.err
    assert "vault v1.0.0" in person.ok("run", "--from", person.endpoint, "vault", "--from", "x", endpoint=nowhere).out
    assert "goes to the program" not in person.run("run", "vault", "--version", endpoint=nowhere + "2").err


@pytest.mark.parametrize("verb", ["uninstall", "upgrade"])
def test_a_misspelled_name_is_answered_with_the_installed_one(person: Person, verb: str) -> None:
    person.ok("install", "ruff")
    refused = person.fails(69, verb, "rufff").err
    assert "hint: did you mean ruff? see `d8-installer list`\n" in refused
    assert "did you mean" not in person.fails(69, verb, "stronghold").err


def test_use_of_what_is_not_installed_says_how_to_install_it(person: Person) -> None:
    """mise's ``use`` installs."""
    assert "hint: type `d8-installer install ruff@1` to install it\n" in person.fails(69, "use", "ruff@1").err
    app = person.project("schema = 1\n")
    refused = person.fails(69, "use", "--project", "ruff", "1.0.0", cwd=app)
    assert "hint: type `d8-installer add ruff@1.0.0` to install it\n" in refused.err
    person.ok("add", "ruff@1.0.0", cwd=app)
    assert (
        "has it: type `d8-installer --project use ruff 1.0.0`\n" in person.fails(69, "use", "ruff@1.0.0", cwd=app).err
    )

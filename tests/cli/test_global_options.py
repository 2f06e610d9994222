"""``-C``, ``--color`` and ``--no-progress``: before and after the command, for every command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.command import SYSTEM_PATH
from tests.images import host_platform
from tests.own import OwnTool
from tests.person import Person
from tests.terminal import Seen, Terminal, on

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """\
schema = 1
[[images]]
name = "tool"
version = ">=1"
"""


@pytest.fixture
def person(tmp_path: Path) -> Person:
    person = Person(tmp_path / "home", tmp_path / "reg")
    person.publish("tool", "v1.0.0")
    return person


# --- -C ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [("-C", "a/b", "lock"), ("lock", "-C", "a/b"), ("-C", "a", "-C", "b", "lock"), ("-C", "a", "lock", "-C", "b")],
)
def test_c_changes_the_directory_before_the_project_is_looked_for(person: Person, words: tuple[str, ...]) -> None:
    project = person.project(MANIFEST, "a/b")
    person.ok(*words)
    assert (project / "d8.lock").exists()


def test_c_is_where_paths_and_files_of_options_are_looked_for(person: Person) -> None:
    project = person.project(MANIFEST)
    (project / "state").mkdir()
    person.ok("-C", "project", "--home", "state", "sync", "--to", "tools")
    assert (project / "tools/tool").exists()
    person.ok("-C", "project", "manifest", "check", "d8.toml")
    person.fails(65, "-C", "project", "manifest", "check", "d8.lock")
    person.ok("-C", "project", "config", "-C", "state", "set", "-C", "..", "ca_file", "ca.pem")
    assert person.ok("config", "get", "ca_file").out == f"{project}/ca.pem\n"


def test_c_is_where_a_program_runs(person: Person) -> None:
    project = person.project(MANIFEST)
    person.publish("place", "v1.0.0", builds={host_platform(): {"plugin": b"#!/bin/sh\npwd\n"}})
    assert person.ok("-C", "project", "run", "place").out == f"{project}\n"
    assert person.ok("-C", "project", "run", "place").out == f"{project}\n", "when it is fetched already"


def test_c_is_heeded_by_package_managers(person: Person) -> None:
    project = person.project(MANIFEST)
    programs = person.home / "programs"
    programs.mkdir()
    (programs / "pip").write_text("#!/bin/sh\npwd\n")
    (programs / "pip").chmod(0o755)
    assert person.ok("-C", "project", "pip", "list", PATH=f"{programs}:{SYSTEM_PATH}").out == f"{project}\n"


def test_c_is_heeded_by_commands_of_plugins(tmp_path: Path) -> None:
    own = OwnTool(tmp_path)
    own.enabled(
        "def where(arguments, context):\n    print(context.directory)\n    return 0\n\n"
        "@hookimpl\ndef d8_commands():\n    return [Command('where', 'where', run=where)]\n"
    )
    inner = own.home / "inner"
    inner.mkdir()
    assert own.ok("-C", str(inner), "where").out == f"{inner}\n"
    assert own.ok("where", "-C", str(inner)).out == f"{inner}\n"


@pytest.mark.parametrize("directory", ["missing", "file", "", "nul\0", "é" * 5000])
def test_c_that_cannot_be_entered(person: Person, directory: str) -> None:
    (person.home / "file").write_text("")
    if "\0" not in directory:
        failed = person.fails(2, "-C", directory, "list")
        assert failed.err.startswith(("error: cannot change to the directory", "error["))
        told = json.loads(person.fails(2, "--json", "list", "-C", directory).out)
        assert told["errors"][0]["kind"] == "Usage"


# --- --color -----------------------------------------------------------------------------------------------------


RED = "\x1b[31m"


@pytest.mark.parametrize(
    ("words", "env", "is_coloured"),
    [
        ((), {}, False),
        (("--color", "always"), {}, True),
        (("--color", "always"), {"NO_COLOR": "1", "TERM": "dumb"}, True),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"CLICOLOR_FORCE": "1"}, True),
        ((), {"FORCE_COLOR": "0", "CLICOLOR_FORCE": "0"}, False),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (("--color", "auto"), {"FORCE_COLOR": "1"}, True),
    ],
)
@pytest.mark.parametrize("typed", [("which", "nothing"), ("which",), ("nonsense",)], ids=" ".join)
def test_colours_where_no_terminal_is(
    person: Person, words: tuple[str, ...], env: dict[str, str], is_coloured: bool, typed: tuple[str, ...]
) -> None:
    """Also in the error of a mistyped command line, and whatever the error."""
    failed = person.run(*words, *typed, **env)
    assert (RED in failed.err) is is_coloured, failed


@pytest.mark.parametrize(
    ("words", "env", "is_coloured"),
    [((), {}, True), (("--color=never",), {}, False), ((), {"CLICOLOR": "0"}, False), ((), {"NO_COLOR": "1"}, False)],
)
def test_colours_on_a_terminal(person: Person, words: tuple[str, ...], env: dict[str, str], is_coloured: bool) -> None:
    assert (RED.encode() in on_terminal(person, *words, "which", "nothing", **env).raw) is is_coloured


def test_json_and_what_scripts_read_have_no_colours(person: Person) -> None:
    person.ok("install", "tool")
    for words in (("--json", "list"), ("which", "tool"), ("env", "--shell", "bash"), ("config", "path")):
        assert "\x1b" not in person.ok("--color", "always", *words).out


# --- --no-progress -----------------------------------------------------------------------------------------------


def test_no_progress_leaves_only_the_total(person: Person) -> None:
    seen = on_terminal(person, "install", "tool", "--no-progress")
    assert b"fetched " in seen.raw
    assert b"fetching" not in seen.raw
    assert b"\x1b[" not in seen.raw.replace(b"\x1b[36m", b"").replace(b"\x1b[0m", b""), "no bar was drawn"
    quiet = Person(person.home / "other", person.source)
    assert "fetching" not in quiet.ok("--no-progress", "install", "tool").err
    assert "fetching" in Person(person.home / "third", person.source).ok("install", "tool").err


def on_terminal(person: Person, *words: str, **env: str) -> Seen:
    with Terminal(100) as terminal:
        with on(terminal, *words, home=str(person.home), env={**person.variables, **env}):
            pass
        return terminal.seen()

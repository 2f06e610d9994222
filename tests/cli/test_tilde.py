"""Paths below HOME are shown with ``~`` to people, as a shell would expand it, and whole to scripts."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from d8_installer.cli.tilde import with_tilde
from tests.command import environment
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/a/x", "~/x"),
        ("/home/a", "/home/a"),
        ("no d8.toml in /home/a or above it", "no d8.toml in /home/a or above it"),
        ("wrote /home/a/x, /home/a/y", "wrote ~/x, ~/y"),
        ("your profile (/home/a/.local)", "your profile (~/.local)"),
        ("/home/ab/x /mnt/home/a/x", "/home/ab/x /mnt/home/a/x"),
        ("type `d8-installer --home /home/a/x list`", "type `d8-installer --home ~/x list`"),
        ("type `/home/a/venv/bin/d8-installer list`", "type `~/venv/bin/d8-installer list`"),
        ('type `eval "$(/home/a/d8 env)"`', 'type `eval "$(~/d8 env)"`'),
        ("type `d8-installer --home '/home/a/my dir' list`", "type `d8-installer --home '/home/a/my dir' list`"),
        ("type `d8-installer --home=/home/a/x list`", "type `d8-installer --home=/home/a/x list`"),
        ('type `export PATH="/home/a/bin:$PATH"`', 'type `export PATH="/home/a/bin:$PATH"`'),
        ("'/home/a/x' is not a file", "'~/x' is not a file"),
        ("from oci-layout:/home/a/images", "from oci-layout:~/images"),
        ("from file:///home/a/images", "from file:///home/a/images"),
        ("/home/a/d8.toml: line 3", "~/d8.toml: line 3"),
        ("/home/a: is a directory", "/home/a: is a directory"),
    ],
)
def test_home_is_a_tilde_where_it_begins_a_word(text: str, shown: str) -> None:
    assert with_tilde(text, {"HOME": "/home/a"}) == with_tilde(text, {"HOME": "/home/a/"}) == shown


@pytest.mark.parametrize("home", [None, "", "/", "relative"])
def test_without_a_home_nothing_is_shortened(home: str | None) -> None:
    environ = {} if home is None else {"HOME": home}
    assert with_tilde("/home/a relative/x / /x", environ) == "/home/a relative/x / /x"


def test_people_see_a_tilde_and_scripts_whole_paths(tmp_path: Path) -> None:
    person = Person(tmp_path / "home", tmp_path / "home/reg")
    person.publish("tool", "v1.0.0")
    home = str(person.home)
    installed = person.ok("install", "tool")
    assert home not in installed.shown
    assert "~/.local/share/d8-installer/bin" in installed.shown
    people = (("history",), ("doctor",), ("list",), ("gc", "--dry-run"), ("config", "set", "ca_file", "x"))
    for typed in people:
        done = person.run(*typed)
        assert home not in done.shown, typed
    assert home in json.dumps(person.json("doctor")) + json.dumps(person.json("lock"))
    scripts = (("which", "tool"), ("config", "path"), ("config", "get", "ca_file"), ("env", "--shell", "bash"))
    for words in scripts:
        assert home in person.ok(*words).shown, words


def test_a_hint_with_a_tilde_can_be_pasted(tmp_path: Path) -> None:
    """Also if the tool is typed by its place, which lies below HOME."""
    person = Person(tmp_path / "home", tmp_path / "reg")
    person.publish("tool", "v1.0.0")
    state = person.home / "state"
    said = person.ok("--home", str(state), "install", "tool").shown
    command = said.rpartition("type `")[2].partition("`")[0]
    assert command == "d8-installer --home ~/state ensurepath"
    subprocess.run(["sh", "-c", command], env=environment(str(person.home)), cwd=tmp_path, check=True)
    assert str(state / "bin") in (person.home / ".profile").read_text()

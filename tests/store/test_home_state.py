"""The state that a home keeps: ``tags.json`` is only added to, and ``schema`` says whose home it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import ConfigError, DocumentError
from d8_installer.model.digest import Digest
from d8_installer.store import fs, home_state
from d8_installer.store.paths import SCHEMA, Home

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = Digest.of(b"1"), Digest.of(b"2")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(str(tmp_path / "home"))


# -- tags.json -----------------------------------------------------------------------------------------------


def test_tags_are_added_to(home: Home) -> None:
    home_state.remember_tags(home, {("deckhouse-cli", "v1.0.0"): ONE})
    home_state.remember_tags(home, {("deckhouse-cli/plugins/x", "v1.0.0"): TWO, ("deckhouse-cli", "v1.1.0"): TWO})
    expected = {
        ("deckhouse-cli", "v1.0.0"): ONE,
        ("deckhouse-cli", "v1.1.0"): TWO,
        ("deckhouse-cli/plugins/x", "v1.0.0"): TWO,
    }
    assert home_state.load_tags(home) == expected
    home_state.remember_tags(home, {("deckhouse-cli", "v1.0.0"): TWO})
    assert home_state.load_tags(home) == {**expected, ("deckhouse-cli", "v1.0.0"): TWO}


def test_what_is_known_already_is_not_written_again(home: Home) -> None:
    home_state.remember_tags(home, {("deckhouse-cli", "v1.0.0"): ONE})
    before = os.stat(home.tags)
    home_state.remember_tags(home, {("deckhouse-cli", "v1.0.0"): ONE})
    home_state.remember_tags(home, {})
    assert os.stat(home.tags).st_ino == before.st_ino


def test_a_damaged_memory_is_not_written_over(home: Home) -> None:
    fs.replace_file(home.tags, b'{"tags": ')
    with pytest.raises(DocumentError, match="damaged"):
        home_state.remember_tags(home, {("deckhouse-cli", "v1.0.0"): ONE})
    assert fs.read(home.tags, limit=100) == b'{"tags": '


# -- schema --------------------------------------------------------------------------------------------------


def test_a_new_home_gets_its_schema(home: Home) -> None:
    for _ in range(2):
        home_state.prepare_home(home)
        assert fs.read(home.schema, limit=10) == f"{SCHEMA}\n".encode()
    assert sorted(os.listdir(home.root)) == ["mutex", "schema", "tags.json"]


@pytest.mark.parametrize("text", [f"{SCHEMA + 1}\n", "99"])
def test_a_newer_home_is_refused_and_not_touched(home: Home, text: str) -> None:
    fs.replace_file(home.schema, text.encode())
    with pytest.raises(ConfigError, match="schema") as caught:
        home_state.prepare_home(home)
    assert caught.value.hint == "upgrade d8-installer"
    assert os.listdir(home.root) == ["schema"]


@pytest.mark.parametrize("text", ["", "\n", "one", "-1", "1.5", "\N{SUPERSCRIPT TWO}", "\0"])
def test_a_damaged_schema_is_named(home: Home, text: str) -> None:
    fs.replace_file(home.schema, text.encode())
    with pytest.raises(ConfigError, match="damaged") as caught:
        home_state.check_schema(home)
    assert caught.value.hint == f"write {SCHEMA} into it"


def test_preparing_removes_what_killed_processes_left(home: Home) -> None:
    home_state.prepare_home(home)
    for name in ("schema.1.tmp", "tags.json.22.tmp", "d8.toml.333.tmp"):
        fs.replace_file(os.path.join(home.root, name), b"")
    home_state.prepare_home(home)
    assert sorted(os.listdir(home.root)) == ["mutex", "schema", "tags.json"]

"""The state files: any bytes are a value or a named error with a hint, and writing nothing new writes nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d8_installer.errors import ConfigError, DiskError, DocumentError
from d8_installer.model.config import Config
from d8_installer.model.digest import Digest
from d8_installer.model.document import Document
from d8_installer.model.manifest import Manifest
from d8_installer.store import documents, fs, home_state
from d8_installer.store.paths import SCHEMA, Home
from tests.reaching import reached, reaches, spoilt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ONE, TWO = Digest.of(b"1"), Digest.of(b"2")
NASTY = [
    b"\xff\xfe",
    b"schema = 2\n",
    b"lock_version = 99\n",
    b"schema = 1\nimages = 3\n",
    b'lock_version = 1\n[[images]]\nname = "../x"\n',
    b"a = " + b"[" * 50_000,
    b"x = " + b"9" * 10_000,
    b'endpoint = "ftp://x"\n',
    b'{"tags": {"x": {"v1": "sha256:short"}}}',
    b'{"tags": []}',
    b"[" * 100_000,
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(str(tmp_path / "home"))


def test_what_is_not_there_is_empty(home: Home) -> None:
    assert documents.load_manifest(home.config_manifest) == Document("", Manifest())
    assert documents.load_lock(home.profile("user").lock) is None
    assert documents.load_config(os.path.join(home.root, "config.toml")) == Document("", Config())
    assert home_state.load_tags(home) == {}
    home_state.check_schema(home)


@pytest.mark.parametrize(
    ("load", "name"),
    [
        (lambda home: documents.load_manifest(home.config_manifest), "d8.toml"),
        (lambda home: documents.load_lock(os.path.join(home.root, "d8.lock")), "d8.lock"),
        (lambda home: documents.load_config(os.path.join(home.root, "config.toml")), "config.toml"),
        (home_state.load_tags, "tags.json"),
        (home_state.check_schema, "schema"),
    ],
    ids=["manifest", "lock", "config", "tags", "schema"],
)
@reaches("a value", "refused")
@given(
    data=st.binary(max_size=200)
    | st.text(max_size=100).map(str.encode)
    | st.sampled_from(NASTY)
    | spoilt([b"schema = 1\n", b"lock_version = 1\n", b'{"schema": 1, "tags": {}}', b"1\n", b"retention = 3\n"])
)
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_value_or_a_named_error_with_a_hint(
    tmp_path_factory: pytest.TempPathFactory, load: Callable[[Home], object], name: str, data: bytes
) -> None:
    home = Home(str(tmp_path_factory.mktemp("any")))
    fs.replace_file(os.path.join(home.root, name), data)
    try:
        load(home)
        reached("a value")
    except (DocumentError, ConfigError, DiskError) as error:
        reached("refused")
        file = os.path.join(home.root, name)
        newer = f"the home {home.root} has schema "
        starts = (file, f"cannot read {file}: ", *((newer,) if name == "schema" else ()))
        assert error.message.startswith(starts), error.message
        assert error.hint


def test_saving_the_same_text_touches_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "d8.lock")
    documents.save(path, "lock_version = 1\n")
    before = os.stat(path)
    documents.save(path, "lock_version = 1\n")
    assert (os.stat(path).st_ino, os.stat(path).st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    documents.save(path, "lock_version = 1\nx = 1\n")
    assert os.stat(path).st_ino != before.st_ino


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

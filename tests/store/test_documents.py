"""Documents and state files: any bytes are a value or a named error with a hint; the same text is not written again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from d8_installer.errors import ConfigError, DiskError, DocumentError
from d8_installer.model.config import Config
from d8_installer.model.document import Document
from d8_installer.model.manifest import Manifest
from d8_installer.store import documents, fs, home_state
from d8_installer.store.paths import Home
from tests.reaching import reached, reaches, spoilt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
@example(data=b"schema = 1\n")
@example(data=b"lock_version = 1\n")
@example(data=b"1\n")
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


def test_a_byte_order_mark_is_no_part_of_the_text_that_is_edited(tmp_path: Path) -> None:
    path = tmp_path / "d8.toml"
    path.write_bytes(b"\xef\xbb\xbfschema = 1\r\n")
    assert documents.load_manifest(str(path)).text == "schema = 1\r\n"
    path.write_bytes(b"\xef\xbb\xbfretention = 3\n")
    assert documents.load_config(str(path)).text == "retention = 3\n"

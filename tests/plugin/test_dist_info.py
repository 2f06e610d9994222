"""Reading a ``.dist-info``: files of every length, names by their grammar, entry points that mean a file."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import DocumentError
from d8_installer.plugin.dist_info import MANIFESTS, normalised, read_distribution, read_file, split_name
from d8_installer.plugin.environments import Environment
from d8_installer.plugin.shipped_manifest import read_manifest
from tests.strategies import steady

if TYPE_CHECKING:
    from pathlib import Path

NAME = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?)-([A-Za-z0-9.!+_]{1,128})\.dist-info")
VALUE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*:\s*([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})", re.ASCII)


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 200_000])
def test_a_file_of_any_length_is_read_whole_up_to_the_limit(tmp_path: Path, size: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(content := os.urandom(size))
    assert read_file(str(file), size) == content
    assert read_file(str(file), size - 1) is None


@pytest.mark.skipif(os.name == "nt", reason="makes links and pipes")
def test_what_is_not_a_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(os.devnull)
    (tmp_path / "endless").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    assert [read_file(str(tmp_path / name), 100) for name in ("link", "endless", "pipe", "absent", "")] == [None] * 5


@steady
@given(
    st.from_regex(NAME, fullmatch=True)
    | st.text("aZ0-_.+!é \n", max_size=12).map(lambda text: f"{text}.dist-info")
    | st.integers(126, 130).map(lambda length: f"{'a' * length}-{'1' * length}.dist-info")
)
def test_a_name_is_split_as_the_grammar_says(info: str) -> None:
    match = NAME.fullmatch(info)
    assert split_name(info) == (None if match is None else (normalised(match[1]), match[2]))


@steady
@given(st.from_regex(VALUE, fullmatch=True) | st.text("a0_.-: /é\t", max_size=10))
def test_a_value_names_a_file_as_the_grammar_says(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    place = tmp_path_factory.getbasetemp() / "values"
    info = place / "d8_plug_x-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "RECORD").touch()
    (info / "entry_points.txt").write_text(f"[{MANIFESTS}]\nx = {value}\n", encoding="utf-8", newline="")
    found = read_distribution(Environment(str(place), "venv", (str(place),)), str(place), str(info))
    if found is None:  # the value is empty
        return
    (read,) = found.groups[MANIFESTS].values()
    with pytest.raises(DocumentError) as failed:
        read_manifest(found)
    assert ("is not PACKAGE:FILE" in str(failed.value)) is (VALUE.fullmatch(read) is None)

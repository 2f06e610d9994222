"""The store: nothing unproven has a name, nothing damaged counts, nothing of a killed process stays."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d8_installer.errors import DiskError
from d8_installer.model.digest import Digest
from d8_installer.store import fs
from d8_installer.store.paths import Home
from d8_installer.store.store import NewFile, Store, Stored
from tests.forms import examples
from tests.store.cut import every_cut, killed_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAYER = Digest.of(b"a layer")
UNPROVEN = """
import os, sys
from d8_installer.store.store import Store
from d8_installer.store.paths import Home
with Store(Home(sys.argv[1])).incoming() as incoming:
    with incoming.create("plugin") as file:
        file.write(b"unproven")
    print(os.path.dirname(file.name), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(str(tmp_path / "home"))


def admit(home: Home, member: str, data: bytes, name: str, layer: Digest = LAYER) -> Stored:
    """Take *data* in as *member* of the layer, under *name*."""
    store = Store(home)
    stored = Stored(Digest.of(data), len(data))
    with store.incoming() as incoming:
        with incoming.create(member) as file:
            fs.write(file, data)
        store.admit(layer, {member: NewFile(str(file.name), stored, name)})
    return stored


def test_what_was_admitted_is_held_read_only_and_executable(home: Home) -> None:
    stored = admit(home, "plugin", b"binary", "tool")
    store = Store(home)
    assert store.members(LAYER) == {"plugin": stored}
    path = store.path(stored, "tool")
    assert path == home.executable(stored.digest.hex, "tool")
    with open(path, "rb") as file:
        assert file.read() == b"binary"
    assert os.name == "nt" or os.stat(path).st_mode & 0o777 == 0o555
    assert os.listdir(home.incoming) == []


def test_members_of_one_layer_add_up(home: Home) -> None:
    one, two = admit(home, "one", b"1", "one"), admit(home, "two", b"2", "two")
    assert Store(home).members(LAYER) == {"one": one, "two": two}
    assert Store(home).members(Digest.of(b"another")) == {}


def test_threads_that_admit_into_one_layer_lose_nothing(home: Home) -> None:
    names = [f"member{number}" for number in range(8)]
    threads = [threading.Thread(target=admit, args=(home, name, name.encode(), name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(Store(home).members(LAYER)) == names


def test_the_same_bytes_under_a_second_name_are_one_file(home: Home) -> None:
    stored = admit(home, "plugin", b"binary", "tool")
    first, second = Store(home).path(stored, "tool"), Store(home).path(stored, "tool.exe")
    assert os.stat(first).st_ino == os.stat(second).st_ino
    assert os.listdir(home.incoming) == []


@pytest.mark.parametrize("damage", [lambda path: os.truncate(path, 1), os.unlink, lambda path: os.truncate(path, 0)])
def test_an_executable_of_another_size_is_not_held_and_is_replaced(home: Home, damage: object) -> None:
    stored = admit(home, "plugin", b"binary", "tool")
    path = Store(home).path(stored, "tool")
    os.chmod(path, 0o700)
    assert callable(damage)
    damage(path)
    assert Store(home).members(LAYER) == {}
    with pytest.raises(DiskError, match="is gone") as caught:
        Store(home).path(stored, "tool")
    assert caught.value.hint
    admit(home, "plugin", b"binary", "tool")
    assert Store(home).members(LAYER) == {"plugin": stored}
    with open(path, "rb") as file:
        assert file.read() == b"binary"


def test_one_sound_name_mends_another(home: Home) -> None:
    stored = admit(home, "plugin", b"binary", "tool")
    other = Store(home).path(stored, "other")
    os.unlink(other)
    with open(other, "wb") as file:
        file.write(b"bin")
    assert Store(home).members(LAYER) == {"plugin": stored}
    with open(Store(home).path(stored, "other"), "rb") as file:
        assert file.read() == b"binary"


@given(st.binary(max_size=300) | st.sampled_from([b"{}", b'{"members":[]}', b'{"members":{"x":{}}}', b"[" * 100_000]))
@settings(max_examples=examples(80), deadline=None)
def test_a_damaged_record_is_worth_no_more_than_none(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    home = Home(str(tmp_path_factory.mktemp("record")))
    fs.replace_file(home.layer(LAYER.hex), data)
    assert Store(home).members(LAYER) == {}


def test_a_record_cut_anywhere_is_worth_no_more_than_none(home: Home) -> None:
    admit(home, "plugin", b"binary", "tool")
    with open(home.layer(LAYER.hex), "rb") as file:
        whole = file.read()
    for length in range(len(whole) - 1):
        fs.replace_file(home.layer(LAYER.hex), whole[:length])
        assert Store(home).members(LAYER) == {}


def test_cut_at_any_call_a_name_means_the_whole_file(tmp_path: Path) -> None:
    data = b"#!/bin/sh\n" * 1000

    def steps(number: int) -> Iterator[list[str]]:
        home = Home(str(tmp_path / str(number)))
        with killed_at(number) as called:
            admit(home, "plugin", data, "tool")
        yield called
        path = home.executable(Digest.of(data).hex, "tool")
        assert fs.file_size(path) in {None, len(data)}
        if fs.file_size(path) is not None:
            assert os.name == "nt" or os.stat(path).st_mode & 0o777 == 0o555
        Store(home).sweep()
        assert fs.list_directory(home.incoming) == []
        assert [name for name in fs.list_directory(home.layers) if not name.endswith(".json")] == []
        admit(home, "plugin", data, "tool")
        assert list(Store(home).members(LAYER)) == ["plugin"]
        fs.remove_tree(home.root)

    assert every_cut(steps) >= 20


# -- incoming ------------------------------------------------------------------------------------------------


def test_unproven_bytes_go_with_whoever_brought_them(home: Home) -> None:
    with pytest.raises(DiskError, match="mine"), Store(home).incoming() as incoming:
        incoming.create("plugin").close()
        raise DiskError("mine")
    assert os.listdir(home.incoming) == []


def test_a_sweep_takes_what_a_killed_process_left_and_spares_the_living(home: Home) -> None:
    command = [sys.executable, "-c", UNPROVEN, home.root]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        directory = process.stdout.readline().strip()
        Store(home).sweep()
        assert len(os.listdir(directory)) == 2  # the file, and the lock that says that its holder lives
        process.kill()
    assert os.path.isdir(directory)
    Store(home).sweep()
    assert os.listdir(home.incoming) == []


@given(st.text(max_size=60))
@settings(max_examples=examples(50), deadline=None)
def test_a_member_name_never_becomes_a_path(tmp_path_factory: pytest.TempPathFactory, member: str) -> None:
    home = Home(str(tmp_path_factory.mktemp("member")))
    with Store(home).incoming() as incoming:
        with incoming.create(member) as one, incoming.create(member) as two:
            assert one.name != two.name
        assert os.path.dirname(os.path.dirname(str(one.name))) == home.incoming

"""Wheels as files: what came broken or hostile is refused by name, and what goes out depends on the members alone."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import stat
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import D8Error, DocumentError, MismatchError, UsageError
from d8_installer.model.digest import Digest
from d8_installer.publish import wheel_file
from d8_installer.publish.wheel_file import Member, StoredFile, read_wheel, write_wheel
from tests.publish.wheels import INFO, NAME, contents, modes, package, packed, record_of, save
from tests.reaching import reached, reaches
from tests.strategies import steady

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def hostile(directory: Path, *extra: tuple[str, bytes]) -> str:
    """Save a wheel with entries besides its own, all of them in RECORD."""
    files = package()
    path = directory / NAME
    record = record_of({**files, **dict(extra)})
    path.write_bytes(packed([*files.items(), *extra, (f"{INFO}/RECORD", record)]))
    return str(path)


def test_a_wheel_is_read_with_all_its_files(tmp_path: Path) -> None:
    files = package()
    wheel = read_wheel(save(tmp_path, files))
    assert {member.name: member.data for member in wheel.members} == files
    assert (wheel.stem, wheel.python, wheel.abi, wheel.platform) == ("d8_plug_demo-1.0", "py3", "none", "any")
    assert wheel.file_name("win32") == "d8_plug_demo-1.0-py3-none-win32.whl"


def test_a_build_number_stays_in_the_name(tmp_path: Path) -> None:
    wheel = read_wheel(save(tmp_path, package(), "d8_plug_demo-1.0-2-py3-none-any.whl"))
    assert wheel.file_name("any") == "d8_plug_demo-1.0-2-py3-none-any.whl"


BACKSLASHED = ["a\\x"] if os.sep == "/" else []
"""Where a backslash separates, zipfile reads it as a slash."""


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../x", "a//x", "c:x", "./x", "a\nx", *BACKSLASHED])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DocumentError, match="outside of the wheel"):
        read_wheel(hostile(tmp_path, (name, b"")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="a duplicate"):
        read_wheel(hostile(tmp_path, ("d8_plug_demo/d8.toml", b"schema = 1\n")))


def test_a_link_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, package())
    with zipfile.ZipFile(path, "a") as archive:
        entry = zipfile.ZipInfo("d8_plug_demo/link")
        entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(DocumentError, match="a link"):
        read_wheel(path)


def test_more_bytes_than_a_plugin_has_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    path = save(tmp_path, package())
    with open(path, "r+b") as file:
        raw = bytearray(file.read())
        at = raw.index(b"PK\x01\x02")
        raw[at + 24 : at + 28] = struct.pack("<I", wheel_file.MAX_MEMBER_BYTES + 1)
        file.seek(0)
        file.write(raw)
    with pytest.raises(DocumentError, match="holds more than"):
        read_wheel(path)


def changed_record(old: str, new: str) -> dict[str, bytes]:
    files = package()
    record = record_of(files).decode().replace(old, new).encode()
    return {**files, f"{INFO}/RECORD": record}


@pytest.mark.parametrize(
    ("old", "new", "kind", "reason"),
    [
        ("d8_plug_demo/d8.toml,sha256=", "d8_plug_demo/d8.toml,sha256=x", MismatchError, "another hash"),
        ("d8_plug_demo/d8.toml,sha256=", "d8_plug_demo/d8.toml,md5=", MismatchError, "another hash"),
        ("d8_plug_demo/d8.toml,", "d8_plug_demo/other.toml,", MismatchError, "which its RECORD lacks"),
        ("d8_plug_demo/__init__.py,", "gone.py,,\nd8_plug_demo/__init__.py,", MismatchError, "only its RECORD has"),
        ("RECORD,,", "RECORD,,\nd8_plug_demo/d8.toml,,", DocumentError, "twice"),
        ("RECORD,,", "RECORD", DocumentError, "three columns"),
        (f"{INFO}/RECORD,,", f'"{INFO}/RECORD,,', DocumentError, "not a sound CSV"),
    ],
)
def test_files_and_record_must_say_the_same(
    tmp_path: Path, old: str, new: str, kind: type[D8Error], reason: str
) -> None:
    path = tmp_path / NAME
    path.write_bytes(packed(changed_record(old, new).items()))
    with pytest.raises(kind, match=reason) as caught:
        read_wheel(str(path))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("d8_plug_demo-1.1-py3-none-any.whl", package()),
        ("other-1.0-py3-none-any.whl", package()),
        (NAME, {**package(), "x-1.dist-info/METADATA": b""}),
        (NAME, {"d8_plug_demo/__init__.py": b""}),
    ],
)
def test_the_metadata_must_be_the_file_names_own(tmp_path: Path, name: str, files: Mapping[str, bytes]) -> None:
    path = tmp_path / name
    path.write_bytes(
        packed([*files.items(), (f"{INFO}/RECORD", record_of(files))] if INFO in str(files) else files.items())
    )
    with pytest.raises(DocumentError, match=r"exactly one \.dist-info"):
        read_wheel(str(path))


@pytest.mark.parametrize("name", ["x.whl", "x-1.zip", "x-y-z-py3-none-any.whl", "x-1-a-py3-none-any.whl"])
def test_a_file_name_that_is_no_wheels_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="not the file name of a wheel"):
        read_wheel(save(tmp_path, package(), name))


def test_a_wheel_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_wheel(str(tmp_path / NAME))


@reaches("a wheel", "refused")
@steady
@given(st.data())
def test_any_bytes_are_a_wheel_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    files = package()
    raw = bytearray(packed([*files.items(), (f"{INFO}/RECORD", record_of(files))]))
    raw = raw[data.draw(st.integers(0, 40)) if data.draw(st.booleans()) else 0 :]
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), max_size=6)):
        raw[at] = value
    path = tmp_path_factory.getbasetemp() / NAME
    path.write_bytes(raw)
    try:
        wheel = read_wheel(str(path))
    except D8Error as error:
        reached("refused")
        assert error.hint
    else:
        reached("a wheel")
        assert {member.name: member.data for member in wheel.members} == files


# -- writing -------------------------------------------------------------------------------------------------

names = st.lists(st.text("abcXYZ.,_é ", min_size=1, max_size=8).filter(lambda t: t.strip(". ") == t), min_size=1)
members = st.dictionaries(
    names.map("/".join).filter(lambda name: not name.startswith(INFO)),
    st.tuples(st.binary(max_size=200), st.booleans()),
    max_size=6,
).map(lambda found: [Member(name, data, executable) for name, (data, executable) in found.items()])


@steady
@given(members, st.randoms(), st.none() | st.integers(0, 1 << 40))
def test_the_same_members_are_the_same_bytes_and_record_is_right(
    tmp_path_factory: pytest.TempPathFactory, given_members: list[Member], random: object, epoch: int | None
) -> None:
    directory = tmp_path_factory.mktemp("written")
    metadata = [Member(f"{INFO}/WHEEL", b"Wheel-Version: 1.0\n"), Member(f"{INFO}/licenses/A", b"")]
    everything = [*given_members, *metadata]
    first, second = str(directory / "1.whl"), str(directory / "2.whl")
    write_wheel(first, everything, INFO, epoch)
    write_wheel(second, everything[::-1], INFO, epoch)
    with open(first, "rb") as one, open(second, "rb") as other:
        assert one.read() == other.read()
    files = contents(first)
    order = list(files)
    assert order[-1] == f"{INFO}/RECORD"
    assert sorted(order, key=lambda name: name.startswith(f"{INFO}/")) == order
    rows = list(csv.reader(io.StringIO(files.pop(f"{INFO}/RECORD").decode(), newline="")))
    assert rows.pop() == [f"{INFO}/RECORD", "", ""]
    expected = {
        name: [f"sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')}", str(len(data))]
        for name, data in files.items()
    }
    assert {name: [digest, size] for name, digest, size in rows} == expected
    assert files == {member.name: member.data for member in everything}
    bits = modes(first)
    assert all(bits[member.name] == (0o755 if member.executable else 0o644) for member in everything)


def test_the_time_inside_is_that_of_source_date_epoch(tmp_path: Path) -> None:
    for epoch, expected in ((None, 1980), (0, 1980), (1_700_000_000, 2023), (1 << 50, 2107)):
        path = tmp_path / f"{epoch}.whl"
        write_wheel(str(path), [Member(f"{INFO}/WHEEL", b"")], INFO, epoch)
        with zipfile.ZipFile(path) as archive:
            assert {entry.date_time[0] for entry in archive.infolist()} == {expected}


def test_a_stored_file_goes_in_only_as_what_its_digest_says(tmp_path: Path) -> None:
    file = tmp_path / "binary"
    file.write_bytes(b"#!/bin/sh\n")
    good = StoredFile(str(file), Digest.of(b"#!/bin/sh\n"), 10)
    write_wheel(str(tmp_path / "good.whl"), [Member("x", good, executable=True)], INFO, None)
    assert contents(str(tmp_path / "good.whl"))["x"] == b"#!/bin/sh\n"
    file.write_bytes(b"#!/bin/no\n")
    with pytest.raises(MismatchError, match="the store is damaged"):
        write_wheel(str(tmp_path / "bad.whl"), [Member("x", good)], INFO, None)


def test_a_directory_leads_to_the_wheel_that_is_built_from_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a directory, not a wheel") as refused:
        read_wheel(str(tmp_path))
    assert "`uv build --wheel`" in (refused.value.hint or "")

"""Which file of an archive a manifest means: base names and paths, doubles, links, whiteouts, odd layers."""

from __future__ import annotations

import gzip
import struct
import sys
import tarfile

import pytest

from d8_installer.errors import MismatchError, NotFoundError
from d8_installer.store.members import path_of
from tests.store.layers import Member, archive, header, padded, run

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SKIPPABLE = struct.pack("<II", 0x184D2A50, 5) + b"abcde"


def found(data: bytes, *wanted: str) -> dict[str, bytes | None]:
    _, ingest = run(data, wanted=frozenset(wanted))
    return {member: file.content for member, file in ingest.files.items()}


def layer(*members: Member) -> bytes:
    return gzip.compress(archive(*members))


TWO = (Member("share/completions/x", b"completions"), Member("./usr/bin/x", b"binary"), Member("x", b"root"))


def test_a_path_names_one_of_several_files_of_one_base_name() -> None:
    assert found(layer(*TWO), "usr/bin/x") == {"usr/bin/x": b"binary"}
    assert found(layer(*TWO), "/x", "share/completions/x") == {"/x": b"root", "share/completions/x": b"completions"}


def test_one_file_may_be_wanted_by_its_name_and_by_its_path() -> None:
    assert found(layer(Member("usr/bin/x", b"1"), Member("y")), "x", "usr/bin/x") == {"x": b"1", "usr/bin/x": b"1"}


def test_a_base_name_that_is_not_unique_names_its_paths() -> None:
    with pytest.raises(MismatchError) as caught:
        found(layer(*TWO), "x")
    assert caught.value.message == 'the image holds 3 files named "x": "usr/bin/x", "/x", "share/completions/x"'
    assert '`x = "usr/bin/x"`' in (caught.value.hint or "")


@pytest.mark.parametrize("wanted", ["x", "usr/bin/x"])
def test_one_path_twice_has_no_way_out(wanted: str) -> None:
    with pytest.raises(MismatchError, match='two files named "usr/bin/x"') as caught:
        found(layer(Member("usr/bin/x"), Member("./usr//bin/x")), wanted)
    assert "author" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["//plugin//", "plugin//", "./plugin/", "/plugin", "a/../plugin", "../plugin"])
def test_a_base_name_is_found_as_go_finds_it(name: str) -> None:
    """A slash at the end makes no directory of a regular file (rpp.md §18, L8 of the faults)."""
    assert found(gzip.compress(header(name, size=3) + padded(b"yes")), "plugin") == {"plugin": b"yes"}


@pytest.mark.parametrize("name", ["plugin/.", "plugin/..", "a/plugin/./x"])
def test_what_go_does_not_find_is_not_found(name: str) -> None:
    with pytest.raises(NotFoundError):
        found(gzip.compress(header(name, size=3) + padded(b"no!")), "plugin", "plugin/x")


@pytest.mark.parametrize(
    ("name", "path"),
    [("./a//b/", "a/b"), ("/a", "/a"), ("a", "/a"), ("a/../b", None), ("../a", None), ("", None), ("./", None)],
)
def test_paths_have_one_spelling(name: str, path: str | None) -> None:
    assert path_of(name) == path


def link(name: str, target: str, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    ("kind", "name", "target", "offered"),
    [
        (tarfile.SYMTYPE, "usr/bin/x", "../lib/x/x-1", '`x-1 = "usr/lib/x/x-1"`'),
        (tarfile.SYMTYPE, "usr/bin/x", "/opt/x", '`x = "opt/x"`'),
        (tarfile.SYMTYPE, "x", "real", '`real = "/real"`'),
        (tarfile.LNKTYPE, "usr/bin/x", "usr/lib/x", '`x = "usr/lib/x"`'),
        (tarfile.SYMTYPE, "usr/bin/x", "d/" * 100 + "x", "d/x"),
        (tarfile.SYMTYPE, "x", "../../etc/passwd", "author"),
    ],
)
def test_a_link_names_its_target_as_the_way_out(kind: bytes, name: str, target: str, offered: str) -> None:
    data = gzip.compress(link(name, target, kind) + header("other"))
    for wanted in {"x", path_of(name) or ""}:
        with pytest.raises(NotFoundError, match="file not found in image") as caught:
            found(data, wanted)
        assert offered in (caught.value.hint or "")
        assert target[:100] in (caught.value.hint or "")


def test_whiteouts_are_neither_taken_nor_offered() -> None:
    data = layer(Member(".wh.plugin"), Member("d/.wh..wh..opq"), Member(".wh.other"), Member("real"))
    with pytest.raises(NotFoundError) as caught:
        found(data, "plugin")
    assert caught.value.hint == (
        'the last layer of the image deletes "plugin": ask the image\'s author; it holds "real": name one of these'
        " under `binaries`"
    )
    with pytest.raises(NotFoundError):
        found(data, ".wh.plugin")


def test_what_estargz_adds_is_not_offered() -> None:
    with pytest.raises(NotFoundError) as caught:
        found(layer(Member(".prefetch.landmark"), Member("stargz.index.json"), Member("tool")), "x")
    assert caught.value.hint == 'it holds "tool": name one of these under `binaries`'


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress, bytes], ids=["gzip", "zstd", "tar"])
def test_the_last_member_may_lack_its_padding_and_the_end(pack: object) -> None:
    """So does `umoci insert`; a file that is cut, and padding that is cut, are refused as before."""
    assert callable(pack)
    raw = header("first", size=3) + padded(b"one") + header("plugin", size=600) + b"p" * 600
    assert found(pack(raw), "plugin") == {"plugin": b"p" * 600}
    for short in (raw[:-1], raw + b"\0", raw + bytes(423)):
        with pytest.raises(MismatchError, match="cut short"):
            found(pack(short), "plugin")
    assert found(pack(raw + bytes(424)), "plugin") == {"plugin": b"p" * 600}


@pytest.mark.parametrize(
    "data",
    [
        SKIPPABLE + zstd.compress(archive(Member("plugin", b"1"))),
        SKIPPABLE * 3 + zstd.compress(archive(Member("plugin", b"1"))) + SKIPPABLE,
        zstd.compress(archive(Member("plugin", b"1"))[:512]) + zstd.compress(archive(Member("plugin", b"1"))[512:]),
        gzip.compress(b"") + gzip.compress(archive(Member("plugin", b"1"))) + gzip.compress(b""),
    ],
    ids=["skippable first", "skippable around", "frames", "empty gzip members"],
)
def test_odd_streams(data: bytes) -> None:
    for step in (1, 7, len(data)):
        _, ingest = run(data, body=(data[at : at + step] for at in range(0, len(data), step)))
        assert ingest.files["plugin"].content == b"1"


def test_a_hint_says_once_whom_to_ask() -> None:
    for only in (Member(".wh.x", b""), Member("x", kind=tarfile.SYMTYPE, pax={"linkpath": "../../etc/x"})):
        with pytest.raises(NotFoundError) as caught:
            found(layer(only), "x")
        assert (caught.value.hint or "").count("ask the image's author") == 1

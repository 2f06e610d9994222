"""The unpack gives the promised bytes or a named error, and closes every file.

The bytes are made with tarfile, gzip and zstd, which are also what the results are compared with.
"""

from __future__ import annotations

import gzip
import sys
import tarfile
from typing import TYPE_CHECKING, BinaryIO

import pytest

from d8_installer.errors import DiskError, MismatchError, NotFoundError, TryAgainError
from d8_installer.model.digest import Digest
from d8_installer.model.executable import HEAD_BYTES
from d8_installer.store import inflate, tar
from d8_installer.store.unpack import Extracted, Layer, unpack
from tests.store.layers import (
    NOISE,
    PACKERS,
    PLUGIN,
    SMALL,
    Ingest,
    Kept,
    Member,
    archive,
    both_ways,
    content_of,
    header,
    layer_of,
    packings,
    padded,
    pax,
    run,
)

if sys.version_info >= (3, 14):
    pass
else:
    pass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# -- what is found ---------------------------------------------------------------------------------------


@packings
def test_the_members_come_back_sorted_with_digest_size_head_and_mode(pack: Callable[[bytes], bytes]) -> None:
    raw = archive(Member("z/plugin", NOISE), Member("README", b"text"), Member("./empty"))
    found, ingest = run(pack(raw), frozenset({"plugin", "empty"}))
    assert found == (
        Extracted(member="empty", digest=Digest.of(b""), size=0, head=b"", mode=0o555),
        Extracted(member="plugin", digest=Digest.of(NOISE), size=len(NOISE), head=NOISE[:HEAD_BYTES], mode=0o555),
    )
    assert ingest.contents == {"empty": b"", "plugin": NOISE}


@packings
@pytest.mark.parametrize("out", [64, 65_536])
@pytest.mark.parametrize("step", [1, 7, 512, 65_536])
def test_how_the_bytes_are_cut_changes_nothing(
    pack: Callable[[bytes], bytes], step: int, out: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflate, "STEP_OUT", out)
    data = pack(SMALL)
    chunks = (data[at : at + step] for at in range(0, len(data), step))
    _, ingest = run(data, body=chunks)
    assert ingest.contents == {"plugin": NOISE[:5000]}


def test_a_member_that_ends_where_a_step_ends_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    first = gzip.compress(SMALL[:1000])
    monkeypatch.setattr(inflate, "STEP_IN", len(first))
    data = first + gzip.compress(SMALL[1000:])
    _, ingest = run(data, body=iter([data[: len(first)], data[len(first) :]]))
    assert ingest.contents == {"plugin": NOISE[:5000]}


def test_without_isal_zlib_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    assert content_of(PACKERS["gzip members"](SMALL)) == NOISE[:5000]
    with pytest.raises(MismatchError, match="is not valid gzip"):
        run(gzip.compress(SMALL)[:50] + NOISE[:500])


@pytest.mark.parametrize(
    "name", ["plugin", "./plugin", "/plugin", "a/b/plugin", "../../etc/plugin", "d" * 300 + "/plugin", "é/plugin"]
)
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_only_the_base_name_counts(name: str, form: int) -> None:
    assert content_of(gzip.compress(archive(Member(name, b"BINARY"), form=form))) == b"BINARY"


@pytest.mark.parametrize(
    "kind", [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_other_kinds_of_that_name_are_passed_by(kind: bytes) -> None:
    assert content_of(gzip.compress(archive(Member("plugin", kind=kind), Member("x/plugin", b"REAL")))) == b"REAL"
    with pytest.raises(NotFoundError) as caught:
        run(gzip.compress(archive(Member("plugin", kind=kind), Member("LICENSE"))))
    assert caught.value.message == 'file not found in image: "plugin"'
    assert caught.value.hint is not None
    assert '"LICENSE"' in caught.value.hint


def test_contiguous_files_are_no_regular_files() -> None:
    data = gzip.compress(
        header("plugin", tarfile.CONTTYPE, 3) + padded(b"old") + header("plugin", size=3) + padded(b"new")
    )
    assert content_of(data) == b"new"


def test_a_duplicate_of_a_wanted_member_is_refused_and_of_others_not() -> None:
    with pytest.raises(MismatchError, match='two files named "plugin"'):
        run(gzip.compress(archive(Member("a/plugin", b"1"), Member("b/plugin", b"1"))))
    assert content_of(gzip.compress(archive(Member("a"), Member("a"), Member("plugin", b"1")))) == b"1"


# -- tar's extensions ------------------------------------------------------------------------------------


def test_pax_sets_path_and_size() -> None:
    raw = pax(path="bin/plugin", size="6", mtime="1.5") + header("short", size=0) + padded(b"BINARY")
    assert content_of(gzip.compress(raw + header("tail"))) == b"BINARY"


def test_a_long_name_that_the_header_cuts_at_a_slash_makes_no_directory() -> None:
    raw = archive(Member("long/" * 40 + "plugin", b"REAL", tarfile.AREGTYPE), form=tarfile.GNU_FORMAT)
    assert content_of(gzip.compress(raw)) == b"REAL"


REFUSED = {
    "sparse by pax": pax(GNU__sparse__major="1", GNU__sparse__name="plugin", path="GNUSparseFile.0/plugin")
    + header("x"),
    "sparse by GNU": header("plugin", tarfile.GNUTYPE_SPARSE),
    "two names": pax(path="a") + pax(path="plugin") + header("x"),
    "GNU and pax name": header("@", b"L", 2) + padded(b"a\0") + pax(path="plugin") + header("x"),
    "global name": pax(path="plugin").replace(b"x", b"x") + header("x"),
    "negative pax size": pax(size="-1") + header("plugin"),
    "pax size of words": pax(size="1_0") + header("plugin"),
    "pax record too short": header("@", tarfile.XHDTYPE, 9) + padded(b"5 path=x\n") + header("plugin"),
    "pax record too long": header("@", tarfile.XHDTYPE, 9) + padded(b"99 path=x") + header("plugin"),
    "pax without length": header("@", tarfile.XHDTYPE, 9) + padded(b" path=xx\n") + header("plugin"),
    "extension too long": header("@", tarfile.XHDTYPE, tar.MAX_EXTENSION_BYTES + 1) + bytes(2 << 20),
    "no header": header("plugin") + b"x" * 512,
}
REFUSED["global name"] = tarfile.TarInfo.create_pax_global_header({"path": "plugin"}) + header("x")


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_what_tools_read_differently_is_refused(raw: bytes) -> None:
    with pytest.raises(MismatchError):
        run(gzip.compress(raw))


def test_sparse_files_of_other_names_are_passed_by() -> None:
    more = bytearray(header("other", tarfile.GNUTYPE_SPARSE, 5))
    more[482] = 1
    more[148:156] = b"%06o\0 " % (sum(more[:148]) + 256 + sum(more[156:]))
    raw = bytes(more) + bytes(504) + b"\1" + bytes(7) + bytes(512) + padded(b"holes")
    raw += pax(GNU__sparse__major="0") + header("other2", size=3) + padded(b"abc")
    assert content_of(gzip.compress(raw + archive(Member("plugin", b"REAL")))) == b"REAL"


def test_global_pax_headers_that_name_nothing_are_fine() -> None:
    raw = tarfile.TarInfo.create_pax_global_header({"comment": "git"}) + archive(Member("plugin", b"REAL"))
    assert content_of(gzip.compress(raw)) == b"REAL"


# -- the promise -----------------------------------------------------------------------------------------


@both_ways
def test_nothing_comes_back_unless_the_digest_matches(spread: bool) -> None:
    data, ingest = gzip.compress(SMALL), Ingest()
    with pytest.raises(MismatchError, match="have the digest"):
        unpack([data], Layer(Digest.of(b"other"), len(data)), PLUGIN, ingest, spread=spread)


@both_ways
@packings
def test_every_byte_after_the_archive_counts_too(pack: Callable[[bytes], bytes], spread: bool) -> None:
    data = pack(SMALL)
    with pytest.raises(MismatchError, match="have the digest"):
        unpack([data[:-1] + bytes([data[-1] ^ 1])], layer_of(data), PLUGIN, Ingest(), spread=spread)


@both_ways
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
@packings
def test_a_cut_body_says_so(pack: Callable[[bytes], bytes], share: float, spread: bool) -> None:
    data = pack(SMALL)
    end = int(len(data) * share)
    with pytest.raises(MismatchError, match=f"ended after {end} of {len(data)} bytes"):
        unpack([data[:end]], layer_of(data), PLUGIN, Ingest(), spread=spread)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@packings
def test_a_layer_that_was_published_cut_is_refused(pack: Callable[[bytes], bytes], share: float) -> None:
    raw = header("plugin", size=5000) + padded(NOISE[:5000])
    with pytest.raises(MismatchError, match="cut short"):
        run(pack(raw)[: int(len(pack(raw)) * share)] if share < 0.9 else pack(raw[:-200]))


@both_ways
def test_a_body_that_goes_on_is_left_at_once(spread: bool) -> None:
    data, read = gzip.compress(SMALL), list[int]()

    def endless() -> Iterator[bytes]:
        yield data
        while True:
            read.append(1)
            yield b"x"

    with pytest.raises(MismatchError, match="longer than the promised"):
        unpack(endless(), layer_of(data), PLUGIN, Ingest(), spread=spread)
    assert len(read) == 1


@both_ways
def test_damage_on_the_way_is_told_from_a_damaged_image(spread: bool) -> None:
    data = bytearray(gzip.compress(archive(Member("plugin", NOISE))))
    data[1000] ^= 255
    with pytest.raises(MismatchError, match="have the digest"):
        unpack(
            [bytes(data)], layer_of(gzip.compress(archive(Member("plugin", NOISE)))), PLUGIN, Ingest(), spread=spread
        )
    with pytest.raises(MismatchError, match="is not valid gzip"):
        run(bytes(data))


def test_what_follows_the_archive_is_read_too() -> None:
    data = gzip.compress(SMALL + NOISE * 10)
    with pytest.raises(MismatchError, match="is not valid gzip"):
        run(data[:-8] + bytes(8))


@pytest.mark.parametrize("start", [b"", b"\0" * 600, b"<html>" * 200, b"\x1f\x8b\x09", b"BZh9" * 200])
def test_other_formats_are_refused_by_name(start: bytes) -> None:
    with pytest.raises(MismatchError, match="is neither gzip nor tar nor zstd"):
        run(start)


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"#!/bin/sh\necho hi\n", "a plain script"),
        (b"\x7fELF" + b"\2" * 900, "a plain executable"),
        (b"PK\3\4" + b"\0" * 900, "a zip archive"),
    ],
)
def test_a_file_without_an_archive_is_named(start: bytes, what: str) -> None:
    """`oras push` makes a layer of any file, as it is."""
    with pytest.raises(MismatchError, match=f"nor zstd: it is {what}") as caught:
        run(start)
    assert "d8-installer publish" in (caught.value.hint or "")


@pytest.mark.parametrize("behind", [b"\0", b"garbage", gzip.compress(b"", mtime=0)[:5]])
def test_nothing_but_gzip_may_follow_gzip(behind: bytes) -> None:
    with pytest.raises(MismatchError):
        run(gzip.compress(SMALL) + behind)


@pytest.mark.parametrize("error", [TryAgainError("cut"), KeyboardInterrupt(), RuntimeError("bug")])
@pytest.mark.parametrize("after", [0, 100, 200_000])
def test_what_the_body_raises_comes_through(error: BaseException, after: int) -> None:
    data = gzip.compress(archive(Member("plugin", NOISE)))

    def body() -> Iterator[bytes]:
        yield data[:after]
        raise error

    with pytest.raises(type(error)) as caught:
        run(data, body=body())
    assert caught.value is error


class Refusing(Kept):
    """A file on a full disk: it refuses after some bytes, or when it is closed."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, data: object) -> int:
        self.room -= len(memoryview(data))  # type: ignore[arg-type]
        if self.room < 0:
            raise OSError(28, "No space left on device")
        return 1  # an unbuffered file may take less than it is given


@both_ways
def test_a_full_disk_ends_the_reading(spread: bool) -> None:
    data, read = gzip.compress(archive(Member("plugin", NOISE * 40))), list[int]()

    def body() -> Iterator[bytes]:
        for at in range(0, len(data), 65_536):
            read.append(at)
            yield data[at : at + 65_536]

    with pytest.raises(DiskError, match='cannot write "plugin": no space left on device'):
        unpack(body(), layer_of(data), PLUGIN, lambda _: Refusing(100_000), spread=spread)
    assert len(read) < len(data) / 65_536 / 2


@both_ways
def test_a_full_disk_is_named_with_the_file_on_it(tmp_path: Path, spread: bool) -> None:
    class Full(Refusing):
        name = str(tmp_path / "plugin.0123")

    data = gzip.compress(archive(Member("plugin", NOISE)))
    with pytest.raises(DiskError) as error:
        unpack(iter([data]), layer_of(data), PLUGIN, lambda _: Full(10), spread=spread)
    assert str(error.value) == f'cannot write "plugin" to {Full.name}: no space left on device'
    assert error.value.hint == "free some space, then type the same command again"


@both_ways
def test_a_file_that_cannot_be_made_is_a_disk_error(spread: bool) -> None:
    def create(_member: str) -> BinaryIO:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(DiskError, match="permission denied"):
        unpack([gzip.compress(SMALL)], layer_of(gzip.compress(SMALL)), PLUGIN, create, spread=spread)


@both_ways
def test_an_unbuffered_file_may_take_its_bytes_one_by_one(spread: bool) -> None:
    class Slow(Kept):
        def write(self, data: object) -> int:
            return super().write(bytes(memoryview(data)[:1]))  # type: ignore[arg-type]

    file, data = Slow(), gzip.compress(SMALL)
    unpack([data], layer_of(data), PLUGIN, lambda _: file, spread=spread)
    assert file.content == NOISE[:5000]

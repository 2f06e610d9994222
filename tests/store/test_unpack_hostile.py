"""Whatever comes, the unpack ends with a value or an error of ours, in bounded memory, and leaves no thread.

Also the Go client's rules, which conformance compares with.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from d8_installer.errors import D8Error, MismatchError, NotFoundError
from d8_installer.store import inflate, tar, tar_header
from d8_installer.store.unpack import Rules, unpack
from tests.forms import examples
from tests.reaching import reached, reaches, spoilt
from tests.store.layers import (
    GO,
    NOISE,
    PACKERS,
    PLUGIN,
    SMALL,
    Ingest,
    Member,
    archive,
    both_ways,
    content_of,
    header,
    layer_of,
    packings,
    pax,
    run,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# -- bombs -----------------------------------------------------------------------------------------------


def test_a_file_of_just_the_limit_passes_and_one_more_byte_does_not() -> None:
    data = gzip.compress(archive(Member("plugin", b"12345")))
    assert content_of(data, Rules(max_file=5)) == b"12345"
    with pytest.raises(MismatchError) as caught:
        run(data, rules=Rules(max_file=4))
    assert caught.value.message == '"plugin" exceeds the 4-byte limit'


@packings
def test_a_walk_of_just_the_limit_passes_and_one_more_byte_does_not(pack: Callable[[bytes], bytes]) -> None:
    assert content_of(pack(SMALL), Rules(max_walk=len(SMALL))) == NOISE[:5000]
    with pytest.raises(MismatchError, match="unpacks to more than"):
        run(pack(SMALL), rules=Rules(max_walk=len(SMALL) - 1))


@pytest.mark.parametrize("library", ["gzip", "zstd", "zlib"])
def test_pieces_are_small_and_complete_whatever_the_input(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if library == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    pack = PACKERS["zstd" if library == "zstd" else "gzip"]
    data = pack(header("x", size=64 << 20) + bytes(64 << 20))
    assert len(data) < 100_000
    sizes = [len(piece) for piece in inflate.inflate([data], 1 << 30)]
    assert sum(sizes) == (64 << 20) + 512
    assert max(sizes) <= inflate.STEP_OUT
    assert min(sizes) > 0


def test_a_zstd_window_that_takes_much_memory_is_refused() -> None:
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 26, zstd.CompressionParameter.compression_level: 1}
    data = zstd.compress(header("x", size=1 << 27) + bytes(1 << 27), options=options)
    with pytest.raises(MismatchError, match="too much memory"):
        run(data)


@pytest.mark.parametrize("empty", [gzip.compress(b""), zstd.compress(b"")], ids=["gzip", "zstd"])
def test_streams_without_end_are_refused(empty: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "_MAX_MEMBERS", 100)
    begin = gzip.compress(SMALL) if empty[0] == 0x1F else zstd.compress(SMALL)
    with pytest.raises(MismatchError, match="more than 100 "):
        run(begin + empty * 100)


def test_headers_and_records_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "_MAX_HEADERS", 50)
    with pytest.raises(MismatchError, match="more than 50 headers"):
        run(gzip.compress(header("x") * 51))
    with pytest.raises(MismatchError, match="too long"):
        run(gzip.compress(pax(comment="x" * 1_000_000) * 9, 1))


MEMORY = """
import gzip, hashlib, resource, sys
from d8_installer.model.digest import Digest
from d8_installer.store.unpack import Layer, unpack
import tests.store.layers as t

head = gzip.compress(t.header("plugin", size=200 << 20))
part = gzip.compress(bytes(1 << 20))
more = gzip.compress(t.header("more", size=len(t.NOISE) * 300))
noise = gzip.compress(t.NOISE)
tail = gzip.compress(bytes(-300 * len(t.NOISE) % 512))
def body():
    yield head
    for _ in range(200): yield part
    yield more
    for _ in range(300): yield noise
    yield tail
hasher = hashlib.sha256(); size = 0
for chunk in body(): hasher.update(chunk); size += len(chunk)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open("/dev/null", "wb") as null:
    layer = Layer(Digest(hasher.hexdigest()), size)
    [found] = unpack(body(), layer, frozenset({"plugin"}), lambda m: null, spread=SPREAD)
assert found.size == 200 << 20
sys.stdout.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@both_ways
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_a_large_layer_takes_little_memory(spread: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY.replace("SPREAD", str(spread))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 24 << 10


# -- threads ---------------------------------------------------------------------------------------------


INTERRUPTED = """
import gzip, sys
import tests.store.layers as t
from d8_installer.model.digest import Digest
from d8_installer.store.unpack import Layer, unpack

part = gzip.compress(t.NOISE, 1)
def body():
    yield gzip.compress(t.header("plugin", size=500 << 20))
    sys.stdout.write("ready"); sys.stdout.flush()
    while True: yield part
try:
    with open("/dev/null", "wb") as null:
        unpack(body(), Layer(Digest.of(b""), 1 << 60), t.PLUGIN, lambda member: null, spread=SPREAD)
except KeyboardInterrupt:
    pass  # the interpreter ends when the last thread has
"""


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
@pytest.mark.parametrize("attempt", range(5))
def test_ctrl_c_leaves_no_thread(attempt: int) -> None:
    program = [sys.executable, "-c", INTERRUPTED.replace("SPREAD", "True")]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == b"ready"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05 + attempt * 0.013)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()


def test_a_thread_that_cannot_be_started_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, list[threading.Thread]()

    def start_one(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_one)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        unpack([gzip.compress(SMALL)], layer_of(gzip.compress(SMALL)), PLUGIN, Ingest(), spread=True)
    assert not started[0].is_alive()


# -- Go's rules ------------------------------------------------------------------------------------------


def test_go_takes_the_first_match_and_reads_no_further() -> None:
    raw = archive(Member("a/plugin", b"FIRST"), Member("b/plugin", b"SECOND"))
    data = gzip.compress(raw[:1024]) + b"garbage"
    [extracted], ingest = run(data, rules=GO)
    assert (extracted.mode, ingest.contents) == (0o755, {"plugin": b"FIRST"})


GO_ERRORS = {
    "zstd": (zstd.compress(SMALL), "open gzip stream"),
    "plain tar": (SMALL, "open gzip stream"),
    "nothing": (b"", "open gzip stream"),
    "cut before": (gzip.compress(header("x", size=9999) + NOISE)[:5000], "read tar: unexpected EOF"),
    "cut inside": (gzip.compress(header("plugin", size=99_999) + NOISE)[:5000], "unexpected end of stream"),
    "none": (gzip.compress(archive(Member("README"))), 'file not found in image: "plugin"'),
    "no archive": (gzip.compress(b"x" * 512), "read tar: archive/tar: invalid tar header"),
    "empty archive": (gzip.compress(b""), 'file not found in image: "plugin"'),
}


@pytest.mark.parametrize(("data", "message"), GO_ERRORS.values(), ids=GO_ERRORS)
def test_go_says(data: bytes, message: str) -> None:
    with pytest.raises(D8Error) as caught:
        run(data, rules=GO)
    assert caught.value.message == message


def test_gos_limits() -> None:
    data = gzip.compress(archive(Member("x", NOISE), Member("plugin", b"12345")))
    assert content_of(data, Rules("go", max_file=5)) == b"12345"
    with pytest.raises(MismatchError, match=r"^.plugin. exceeds the 4-byte limit$"):
        run(data, rules=Rules("go", max_file=4))
    with pytest.raises(MismatchError, match=r"^read tar: unexpected EOF$"):
        run(data, rules=Rules("go", max_walk=len(NOISE)))


# -- any input -------------------------------------------------------------------------------------------


KINDS = [
    tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, b"7", b"V",
]  # fmt: skip
members = st.builds(
    Member,
    st.sampled_from(["plugin", "./plugin", "a/plugin", "README", "p" * 120, "long/" * 40 + "plugin", "ü", "x/plugin/"]),
    st.binary(max_size=1200),
    st.sampled_from(KINDS),
    st.sampled_from([{}, {"comment": "x"}, {"path": "pax/plugin"}]),
)
forms = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def bytes_of(listed: Sequence[Member], form: int) -> bytes:
    """Archive what tarfile reads as everybody does: no content in header-only kinds, and no old directories.

    Of old, a slash at the end made one; tarfile looks for it before it has put the name together.
    """
    return archive(*map(readable, listed), form=form)


def readable(member: Member) -> Member:
    old = member.kind == tarfile.AREGTYPE and (len(member.name) > 100 or member.name.endswith("/"))
    bare = member.kind in {tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE}
    kind = tarfile.REGTYPE if old else member.kind
    return Member(member.name, b"" if bare else member.content, kind, member.pax)


def base_name(name: str) -> str:
    """Of a regular file a slash at the end is nothing."""
    return name.rstrip("/").rpartition("/")[2]


def by_tarfile(raw: bytes) -> list[bytes]:
    """Return the contents of the regular files named plugin, as the standard library reads the archive."""
    found = []
    with tarfile.open(fileobj=io.BytesIO(raw)) as file:
        for info in file:
            if info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and base_name(info.name) == "plugin":
                content = file.extractfile(info)
                assert content is not None
                found.append(content.read())
    return found


@given(
    listed=st.lists(members, max_size=5),
    form=forms,
    pack=st.sampled_from(list(PACKERS.values())),
    step=st.integers(1, 3000),
)
@settings(deadline=None)
def test_random_archives_agree_with_tarfile(
    listed: list[Member], form: int, pack: Callable[[bytes], bytes], step: int
) -> None:
    try:
        raw = bytes_of(listed, form)
    except ValueError:
        assume(False)  # a name that ustar cannot hold
    expected = by_tarfile(raw)
    assume(raw != bytes(len(raw)) or pack is not bytes)
    data = pack(raw)
    try:
        _, ingest = run(data, body=(data[at : at + step] for at in range(0, len(data), step)))
    except NotFoundError:
        assert expected == []
    except MismatchError as error:
        assert len(expected) > 1, error
    else:
        assert [ingest.contents["plugin"]] == expected


WHOLE = {name: pack(SMALL) for name, pack in PACKERS.items()}


@given(name=st.sampled_from(list(WHOLE)), at=st.integers(min_value=0), bit=st.integers(0, 7), promised=st.booleans())
@settings(deadline=None)
def test_a_flipped_bit_is_refused_or_was_promised(name: str, at: int, bit: int, promised: bool) -> None:
    data = bytearray(WHOLE[name])
    data[at % len(data)] ^= 1 << bit
    if promised:  # somebody published it so: any sound result or a D8Error
        try:
            run(bytes(data))
        except D8Error as error:
            assert error.message
        return
    with pytest.raises(MismatchError):
        unpack([bytes(data)], layer_of(WHOLE[name]), PLUGIN, Ingest(), spread=at % 2 == 0)


@reaches("unpacked", "refused")
@given(
    start=st.sampled_from(
        [b"", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", SMALL[:512], *(w[:40] for w in WHOLE.values())]
    ),
    rest=st.binary(max_size=2000) | st.just(SMALL),
    wrapped=st.booleans(),
)
@settings(deadline=None)
def test_any_bytes_are_a_value_or_an_error_of_ours(start: bytes, rest: bytes, wrapped: bool) -> None:
    data = gzip.compress(start + rest, 1) if wrapped else start + rest
    for rules in (Rules(max_walk=100_000), Rules("go", max_walk=100_000)):
        try:
            run(data, rules=rules)
            reached("unpacked")
        except D8Error as error:
            reached("refused")
            assert error.message


@reaches("unpacked", "refused")
@given(
    fields=st.binary(min_size=512, max_size=512), kind=st.sampled_from(b"0\0x15gLKSX7VA"), rest=st.binary(max_size=600)
)
@settings(deadline=None)
def test_any_header_with_a_good_checksum_is_a_value_or_an_error_of_ours(fields: bytes, kind: int, rest: bytes) -> None:
    block = bytearray(fields)
    block[156] = kind
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + 256 + sum(block[156:]))
    try:
        run(zlib_only(bytes(block) + rest + SMALL), rules=Rules(max_walk=100_000))
        reached("unpacked")
    except D8Error as error:
        reached("refused")
        assert error.message


def outcome(parse: Callable[[bytes], object], block: bytes) -> object:
    """Return the fields that *parse* reads, or None if the block is not a header."""
    try:
        found = parse(block)
    except (ValueError, tarfile.HeaderError):
        return None
    if isinstance(found, tarfile.TarInfo):
        return (found.name, found.linkname, found.size, found.type)
    assert isinstance(found, tar_header.Header)
    return (found.name, found.link, found.size, found.type)


fields = st.sampled_from([0, 100, 108, 116, 124, 136, 148, 156, 157, 257, 329, 337, 345, 386, 398, 482, 483, 500])
values = st.sampled_from(
    [b"", b"\0", b" ", b"7", b"8", b"-1", b"0o7", b"1_0", b"\x80\0\0\1", b"\xff" * 8, b"a/", b"\xfc", b"\0x", b"777 \0"]
)


@given(
    member=members,
    form=forms,
    changes=st.lists(st.tuples(fields, values | st.binary(max_size=12)), max_size=3),
    signed=st.booleans(),
    sound=st.booleans(),
    kind=st.sampled_from(b"0\0x15gLKSX7VA"),
)
@settings(deadline=None, max_examples=examples(400))
def test_a_header_is_read_as_tarfile_reads_it(
    member: Member, form: int, changes: list[tuple[int, bytes]], signed: bool, sound: bool, kind: int
) -> None:
    info = tarfile.TarInfo(member.name[:90])
    info.size, info.linkname = len(member.content), "target"
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT if form else tarfile.USTAR_FORMAT)[-512:])
    block[156] = kind
    for at, value in changes:
        block[at : at + len(value)] = value
    del block[512:]
    if sound:
        covered = block[:148] + block[156:]
        total = sum(byte - 256 if signed and byte > 127 else byte for byte in covered) + 256
        block[148:156] = b"%06o\0 " % total if total >= 0 else b"-%05o\0 " % -total
    expected = outcome(lambda raw: tarfile.TarInfo.frombuf(raw, "utf-8", "surrogateescape"), bytes(block))
    reached("a header" if expected is not None else "not a header")
    assert outcome(tar_header.parse_header, bytes(block)) == expected


@reaches("a header", "not a header")
@given(st.binary(max_size=600) | spoilt([archive(Member("plugin", b"x"))[:512]]))
def test_any_bytes_are_a_header_where_tarfile_has_one(block: bytes) -> None:
    expected = outcome(lambda raw: tarfile.TarInfo.frombuf(raw, "utf-8", "surrogateescape"), block)
    reached("a header" if expected is not None else "not a header")
    assert outcome(tar_header.parse_header, block) == expected


def zlib_only(raw: bytes) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(raw) + packer.flush()


def test_the_digest_is_of_the_stored_bytes() -> None:
    data = gzip.compress(SMALL)
    assert layer_of(data).digest.hex == hashlib.sha256(data).hexdigest()

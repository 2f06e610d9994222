"""Manifest, lock, index, archive, executable, conflict markers: reading twice as much is at most twice the work.

Work is what the interpreter does, in calls (`sys.setprofile`, those of C functions counted too), and for an archive
the bytes that are taken as well: seconds would say more of the machine. Growth is compared, not size: from n to 2n,
and from 2n to 4n. That any bytes are a value or an error of ours is said beside each reader (`test_any_…`).
"""

from __future__ import annotations

import contextlib
import io
import json
import struct
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import D8Error
from d8_installer.merge.three_way import Versions, merge
from d8_installer.model.conflict_markers import put_together, take_apart
from d8_installer.model.executable import HEAD_BYTES, identify
from d8_installer.model.lock import Doubles, Lock, entry_hashes
from d8_installer.model.manifest import Manifest
from d8_installer.model.oci import parse_manifest
from d8_installer.store import tar
from tests.forms import THOROUGH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Reader = Callable[[bytes], object]
    Maker = Callable[[int], bytes]

N = 256 if THOROUGH else 32
DIGEST = "sha256:" + "0" * 64


def work(read: Callable[[bytes], object], raw: bytes) -> int:
    """Return how many calls reading *raw* takes; an error of ours is an end as any other."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        with contextlib.suppress(D8Error):
            read(raw)
    finally:
        sys.setprofile(before)
    return calls


# -- what is read --------------------------------------------------------------------------------------------


def entry(name: str, platforms: int = 1, requests: int = 1) -> str:
    lines = [f'[[images]]\nname = "{name}"\nimage = "deckhouse-cli/plugins/{name}"\nversion = "v1"\nindex = "{DIGEST}"']
    lines += ['[images.binaries]\nx = "plugin"\n[images.requests]', *(f'r{n} = "{DIGEST}"' for n in range(requests))]
    for n in range(platforms):
        lines.append(f'[images.platforms.linux-a{n}]\nchild = "{DIGEST}"\nlayer = "{DIGEST}"\nsize = 1')
    return "\n".join(lines) + "\n"


def lock_of(n: int) -> str:
    return "lock_version = 1\n" + "".join(entry(f"i{number}") for number in range(n))


def conflicts(n: int) -> bytes:
    parts = [put_together(entry(f"i{k}"), "", entry(f"i{k}").replace("v1", "v2")) for k in range(n)]
    return ("lock_version = 1\n" + "".join(parts)).encode()


def manifest_of(n: int) -> str:
    return "schema = 1\n" + "".join(
        f'[[images]]\nname = "i{number}"\nversion = ">=1.{number}"\n' for number in range(n)
    )


def index_of(n: int) -> bytes:
    child = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": DIGEST, "size": 1}
    children = [{**child, "platform": {"os": "linux", "architecture": f"a{number}"}} for number in range(n)]
    return json.dumps({"schemaVersion": 2, "manifests": children}).encode()


def layers_of(n: int) -> bytes:
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": DIGEST, "size": 1}
    return json.dumps({"schemaVersion": 2, "config": layer, "layers": [layer] * n}).encode()


def archive_of(n: int, *, name: str = "", pax: dict[str, str] | None = None, size: int = 0) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT) as file:
        for number in range(n):
            info = tarfile.TarInfo(name or f"m{number}")
            info.size, info.pax_headers = size, pax or {}
            file.addfile(info, io.BytesIO(bytes(size)))
    return buffer.getvalue()


def universal(n: int) -> bytes:
    """Return a Mach-O file for *n* architectures, as its header says."""
    return struct.pack(">II", 0xCAFEBABE, n) + struct.pack(">IIIII", 0x01000007, 3, 4096, 4096, 12) * n


# -- readers -------------------------------------------------------------------------------------------------


def read_manifest(raw: bytes) -> None:
    Manifest.parse(raw, "d8.toml")


def read_lock(raw: bytes) -> None:
    lock = Lock.parse(raw, "d8.lock")
    lock.render()


def read_index(raw: bytes) -> None:
    document = parse_manifest(raw)
    for child in getattr(document, "platforms", ()):
        str(child)


def read_archive(raw: bytes) -> None:
    for _ in tar.members(raw[place : place + 4096] for place in range(0, len(raw), 4096)):
        pass


def join_conflicts(raw: bytes) -> None:
    sides = take_apart(raw.decode(), "d8.lock")
    assert sides is not None
    ours, theirs = (Lock.parse(text.encode(), "d8.lock") for text in (sides.ours, sides.theirs))
    merge(Versions(base=Lock(), ours=ours, theirs=theirs))


def join_doubles(raw: bytes) -> None:
    doubles = Doubles.of(raw.decode())
    entry_hashes(doubles.first)


CASES: dict[str, tuple[Reader, Maker]] = {
    "manifest: images": (read_manifest, lambda n: manifest_of(n).encode()),
    "manifest: the last one is wrong": (read_manifest, lambda n: f"{manifest_of(n)}wrong = 1\n".encode()),
    "manifest: no TOML at the end": (read_manifest, lambda n: f"{manifest_of(n)}wrong\n".encode()),
    "manifest: one image twice": (read_manifest, lambda n: manifest_of(n).encode() + b'[[images]]\nname = "i0"\n'),
    "manifest: binaries": (
        read_manifest,
        lambda n: b'schema = 1\n[[images]]\nname = "a"\n[images.binaries]\n'
        + b"".join(b"x%d = 'plugin'\n" % k for k in range(n)),
    ),
    "manifest: unknown keys": (read_manifest, lambda n: b"schema = 1\n" + b"".join(b"k%d = 1\n" % k for k in range(n))),
    "manifest: dots in a key": (read_manifest, lambda n: b"schema = 1\na" + b".a" * n + b" = 1\n"),
    "manifest: brackets": (read_manifest, lambda n: b"schema = 1\na = " + b"[" * 2 * n + b"]" * 2 * n),
    "manifest: comments": (read_manifest, lambda n: b"schema = 1\n" + b"# x\n" * n),
    "manifest: a range of many parts": (
        read_manifest,
        lambda n: b'schema = 1\n[[images]]\nname = "a"\nversion = "' + b">=1," * n + b'>=1"\n',
    ),
    "lock: images": (read_lock, lambda n: lock_of(n).encode()),
    "lock: platforms": (read_lock, lambda n: f"lock_version = 1\n{entry('a', platforms=n)}".encode()),
    "lock: requests": (read_lock, lambda n: f"lock_version = 1\n{entry('a', requests=n)}".encode()),
    "lock: the last digest is wrong": (read_lock, lambda n: lock_of(n).encode()[:-80] + b'x"\nsize = 1\n'),
    "lock: one image twice": (read_lock, lambda n: (lock_of(n) + entry("i0")).encode()),
    "lock: conflict markers": (read_lock, conflicts),
    "merge: conflicts": (join_conflicts, conflicts),
    "merge: images twice": (join_doubles, lambda n: (lock_of(n) + lock_of(n)[17:]).encode()),
    "index: children": (read_index, index_of),
    "index: layers": (read_index, layers_of),
    "index: brackets": (read_index, lambda n: b"[" * n + b"]" * n),
    "index: annotations": (
        read_index,
        lambda n: json.dumps({"manifests": [], "annotations": {str(k): "x" for k in range(n)}}).encode(),
    ),
    "archive: members": (read_archive, archive_of),
    "archive: long names": (read_archive, lambda n: archive_of(n, name="d/" * 100)),
    "archive: pax headers": (read_archive, lambda n: archive_of(n, pax={"comment": "x" * 600})),
    "archive: pax records in one header": (read_archive, lambda n: archive_of(1, pax={f"k{k}": "x" for k in range(n)})),
    "archive: one large member": (read_archive, lambda n: archive_of(1, size=n << 12)),
    "archive: zeroes": (read_archive, lambda n: bytes(n << 9)),
    "executable: architectures": (identify, universal),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_twice_as_much_is_at_most_twice_the_work(case: str, record_property: Callable[[str, object], None]) -> None:
    read, make = CASES[case]
    work(read, make(1))  # what is imported or compiled once is no work of the input's
    calls = [work(read, make(n)) for n in (N, 2 * N, 4 * N)]
    record_property("calls", calls)
    print(f"{case}: {calls[0]}, {calls[1]}, {calls[2]} calls at {N}, {2 * N}, {4 * N}")  # noqa: T201
    assert calls[2] - calls[1] <= 2.2 * max(calls[1] - calls[0], N), calls


def test_an_archive_is_taken_once_and_no_further_than_its_end() -> None:
    """Each byte is asked for once, whatever the members are."""
    for n in (N, 2 * N, 4 * N):
        raw, taken = archive_of(n, size=700), 0

        def chunks(raw: bytes = raw) -> Iterator[bytes]:
            nonlocal taken
            for place in range(0, len(raw), 512):
                taken += 1
                yield raw[place : place + 512]

        assert sum(1 for _ in tar.members(chunks())) == n
        assert taken <= len(raw) // 512


def test_of_an_executable_only_the_head_counts() -> None:
    calls = {
        work(identify, head + bytes(more))
        for head in (b"\x7fELF", b"MZ", universal(4))
        for more in (HEAD_BYTES, 1 << 20)
    }
    assert max(calls) < 200


def test_the_measure_sees_a_square() -> None:
    def square(raw: bytes) -> None:
        for _ in raw:
            for _ in raw:
                len(raw)

    calls = [work(square, bytes(n)) for n in (N, 2 * N, 4 * N)]
    assert calls[2] - calls[1] > 2.2 * (calls[1] - calls[0])

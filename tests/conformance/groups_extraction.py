"""The group about extraction: adapter over ``d8_installer.store.unpack`` with the Go client's rules.

A case lists the members of a gzip tar, or describes a stream in words; here the bytes are made for it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sys
import tarfile
import tempfile
from typing import TYPE_CHECKING, BinaryIO, cast

from d8_installer.errors import D8Error
from d8_installer.model.digest import Digest
from d8_installer.store.unpack import MAX_FILE_BYTES, Layer, Rules, unpack
from tests.conformance.group import text_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.conformance.group import Group, Input, Output

_TYPES = {
    "file": tarfile.REGTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "directory": tarfile.DIRTYPE,
    "dir": tarfile.DIRTYPE,
    "device": tarfile.CHRTYPE,
    "chardev": tarfile.CHRTYPE,
    "blockdev": tarfile.BLKTYPE,
    "fifo": tarfile.FIFOTYPE,
}
_MIB = 1 << 20


def _extraction(case: Input) -> Output:
    want = text_of(case, "want")
    rules = Rules(compat="go", max_file=int(cast("int", case.get("max_bytes", MAX_FILE_BYTES))))
    stream = _described(text_of(case, "stream"), want) if "stream" in case else gzip.compress(_archive(case))
    layer = Layer(Digest(hashlib.sha256(stream).hexdigest()), len(stream))
    with tempfile.TemporaryDirectory() as root:
        target = os.path.join(root, "target")
        os.mkdir(target)
        destination = os.path.join(target, "destination")
        try:
            [extracted] = unpack([stream], layer, frozenset({want}), _opener(destination), rules)
        except D8Error as error:
            # Our message names the member, Go's the path that it was asked to write to.
            return {"error": error.message.replace(f'"{want}" exceeds', '"<dest>" exceeds'), "ok": False}
        return _outcome(root, destination, extracted.mode)


def _outcome(root: str, destination: str, mode: int) -> Output:
    written = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names]
    with open(destination, "rb") as file:
        content = file.read()
    return {
        "ok": True,
        "content": content.decode("utf-8", "replace"),
        "mode": f"{mode & 0o7777:04o}",
        "written_to": "destination only" if written == [destination] else ", ".join(written),
    }


def _opener(destination: str) -> Callable[[str], BinaryIO]:
    def create(_member: str) -> BinaryIO:
        return open(destination, "wb")

    return create


def _archive(case: Input) -> bytes:
    entries = cast("list[Mapping[str, str]]", case["entries"])
    members = [_member(entry) for entry in entries]
    return b"".join(members) + bytes(2 * tarfile.BLOCKSIZE)


def _member(entry: Mapping[str, str]) -> bytes:
    content = entry.get("content", "").encode()
    info = tarfile.TarInfo(entry["name"])
    info.type = _TYPES[entry["type"]]
    info.mode = int(entry.get("mode", "0755"), 8)
    info.linkname = entry.get("target", "")
    info.size = len(content)
    header = info.tobuf(tarfile.PAX_FORMAT)
    return header + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _described(words: str, want: str) -> bytes:
    """Make the stream that the words describe; the wanted member's bytes do not compress, so that cuts fall in it."""
    content = b"".join(hashlib.sha256(bytes([n])).hexdigest().encode() for n in range(256))
    archive = _archive({"entries": [{"name": want, "type": "file", "content": content.decode()}]})
    if "zstd" in words:
        return zstd.compress(archive)
    if "1 GiB" in words:
        return _a_gibibyte_before(archive)
    if "truncated" in words:
        end = tarfile.BLOCKSIZE + (len(content) if "after" in words else len(content) // 2)
        return _cut(archive, 0 if "before" in words else end)
    if "multi" in words:
        return gzip.compress(archive[:700]) + gzip.compress(archive[700:])
    if "gzip" in words:
        return gzip.compress(b"not a tar archive" if "not" in words else archive)
    if "tar" in words:
        return archive
    raise ValueError(f"no stream is known for {words!r}")


def _cut(archive: bytes, end: int) -> bytes:
    """Return the beginning of a gzip stream that holds the archive up to *end* and no more."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as file:
        file.write(archive[:end])
        file.flush()
        whole = buffer.getvalue()
        file.write(archive[end:])
    return whole


def _a_gibibyte_before(archive: bytes) -> bytes:
    """As 1025 gzip members, for all but the first and the last are the same."""
    filler = tarfile.TarInfo("filler")
    filler.size = 1024 * _MIB
    return gzip.compress(filler.tobuf(tarfile.GNU_FORMAT)) + gzip.compress(bytes(_MIB)) * 1024 + gzip.compress(archive)


GROUPS: dict[str, Group] = {"extraction": _extraction}

"""What the tests of unpacking are made of: archives, packings, and the caller's side. No tests here."""

from __future__ import annotations

import gzip
import io
import random
import sys
import tarfile
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import pytest

from d8_installer.errors import D8Error
from d8_installer.model.digest import Digest
from d8_installer.model.executable import HEAD_BYTES
from d8_installer.store.unpack import Extracted, Layer, Rules, unpack

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLUGIN = frozenset({"plugin"})
NOISE = random.Random(8).randbytes(300_000)  # noqa: S311 -- bytes that do not compress
GO = Rules(compat="go")


@dataclass(frozen=True)
class Member:
    """A member to archive."""

    name: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    pax: dict[str, str] = field(default_factory=dict)


class Kept(io.BytesIO):
    """A file whose content outlives it."""

    content: bytes | None = None

    def close(self) -> None:
        self.content = self.getvalue() if self.content is None else self.content
        super().close()


class Ingest:
    """The caller's side: a temporary file for each member."""

    def __init__(self) -> None:
        self.files: dict[str, Kept] = {}

    def __call__(self, member: str) -> BinaryIO:
        assert member not in self.files
        self.files[member] = Kept()
        return self.files[member]

    @property
    def contents(self) -> dict[str, bytes | None]:
        return {member: file.content for member, file in self.files.items()}


def archive(*members: Member, form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as file:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.type, info.size, info.pax_headers = member.kind, len(member.content), dict(member.pax)
            info.linkname = "/bin/sh" if member.kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            file.addfile(info, io.BytesIO(member.content))
    return buffer.getvalue()


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)


def layer_of(data: bytes) -> Layer:
    return Layer(Digest.of(data), len(data))


def run(
    data: bytes, wanted: frozenset[str] = PLUGIN, rules: Rules | None = None, body: Iterator[bytes] | None = None
) -> tuple[tuple[Extracted, ...], Ingest]:
    """Unpack in three threads; where the body can be read twice, in one thread as well, with the same outcome."""
    if body is not None:
        return _run(data, wanted, rules, body, spread=True)
    try:
        found, ingest = _run(data, wanted, rules, iter([data]), spread=False)
    except D8Error as error:
        with pytest.raises(type(error)) as caught:
            _run(data, wanted, rules, iter([data]), spread=True)
        assert (caught.value.message, caught.value.hint) == (error.message, error.hint)
        raise
    again, other = _run(data, wanted, rules, iter([data]), spread=True)
    assert (again, other.contents) == (found, ingest.contents)
    return found, ingest


def _run(
    data: bytes, wanted: frozenset[str], rules: Rules | None, body: Iterator[bytes], *, spread: bool
) -> tuple[tuple[Extracted, ...], Ingest]:
    ingest, before = Ingest(), threading.active_count()
    try:
        return unpack(body, layer_of(data), wanted, ingest, rules or Rules(), spread=spread), ingest
    finally:
        assert threading.active_count() == before
        assert all(file.closed for file in ingest.files.values())


def content_of(data: bytes, rules: Rules | None = None) -> bytes | None:
    [extracted], ingest = run(data, rules=rules)
    content = ingest.contents["plugin"]
    assert content is not None
    assert (extracted.member, extracted.size, extracted.digest) == ("plugin", len(content), Digest.of(content))
    assert extracted.head == content[:HEAD_BYTES]
    return content


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "tar": bytes,
    "gzip members": lambda raw: b"".join(gzip.compress(raw[at : at + 700]) for at in range(0, len(raw), 700)),
    "zstd frames": lambda raw: zstd.compress(raw[:900]) + zstd.compress(b"") + zstd.compress(raw[900:]),
}
packings = pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
both_ways = pytest.mark.parametrize("spread", [False, True], ids=["one thread", "three threads"])
SMALL = archive(Member("README", b"text"), Member("bin/plugin", NOISE[:5000]), Member("tail", b"x"))


def pax(**records: str) -> bytes:
    body = b""
    for key, value in records.items():
        text = f" {key.replace('__', '.')}={value}\n".encode()
        length = len(text) + 1
        while length != len(text) + len(str(length)):
            length = len(text) + len(str(length))
        body += str(length).encode() + text
    return header("PaxHeader", tarfile.XHDTYPE, len(body)) + padded(body)

"""Layers byte by byte: sound ones, and such as no tool should ever make."""

from __future__ import annotations

import gzip
import io
import random
import struct
import sys
import tarfile
import zlib
from dataclasses import dataclass
from functools import cache

from d8_installer.model.platform import Platform
from tests.images import host_platform, script

HOST = Platform.parse(host_platform())
OTHER = Platform("linux", "s390x") if Platform("linux", "arm64") == HOST else Platform("linux", "arm64")
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Member:
    """One entry of an archive; ``type`` is tarfile's, ``link`` where a link leads, ``mode`` its bits."""

    name: str
    data: bytes = b""
    type: bytes = tarfile.REGTYPE
    link: str = ""
    mode: int = 0o755


def tar(*members: Member) -> bytes:
    """Return an archive of just these entries, with whatever names they have."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.type, info.linkname, info.mode, info.size = member.type, member.link, member.mode, len(member.data)
            archive.addfile(info, io.BytesIO(member.data))
    return out.getvalue()


def layer(*members: Member) -> bytes:
    """Return a gzip layer of these entries."""
    return gzip.compress(tar(*members), mtime=0)


def zstd_layer(*members: Member) -> bytes:
    """Return a zstd layer of these entries."""
    return _zstd(tar(*members))


@cache
def program(text: str) -> bytes:
    """Return a sound layer whose program prints *text*; some KiB long, so that it can be cut at 1 %."""
    ballast = b"".join(zlib.crc32(f"{text} {n}".encode()).to_bytes(4, "big") for n in range(2000))
    return layer(Member("plugin", script(text)), Member("ballast", ballast))


@cache
def noisy(text: str, size: int = 3 * MEBIBYTE) -> bytes:
    """Return a sound layer whose program prints *text* and HOST; of at least *size* bytes, which do not compress."""
    ballast = random.Random(text).randbytes(size)  # noqa: S311 - the same layer every time
    return layer(Member("plugin", script(f"{text} {HOST}")), Member("ballast", ballast))


def elf(platform: Platform) -> bytes:
    """Return the header of an ELF executable for linux on *platform*'s architecture, and nothing behind it."""
    machine = {"amd64": 62, "arm64": 183, "s390x": 22}[platform.architecture]
    order = ">" if platform.architecture == "s390x" else "<"
    start = b"\x7fELF" + bytes([2, 1 if order == "<" else 2, 1, 0]) + bytes(8)
    return start + struct.pack(f"{order}HHI", 2, machine, 1) + bytes(100)


@cache
def gzip_bomb(name: str) -> bytes:
    """Return a layer of some MiB whose file *name* has 1.2 GiB of zeros: many gzip members, each 16 MiB of them."""
    return _header(name, 1200) + gzip.compress(bytes(16 * MEBIBYTE), mtime=0) * 75 + gzip.compress(bytes(1024), mtime=0)


@cache
def zstd_bomb(name: str) -> bytes:
    """Return the same as zstd, some KiB long."""
    head = gzip.decompress(_header(name, 1200))
    return _zstd(head) + _zstd(bytes(16 * MEBIBYTE)) * 75 + _zstd(bytes(1024))


def _zstd(data: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    return zstd.compress(data)


def _header(name: str, mebibytes: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = mebibytes * MEBIBYTE
    return gzip.compress(info.tobuf(tarfile.USTAR_FORMAT), mtime=0)

"""Wheels and executables made by hand, from the formats' own descriptions and nothing of ours."""

from __future__ import annotations

import base64
import hashlib
import io
import struct
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

NAME = "d8_plug_demo-1.0-py3-none-any.whl"
INFO = "d8_plug_demo-1.0.dist-info"
SCRIPTS = "d8_plug_demo-1.0.data/scripts"
METADATA = b"Metadata-Version: 2.4\nName: d8-plug-demo\nVersion: 1.0\nRequires-Dist: rich>=13\n\nAbout it.\n"
WHEEL = b"Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
ENTRY = b"[d8_installer.manifests]\ndemo = d8_plug_demo:d8.toml\n"
MANIFEST = b'schema = 1\n[[images]]\nname = "demo"\n'


def package(manifest: bytes = MANIFEST, **changed: bytes | None) -> dict[str, bytes]:
    """Return a plugin's files; *changed* replaces those of the metadata by name, None leaves one out."""
    metadata = {"METADATA": METADATA, "WHEEL": WHEEL, "entry_points.txt": ENTRY}
    metadata |= {name.replace("entry_points", "entry_points.txt"): data or b"" for name, data in changed.items()}
    gone = {name.replace("entry_points", "entry_points.txt") for name, data in changed.items() if data is None}
    files = {"d8_plug_demo/__init__.py": b"", "d8_plug_demo/d8.toml": manifest}
    return files | {f"{INFO}/{name}": data for name, data in metadata.items() if name not in gone}


def record_of(files: Mapping[str, bytes]) -> bytes:
    """Return the RECORD of *files*."""
    lines = [f"{name},sha256={_hash(data)},{len(data)}" for name, data in files.items()]
    return "\n".join([*lines, f"{INFO}/RECORD,,", ""]).encode()


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def packed(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a zip archive of *entries*, as they come."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries:
            file.writestr(zipfile.ZipInfo(name), data)
    return archive.getvalue()


def save(directory: Path, files: Mapping[str, bytes], name: str = NAME) -> str:
    """Write a wheel with a right RECORD into *directory*, and return its path."""
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_bytes(packed([*files.items(), (f"{INFO}/RECORD", record_of(files))]))
    return str(path)


def contents(path: str) -> dict[str, bytes]:
    """Return a wheel's files."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def modes(path: str) -> dict[str, int]:
    """Return the permission bits of a wheel's files."""
    with zipfile.ZipFile(path) as archive:
        return {entry.filename: entry.external_attr >> 16 & 0o7777 for entry in archive.infolist()}


# -- executables ---------------------------------------------------------------------------------------------

_MACHINES = {"amd64": 62, "arm64": 183, "386": 3, "arm": 40, "riscv64": 243, "s390x": 22, "ppc64le": 21, "loong64": 258}
_BASE = 0x10000
GLIBC = "/lib64/ld-linux-x86-64.so.2"
MUSL = "/lib/ld-musl-x86_64.so.1"


def elf(
    architecture: str = "amd64", loader: str | None = None, needed: Iterable[str] = (), versions: Iterable[str] = ()
) -> bytes:
    """Return an ELF executable's headers and dynamic section; without *loader* it is static."""
    wide, order = architecture not in {"386", "arm"}, ">" if architecture == "s390x" else "<"
    strings, needed, versions = b"\0", list(needed), list(versions)
    places = {}
    for text in [*needed, *versions]:
        places[text] = len(strings)
        strings += text.encode() + b"\0"
    header, entry = (64, 56) if wide else (52, 32)
    body = header + 3 * entry
    interpreter = (loader or "").encode() + b"\0"
    at_strings = body + len(interpreter)
    at_needs = at_strings + len(strings)
    last = len(versions) - 1
    chain = b"".join(
        struct.pack(order + "IHHII", 0, 0, 2, places[text], 0 if number == last else 16)
        for number, text in enumerate(versions)
    )
    needs = struct.pack(order + "HHIII", 1, len(versions), places[needed[0]], 16, 0) + chain if versions else b""
    tags = [*((1, places[name]) for name in needed), (5, _BASE + at_strings), (10, len(strings))]
    tags += [(0x6FFFFFFE, _BASE + at_needs), (0x6FFFFFFF, 1)] if versions else []
    at_dynamic = at_needs + len(needs)
    dynamic = b"".join(struct.pack(order + ("qQ" if wide else "iI"), *pair) for pair in [*tags, (0, 0)])
    size = at_dynamic + len(dynamic)
    segments = [(1, 0, size), (3 if loader else 0, body, len(interpreter)), (2, at_dynamic, len(dynamic))]
    table = b"".join(_segment(order, wide, *segment) for segment in segments)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1, 0]) + bytes(8)
    word = "Q" if wide else "I"
    start = struct.pack(order + f"HHI{word * 3}I", 2, _MACHINES[architecture], 1, _BASE, header, 0, 0)
    start += struct.pack(order + "HHHHHH", header, entry, len(segments), 0, 0, 0)
    return ident + start + table + interpreter + strings + needs + dynamic


def _segment(order: str, wide: bool, kind: int, offset: int, size: int) -> bytes:
    if wide:
        return struct.pack(order + "IIQQQQQQ", kind, 5, offset, _BASE + offset, 0, size, size, 1)
    return struct.pack(order + "IIIIIIII", kind, offset, _BASE + offset, 0, size, size, 5, 1)


def mach(architecture: str = "arm64", oldest: tuple[int, int] | None = None, *, legacy: bool = False) -> bytes:
    """Return a Mach-O executable's header and load commands; *legacy*: as before macOS 10.14's linkers."""
    commands = [struct.pack("<IIQ", 0x1B, 16, 0)]
    if oldest is not None:
        number = oldest[0] << 16 | oldest[1] << 8
        older = struct.pack("<IIII", 0x24, 16, number, number)
        commands.append(older if legacy else struct.pack("<IIIIII", 0x32, 24, 1, number, number, 0))
    cpu = {"arm64": 0x0100000C, "amd64": 0x01000007}[architecture]
    body = b"".join(commands)
    return struct.pack("<IIIIIIII", 0xFEEDFACF, cpu, 0, 2, len(commands), len(body), 0, 0) + body


def universal(**builds: bytes) -> bytes:
    """Return a universal Mach-O file of *builds* by architecture."""
    cpus = {"arm64": 0x0100000C, "amd64": 0x01000007}
    table, bodies, at = b"", b"", 4096
    for architecture, build in builds.items():
        table += struct.pack(">IIIII", cpus[architecture], 0, at, len(build), 12)
        bodies += build.ljust(4096, b"\0")
        at += 4096
    return (struct.pack(">II", 0xCAFEBABE, len(builds)) + table).ljust(4096, b"\0") + bodies


def manifest(*images: Mapping[str, object]) -> bytes:
    """Return a ``d8.toml`` that asks for *images*."""
    import tomli_w

    return tomli_w.dumps({"schema": 1, "images": list(images)}).encode()

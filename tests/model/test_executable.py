"""Headers: real ones and made ones are told apart; any bytes are a value or None, never an exception."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import MismatchError
from d8_installer.model.executable import HEAD_BYTES, check_executable, identify
from d8_installer.model.platform import Platform
from tests.reaching import reached, reaches

if TYPE_CHECKING:
    from collections.abc import Sequence


def elf(machine: int, *, bits: int = 64, little: bool = True, kind: int = 2, abi: int = 0) -> bytes:
    ident = b"\x7fELF" + bytes([bits // 32, 1 if little else 2, 1, abi]) + bytes(8)
    return ident + struct.pack("<HH" if little else ">HH", kind, machine) + bytes(40)


def mach(cpu: int, file_type: int = 2) -> bytes:
    return struct.pack("<IIII", 0xFEEDFACF, cpu, 0, file_type) + bytes(16)


def universal(cpus: Sequence[int], magic: int = 0xCAFEBABE) -> bytes:
    entry = ">I16x" if magic == 0xCAFEBABE else ">I28x"
    return struct.pack(">II", magic, len(cpus)) + b"".join(struct.pack(entry, cpu) for cpu in cpus)


def pe(machine: int, *, offset: int = 0x80, characteristics: int = 0x22) -> bytes:
    stub = (b"MZ" + bytes(58) + struct.pack("<I", offset)).ljust(offset, b"\0")
    return stub + b"PE\0\0" + struct.pack("<H16xH", machine, characteristics)


AMD64, ARM64 = 0x0100_0007, 0x0100_000C
SCRIPT = b"#!/bin/sh\necho hello\n"
MATCHES = [
    ("linux-amd64", elf(62)),
    ("linux-amd64", elf(62, kind=3)),
    ("linux-amd64", elf(62, abi=3)),
    ("linux-386", elf(3, bits=32)),
    ("linux-arm", elf(40, bits=32)),
    ("linux-arm64", elf(183)),
    ("linux-ppc64le", elf(21)),
    ("linux-ppc64", elf(21, little=False)),
    ("linux-s390x", elf(22, little=False)),
    ("linux-riscv64", elf(243)),
    ("linux-loong64", elf(258)),
    ("linux-mips", elf(8, bits=32, little=False)),
    ("linux-mipsle", elf(8, bits=32)),
    ("linux-mips64", elf(8, little=False)),
    ("linux-mips64le", elf(8)),
    ("freebsd-amd64", elf(62, abi=9)),
    ("freebsd-amd64", elf(62)),
    ("netbsd-amd64", elf(62, abi=2)),
    ("openbsd-arm64", elf(183, abi=12)),
    ("darwin-amd64", mach(AMD64)),
    ("darwin-arm64", mach(ARM64)),
    ("darwin-amd64", universal([AMD64, ARM64])),
    ("darwin-arm64", universal([AMD64, ARM64], 0xCAFEBABF)),
    ("windows-386", pe(0x14C)),
    ("windows-amd64", pe(0x8664)),
    ("windows-arm64", pe(0xAA64)),
    ("windows-amd64", pe(0x8664, offset=HEAD_BYTES - 24)),
    ("linux-amd64", SCRIPT),
    ("darwin-arm64", SCRIPT),
]
REFUSALS = [
    ("linux-amd64", mach(ARM64), "a Mach-O executable for arm64"),
    ("linux-amd64", universal([ARM64, AMD64]), "a Mach-O executable for amd64 and arm64"),
    ("linux-amd64", elf(183), "an ELF executable for arm64"),
    ("linux-amd64", elf(62, abi=9), "an ELF executable for freebsd on amd64"),
    ("linux-amd64", elf(62, abi=200), "an ELF executable for an unknown system on amd64"),
    ("linux-amd64", elf(9999), "an ELF executable for an unknown architecture"),
    ("linux-amd64", elf(62, bits=32), "an ELF executable for an unknown architecture"),
    ("linux-ppc64le", elf(21, little=False), "an ELF executable for ppc64"),
    ("linux-amd64", pe(0x8664), "a PE executable for amd64"),
    ("windows-arm64", pe(0x8664), "a PE executable for amd64"),
    ("windows-amd64", SCRIPT, "a script"),
]
NONE = {
    "object file": elf(62, kind=1),
    "core dump": elf(62, kind=4),
    "ELF of no class": elf(62, bits=96),
    "cut ELF": elf(62)[:19],
    "Mach-O library": mach(ARM64, file_type=6),
    "cut Mach-O": mach(ARM64)[:15],
    "Java class": struct.pack(">IHH", 0xCAFEBABE, 0, 52) + bytes(2000),
    "no build": universal([]),
    "too many builds": universal([ARM64] * 17),
    "cut universal": universal([ARM64, AMD64])[:28],
    "DLL": pe(0x8664, characteristics=0x2022),
    "PE object": pe(0x8664, characteristics=0x20),
    "DOS program": b"MZ" + bytes(200),
    "PE header beyond the head": pe(0x8664, offset=HEAD_BYTES - 23),
    "PE header at the end of the world": b"MZ" + bytes(58) + b"\xff\xff\xff\xff" + bytes(100),
}


@pytest.mark.parametrize(("platform", "head"), MATCHES)
def test_an_executable_of_the_platform_passes(platform: str, head: bytes) -> None:
    check_executable(head, Platform.parse(platform), "plugin")


@pytest.mark.parametrize(("platform", "head", "found"), REFUSALS)
def test_another_one_is_refused_by_name(platform: str, head: bytes, found: str) -> None:
    with pytest.raises(MismatchError) as caught:
        check_executable(head, Platform.parse(platform), "plugin of stronghold")
    assert caught.value.message == f"plugin of stronghold is {found}, not for {platform}"
    assert caught.value.hint


@pytest.mark.parametrize("head", [b"", b"<!DOCTYPE html>", *NONE.values()])
def test_what_is_no_program_at_all_is_refused(head: bytes) -> None:
    with pytest.raises(MismatchError) as caught:
        check_executable(head, Platform.parse("linux-amd64"), "plugin of stronghold")
    assert caught.value.message == "plugin of stronghold is not an executable that linux-amd64 runs"


@pytest.mark.parametrize("head", NONE.values(), ids=NONE)
def test_what_only_looks_like_one_is_none(head: bytes) -> None:
    assert identify(head) is None


def test_this_python_is_identified() -> None:
    with open(sys.executable, "rb") as file:
        found = identify(file.read(HEAD_BYTES))
    kinds = {"linux": "ELF", "darwin": "Mach-O", "win32": "PE"}
    assert found is not None
    assert found.kind == kinds[sys.platform]


MAGICS = st.sampled_from(
    [b"", b"#!", b"\x7fELF", b"MZ", *(head[:n] for _, head in MATCHES for n in (4, 8, 20, 64, len(head)))]
)


@reaches("ELF", "Mach-O", "PE", "not an executable")
@given(start=MAGICS, rest=st.binary(max_size=300), platform=st.sampled_from([p for p, _ in MATCHES]))
def test_any_bytes_are_a_value_or_none_and_no_more_than_the_head_counts(
    start: bytes, rest: bytes, platform: str
) -> None:
    data = start + rest
    found = identify(data)
    reached(found.kind if found else "not an executable")
    assert identify(data.ljust(HEAD_BYTES, b"\0")) == identify(data.ljust(HEAD_BYTES, b"\0") + rest)
    try:
        check_executable(data, Platform.parse(platform), "it")
    except MismatchError:
        assert found is None or not found.runs_on(Platform.parse(platform))

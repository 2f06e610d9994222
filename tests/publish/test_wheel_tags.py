"""Platform tags: only what is true of the executable, on every system that the tag means."""

from __future__ import annotations

import os
import struct
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import D8Error, MismatchError
from d8_installer.model.platform import Platform
from d8_installer.publish.linkage import elf_linkage
from d8_installer.publish.wheel_tags import has_tag, platform_tag
from tests.images import windows_program
from tests.publish.wheels import GLIBC, MUSL, elf, mach, universal
from tests.reaching import reached, reaches
from tests.strategies import steady

if TYPE_CHECKING:
    from pathlib import Path

LIBC = ("libc.so.6",)
ANYWHERE = "manylinux_2_17_x86_64.musllinux_1_1_x86_64"
ARMHF = "/lib/ld-linux-armhf.so.3"


def tag(directory: Path, platform: str, *builds: bytes) -> str:
    """Return the tag of the builds as one wheel's binaries."""
    files = []
    for number, build in enumerate(builds):
        path = directory / f"tool{number}"
        path.write_bytes(build)
        files.append((path.name, str(path)))
    return platform_tag(files, Platform.parse(platform))


@pytest.mark.parametrize(
    ("platform", "build", "expected"),
    [
        ("linux-amd64", elf(), ANYWHERE),
        ("linux-amd64", b"#!/bin/sh\n", ANYWHERE),
        ("linux-arm64", elf("arm64"), "manylinux_2_17_aarch64.musllinux_1_1_aarch64"),
        ("linux-386", elf("386"), "manylinux_2_17_i686.musllinux_1_1_i686"),
        ("linux-arm", elf("arm"), "manylinux_2_17_armv7l.musllinux_1_1_armv7l"),
        ("linux-s390x", elf("s390x"), "manylinux_2_17_s390x.musllinux_1_1_s390x"),
        ("linux-riscv64", elf("riscv64"), "manylinux_2_31_riscv64.musllinux_1_2_riscv64"),
        ("linux-loong64", elf("loong64"), "manylinux_2_36_loongarch64.musllinux_1_2_loongarch64"),
        ("linux-amd64", elf("amd64", GLIBC, LIBC), "manylinux_2_17_x86_64"),
        ("linux-amd64", elf("amd64", GLIBC, LIBC, ["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.9"]), "manylinux_2_34_x86_64"),
        ("linux-amd64", elf("amd64", GLIBC, LIBC, ["GLIBC_2.4", "GLIBC_ABI_DT_RELR"]), "manylinux_2_36_x86_64"),
        ("linux-amd64", elf("amd64", GLIBC, ["libgcc_s.so.1"], ["GCC_3.0"]), "manylinux_2_17_x86_64"),
        ("linux-arm", elf("arm", ARMHF, LIBC, ["GLIBC_2.28"]), "manylinux_2_28_armv7l"),
        ("linux-s390x", elf("s390x", "/lib/ld64.so.1", LIBC, ["GLIBC_2.29"]), "manylinux_2_29_s390x"),
        ("linux-amd64", elf("amd64", MUSL, ["libc.musl-x86_64.so.1"]), "musllinux_1_2_x86_64"),
        ("darwin-arm64", mach(), "macosx_11_0_arm64"),
        ("darwin-amd64", mach("amd64"), "macosx_10_13_x86_64"),
        ("darwin-amd64", mach("amd64", (10, 15)), "macosx_10_15_x86_64"),
        ("darwin-amd64", mach("amd64", (10, 9), legacy=True), "macosx_10_9_x86_64"),
        ("darwin-arm64", mach("arm64", (10, 15)), "macosx_11_0_arm64"),
        ("darwin-arm64", mach("arm64", (12, 0)), "macosx_12_0_arm64"),
        ("darwin-arm64", mach("arm64", (12, 3)), "macosx_13_0_arm64"),
        ("darwin-arm64", universal(amd64=mach("amd64", (10, 12)), arm64=mach("arm64", (14, 0))), "macosx_14_0_arm64"),
        ("darwin-amd64", universal(amd64=mach("amd64", (10, 12)), arm64=mach("arm64", (14, 0))), "macosx_10_12_x86_64"),
        ("windows-amd64", windows_program(""), "win_amd64"),
        ("windows-arm64", windows_program("", "arm64"), "win_arm64"),
        ("windows-386", windows_program("", "386"), "win32"),
    ],
)
def test_the_tag_says_what_the_header_proves(tmp_path: Path, platform: str, build: bytes, expected: str) -> None:
    assert tag(tmp_path, platform, build) == expected
    assert has_tag(Platform.parse(platform))


def test_several_binaries_get_the_strictest_tag(tmp_path: Path) -> None:
    newer = elf("amd64", GLIBC, LIBC, ["GLIBC_2.28"])
    older = elf("amd64", GLIBC, LIBC, ["GLIBC_2.18"])
    musl = elf("amd64", MUSL)
    assert tag(tmp_path, "linux-amd64", older, newer, elf()) == "manylinux_2_28_x86_64"
    assert tag(tmp_path, "linux-amd64", elf(), musl, b"#!/bin/sh\n") == "musllinux_1_2_x86_64"
    with pytest.raises(MismatchError, match="some need glibc, some musl"):
        tag(tmp_path, "linux-amd64", newer, musl)


@pytest.mark.parametrize(
    ("platform", "build", "reason"),
    [
        ("linux-amd64", elf("amd64", "/nix/store/x/ld-linux-x86-64.so.2", LIBC), "neither glibc's nor musl's"),
        ("linux-arm64", elf("arm64", "/system/bin/linker64"), "neither glibc's nor musl's"),
        ("linux-arm", elf("arm", "/lib/ld-linux.so.3", LIBC), "neither glibc's nor musl's"),
        ("linux-amd64", elf("amd64", GLIBC, [*LIBC, "libssl.so.3"]), "needs 'libssl.so.3'"),
        ("linux-amd64", elf("amd64", MUSL, ["libz.so.1"]), "needs 'libz.so.1'"),
        ("linux-amd64", elf("amd64", GLIBC, LIBC, ["GLIBC_PRIVATE"]), "GLIBC_PRIVATE"),
        ("linux-amd64", elf("amd64", None, LIBC), "has no loader"),
        ("linux-amd64", b"#!/usr/bin/env python3\n", "is a Python script"),
        ("linux-amd64", elf("arm64"), "is not an executable of that platform"),
        ("linux-amd64", elf("amd64", GLIBC, LIBC, ["GLIBC_2.34"])[:-60], "damaged header"),
        ("darwin-arm64", mach("arm64", (12, 0))[:-20], "damaged header"),
        ("darwin-arm64", mach().replace(b"\x1b\0\0\0\x10", b"\x1b\0\0\0\x07"), "damaged header"),
        ("darwin-arm64", mach().replace(b"\x1b\0\0\0\x10", b"\x1b\0\0\0\x11"), "damaged header"),
    ],
)
def test_what_no_tag_can_promise_is_refused(tmp_path: Path, platform: str, build: bytes, reason: str) -> None:
    with pytest.raises(MismatchError, match=reason) as caught:
        tag(tmp_path, platform, build)
    assert caught.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="reads this system's own programs")
def test_a_real_program_gets_a_tag_that_this_system_has(tmp_path: Path) -> None:
    from packaging.tags import platform_tags

    with open(os.path.realpath("/bin/cat"), "rb") as file:
        build = file.read()
    import platform as host

    from d8_installer.model.platform import HostFacts

    found = tag(tmp_path, str(Platform.of_host(HostFacts(sys.platform, host.machine(), 64))), build)
    assert found.startswith(("manylinux_2_", "musllinux_1_"))
    assert set(found.split(".")) & set(platform_tags())


@reaches("a tag", "refused")
@steady
@given(st.data())
def test_any_bytes_give_a_tag_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    build = data.draw(
        st.sampled_from(
            [
                elf("amd64", GLIBC, LIBC, ["GLIBC_2.34"]),
                elf("386", GLIBC, LIBC),
                mach("arm64", (12, 0)),
                universal(arm64=mach()),
            ]
        )
    )
    cut = data.draw(st.integers(0, len(build))) if data.draw(st.booleans()) else len(build)
    damaged = bytearray(build[:cut])
    changes = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8)
    for at, value in data.draw(changes) if data.draw(st.booleans()) else []:
        if at < len(damaged):
            damaged[at] = value
    for platform in ("linux-amd64", "linux-386", "darwin-arm64"):
        try:
            assert tag(tmp_path_factory.getbasetemp(), platform, bytes(damaged))
            reached("a tag")
        except D8Error as error:
            reached("refused")
            assert error.hint


def test_chains_of_symbol_versions_that_run_through_each_other_are_refused(tmp_path: Path) -> None:
    """Each of many needs says that all auxiliary entries behind it are its own: the square of their number to read."""
    count = 1500
    sample = elf("amd64", GLIBC, LIBC, ["GLIBC_2.34"])
    name = sample.index(b"GLIBC_2.34\0") - sample.index(b"\0libc.so.6\0")
    pairs = [
        struct.pack("<HHIII", 1, 0xFFFF, 1, 16, 32 * more) + struct.pack("<IHHII", 0, 0, 2, name, 32 * more)
        for more in [*[1] * (count - 1), 0]
    ]
    chain = b"".join(pairs)
    # The chain lies behind all else: a segment that is not used becomes the one that maps it.
    address, build = 0x900000, bytearray(sample)
    build[64 + 56 * 1 : 64 + 56 * 2] = struct.pack("<IIQQQQQQ", 1, 5, len(build), address, 0, len(chain), len(chain), 1)
    needs = build.index(struct.pack("<q", 0x6FFFFFFE)) + 8
    build[needs : needs + 8] = struct.pack("<Q", address)
    build[needs + 16 : needs + 24] = struct.pack("<Q", count)
    with open(tmp_path / "tool", "wb") as file:
        file.write(build + chain)
    with open(tmp_path / "tool", "rb") as file, pytest.raises(MismatchError, match="damaged header"):
        elf_linkage(file, "tool")

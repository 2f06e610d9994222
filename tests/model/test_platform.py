"""Platforms: Go's spelling, and the table of doubtful hosts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import D8Error, DocumentError, UsageError
from d8_installer.model.platform import HostFacts, Platform
from tests.strategies import built, platforms, steady

_ROSETTA = "Darwin Kernel Version 23.1.0: root:xnu-10002/RELEASE_ARM64_T6000"
_INTEL = "Darwin Kernel Version 23.1.0: root:xnu-10002/RELEASE_X86_64"


@steady
@given(platforms)
def test_parse_undoes_str(platform: Platform) -> None:
    assert Platform.parse(str(platform)) == platform


@pytest.mark.parametrize(
    "text",
    ["", "linux", "linux-", "-amd64", "Linux-amd64", "linux/amd64", "linux-arm-v7", "linux-amd64\n", "l" * 33 + "-a",
     " linux-amd64", "l\u0131nux-amd64", "any", None, 3, ["linux-amd64"]],
)  # fmt: skip
def test_no_platform(text: object) -> None:
    with pytest.raises(DocumentError, match="is not a platform") as caught:
        Platform.parse(text)
    assert str(caught.value.hint).startswith("write ")


@steady
@given(st.text())
def test_any_text_is_a_platform_or_refused(text: str) -> None:
    try:
        assert str(Platform.parse(text)) == text
    except DocumentError as error:
        assert len(error.message) < 500


@pytest.mark.parametrize(
    ("sys_platform", "machine", "bits", "kernel", "expected"),
    [
        ("linux", "x86_64", 64, "", "linux-amd64"),
        ("linux", "aarch64", 64, "", "linux-arm64"),
        ("linux", "armv7l", 32, "", "linux-arm"),
        ("linux", "armv8l", 32, "", "linux-arm"),
        ("linux", "i686", 32, "", "linux-386"),
        ("linux", "ppc64le", 64, "", "linux-ppc64le"),
        ("linux", "s390x", 64, "", "linux-s390x"),
        ("linux", "riscv64", 64, "", "linux-riscv64"),
        ("linux", "loongarch64", 64, "", "linux-loong64"),
        ("linux", "mips64el", 64, "", "linux-mips64le"),
        # a 32-bit Python on a 64-bit kernel
        ("linux", "x86_64", 32, "", "linux-386"),
        ("linux", "aarch64", 32, "", "linux-arm"),
        ("linux", "s390x", 32, "", "linux-s390x"),
        # a kernel that boasts of ARM64 says something on macOS only
        ("linux", "x86_64", 64, "#1 SMP ARM64 emulated", "linux-amd64"),
        ("darwin", "arm64", 64, _ROSETTA, "darwin-arm64"),
        ("darwin", "x86_64", 64, _ROSETTA, "darwin-arm64"),
        ("darwin", "x86_64", 64, _INTEL, "darwin-amd64"),
        ("darwin", "x86_64", 64, "", "darwin-amd64"),
        ("win32", "AMD64", 64, "", "windows-amd64"),
        ("win32", "AMD64", 32, "", "windows-amd64"),
        ("win32", "ARM64", 64, "", "windows-arm64"),
        ("win32", "ARM64", 32, "", "windows-arm64"),
        ("win32", "x86", 32, "", "windows-386"),
        ("cygwin", "x86_64", 64, "", "windows-amd64"),
        ("freebsd14", "amd64", 64, "", "freebsd-amd64"),
        ("openbsd7", "amd64", 64, "", "openbsd-amd64"),
        ("netbsd10", "amd64", 64, "", "netbsd-amd64"),
        ("dragonfly6", "x86_64", 64, "", "dragonfly-amd64"),
        ("sunos5", "i86pc", 64, "", "solaris-amd64"),
        ("aix", "ppc64", 64, "", "aix-ppc64"),
    ],
)
def test_hosts(sys_platform: str, machine: str, bits: int, kernel: str, expected: str) -> None:
    assert str(Platform.of_host(HostFacts(sys_platform, machine, bits, kernel))) == expected


@pytest.mark.parametrize(
    ("sys_platform", "machine", "said"),
    [("haiku", "x86_64", "haiku"), ("linux", "", "unknown machine"), ("linux", "vax", "vax"), ("emscripten", "", "em")],
)
def test_unknown_hosts_are_asked_to_say(sys_platform: str, machine: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Platform.of_host(HostFacts(sys_platform, machine, 64))
    assert "--platform" in str(caught.value.hint)


@steady
@given(built(HostFacts, st.text(), st.text(), st.sampled_from([32, 64]), st.text()))
def test_any_host_is_a_platform_or_refused(facts: HostFacts) -> None:
    try:
        platform = Platform.of_host(facts)
    except D8Error:
        return
    assert Platform.parse(str(platform)) == platform


@pytest.mark.parametrize(("text", "suffix"), [("windows-arm64", ".exe"), ("linux-amd64", ""), ("darwin-arm64", "")])
def test_executable_suffix(text: str, suffix: str) -> None:
    assert Platform.parse(text).executable_suffix == suffix

"""The first bytes of an executable, and the machines that they name: ELF, Mach-O, PE and ``#!`` scripts.

This module reads the header and compares it with a platform. It does not read files, and does not judge what follows
the header: the check shows that the right build was taken, not that the build works.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal

from d8_installer.errors import MismatchError
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from d8_installer.model.platform import Platform

HEAD_BYTES = 4096
"""The number of first bytes that are enough; of a shorter file, give all."""

ExecutableFormat = Literal["ELF", "Mach-O", "PE", "script"]

# (e_machine, 64-bit, little-endian) -> GOARCH. Go does not build what is missing, such as x32.
_ELF_MACHINES = {
    (3, False, True): "386", (62, True, True): "amd64",
    (40, False, True): "arm", (40, False, False): "armbe", (183, True, True): "arm64", (183, True, False): "arm64be",
    (20, False, False): "ppc", (21, True, False): "ppc64", (21, True, True): "ppc64le",
    (22, True, False): "s390x", (22, False, False): "s390",
    (243, True, True): "riscv64", (243, False, True): "riscv", (258, True, True): "loong64",
    (8, False, False): "mips", (8, False, True): "mipsle", (8, True, False): "mips64", (8, True, True): "mips64le",
    (43, True, False): "sparc64",
}  # fmt: skip
# Most linkers leave the OSABI at 0 ("System V") on every system; 97 is ARM's own and says no more.
_ELF_UNSTATED = frozenset({0, 97})
_ELF_SYSTEMS = frozenset({"linux", "android", "freebsd", "netbsd", "openbsd", "dragonfly", "solaris", "illumos"})
_ELF_ABIS = {
    2: frozenset({"netbsd"}),
    3: frozenset({"linux", "android"}),
    6: frozenset({"solaris", "illumos"}),
    9: frozenset({"freebsd"}),
    12: frozenset({"openbsd"}),
}
_ELF_EXEC, _ELF_DYN = 2, 3

_MACH_CPUS = {7: "386", 12: "arm", 0x0100_0007: "amd64", 0x0100_000C: "arm64"}
_MACH_EXECUTE = 2
# A Java class file begins with the same 0xcafebabe. In the place of the count it has its version, 45 or more.
_MACH_MAX_BUILDS = 16

_PE_MACHINES = {0x014C: "386", 0x8664: "amd64", 0x01C0: "arm", 0x01C4: "arm", 0xAA64: "arm64"}
_PE_EXECUTABLE, _PE_DLL = 0x0002, 0x2000


class Executable(Struct, frozen=True):
    """What a header states: its format, and the systems and architectures (GOOS, GOARCH) that it may run on.

    A script states neither, so both sets are empty. For other formats an empty set means an unknown system or machine.
    """

    kind: ExecutableFormat
    systems: frozenset[str]
    architectures: frozenset[str]

    def runs_on(self, platform: Platform) -> bool:
        """Whether the header allows the platform; a script runs on everything but windows."""
        if self.kind == "script":
            return platform.os != "windows"
        return platform.os in self.systems and platform.architecture in self.architectures

    def __str__(self) -> str:
        if self.kind == "script":
            return "a script"
        article = "an" if self.kind == "ELF" else "a"
        architectures = " and ".join(sorted(self.architectures)) or "an unknown architecture"
        system = "" if self.kind != "ELF" or self.systems == _ELF_SYSTEMS else self._system
        return f"{article} {self.kind} executable for {system}{architectures}"

    @property
    def _system(self) -> str:
        return f"{'/'.join(sorted(self.systems)) or 'an unknown system'} on "


def identify(head: bytes) -> Executable | None:
    """Return what the first HEAD_BYTES of a file state, or None if it is not an executable; never raises.

    Libraries, object files and core dumps are not executables, as far as the header shows it.
    """
    head = head[:HEAD_BYTES]
    if head.startswith(b"#!"):
        return Executable("script", frozenset(), frozenset())
    try:
        return _elf(head) or _mach(head) or _mach_universal(head) or _pe(head)
    except struct.error:
        return None  # the file is shorter than its header


def check_executable(head: bytes, platform: Platform, what: str) -> None:
    """Raise a MismatchError unless the header of *what* (a name for people) fits the platform."""
    executable = identify(head)
    if executable is not None and executable.runs_on(platform):
        return
    found = (
        f"is not an executable that {platform} runs" if executable is None else f"is {executable}, not for {platform}"
    )
    raise MismatchError(
        f"{what} {found}",
        hint="ask the image's author for a build of this platform, or name another one with --platform",
        code="wrong-executable",
    )


def _elf(head: bytes) -> Executable | None:
    """System V ABI, ch. 4: class at 4, byte order at 5, OSABI at 7, then e_type and e_machine at 16."""
    if not head.startswith(b"\x7fELF"):
        return None
    wide, order, abi = struct.unpack_from("<BBxB", head, 4)
    if wide not in (1, 2) or order not in (1, 2):
        return None
    kind, machine = struct.unpack_from("<HH" if order == 1 else ">HH", head, 16)
    if kind not in (_ELF_EXEC, _ELF_DYN):
        return None
    systems = _ELF_SYSTEMS if abi in _ELF_UNSTATED else _ELF_ABIS.get(abi, frozenset())
    return Executable("ELF", systems, _known(_ELF_MACHINES.get((machine, wide == 2, order == 1))))


def _mach(head: bytes) -> Executable | None:
    """mach-o/loader.h, mach_header: magic, cputype, cpusubtype, filetype; all living machines are little-endian."""
    if not head.startswith((b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe")):
        return None
    cpu, file_type = struct.unpack_from("<I4xI", head, 4)
    if file_type != _MACH_EXECUTE:
        return None
    return Executable("Mach-O", frozenset({"darwin"}), _known(_MACH_CPUS.get(cpu)))


def _mach_universal(head: bytes) -> Executable | None:
    """mach-o/fat.h: big-endian, a count, then one entry of 20 bytes (0xcafebabf: of 32) for each build."""
    entry = {b"\xca\xfe\xba\xbe": 20, b"\xca\xfe\xba\xbf": 32}.get(head[:4])
    if entry is None:
        return None
    (count,) = struct.unpack_from(">I", head, 4)
    if not 1 <= count <= _MACH_MAX_BUILDS:
        return None
    cpus = [struct.unpack_from(">I", head, 8 + number * entry)[0] for number in range(count)]
    return Executable("Mach-O", frozenset({"darwin"}), frozenset(_MACH_CPUS[cpu] for cpu in cpus if cpu in _MACH_CPUS))


def _pe(head: bytes) -> Executable | None:
    """PE format, COFF header: its offset at 0x3c; then ``PE``, the machine, and the characteristics 22 bytes on."""
    if not head.startswith(b"MZ"):
        return None
    (offset,) = struct.unpack_from("<I", head, 0x3C)
    if head[offset : offset + 4] != b"PE\0\0":
        return None
    machine, characteristics = struct.unpack_from("<H16xH", head, offset + 4)
    if not characteristics & _PE_EXECUTABLE or characteristics & _PE_DLL:
        return None
    return Executable("PE", frozenset({"windows"}), _known(_PE_MACHINES.get(machine)))


def _known(architecture: str | None) -> frozenset[str]:
    return frozenset() if architecture is None else frozenset({architecture})

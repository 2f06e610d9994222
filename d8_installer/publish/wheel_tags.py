"""The platform tag of a wheel with executables, which installers compare with a host. It is derived from the files.

The tag promises that the executables run where the wheel is installed (PEP 600 and 656 for Linux), so an executable
without proof of that is refused. Tags are spelled as in `packaging`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DiskError, MismatchError
from d8_installer.model.executable import HEAD_BYTES, identify
from d8_installer.publish.linkage import elf_linkage, oldest_macos

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from d8_installer.model.platform import Platform

Floors = dict[str, tuple[int, int]]
"""The oldest sufficient version of each family of tags; the families of one platform are alternatives."""

# GOARCH -> the word in the tag, and the oldest glibc and musl whose tags installers look for on that architecture.
_LINUX = {
    "amd64": ("x86_64", (2, 17), (1, 1)),
    "386": ("i686", (2, 17), (1, 1)),
    "arm64": ("aarch64", (2, 17), (1, 1)),
    "arm": ("armv7l", (2, 17), (1, 1)),
    "ppc64le": ("ppc64le", (2, 17), (1, 1)),
    "s390x": ("s390x", (2, 17), (1, 1)),
    "riscv64": ("riscv64", (2, 31), (1, 2)),
    "loong64": ("loongarch64", (2, 36), (1, 2)),
}
_DARWIN = {"amd64": ("x86_64", (10, 13), (10, 4)), "arm64": ("arm64", (11, 0), (11, 0))}
WINDOWS = {"amd64": "win_amd64", "arm64": "win_arm64", "386": "win32"}
"""The platform tag on Windows, by GOARCH."""

_MUSL = (1, 2)
_GLIBC_LOADER = re.compile(r"/lib(?:32|64)?/ld(?:-linux[A-Za-z0-9_.-]*|64)?\.so\.\d", re.ASCII)
_MUSL_LOADER = re.compile(r"/lib/ld-musl-[a-z0-9_]+\.so\.1", re.ASCII)
_GLIBC_VERSION = re.compile(r"GLIBC_(\d{1,3})\.(\d{1,3})(?:\.\d{1,3})?", re.ASCII)
# PEP 600's policies promise more libraries, but in versions that a library's name does not tell.
_GLIBC_LIBRARIES = re.compile(
    r"(?:lib(?:c|m|dl|rt|util|nsl|pthread|resolv)\.so\.\d|libgcc_s\.so\.1|ld(?:-linux[A-Za-z0-9_.-]*|64)?\.so\.\d)"
)
_MUSL_LIBRARIES = re.compile(r"libc\.musl-[a-z0-9_]+\.so\.1|libc\.so")
_VERSIONED = {"GLIBC_ABI_DT_RELR": (2, 36)}
_PYTHON = re.compile(rb"#!.*(?:pythonw?|pypyw?)", re.ASCII)
_OTHER_MODE = "link it statically, or ship a thin wheel, whose tag does not depend on it"


def has_tag(platform: Platform) -> bool:
    """Whether there is a wheel tag for the platform."""
    known = {"linux": _LINUX.keys(), "darwin": _DARWIN.keys(), "windows": WINDOWS.keys()}
    return platform.architecture in known.get(platform.os, ())


def platform_tag(files: Iterable[tuple[str, str]], platform: Platform) -> str:
    """Return the platform part of the tag that is true for all *files*, pairs of a binary's name and its path.

    Alternatives are joined by dots. Raises MismatchError if no tag is true for the files, DiskError.
    """
    if platform.os == "windows":
        return WINDOWS[platform.architecture]
    floors: Floors | None = None
    for binary, path in files:
        own = _floors(binary, path, platform)
        floors = own if floors is None else {f: max(floors[f], own[f]) for f in floors if f in own}
    if not floors:
        raise MismatchError(
            f"no wheel tag is true for all binaries for {platform}: some need glibc, some musl",
            hint=_OTHER_MODE,
            code="wheel-not-true",
        )
    word = (_LINUX if platform.os == "linux" else _DARWIN)[platform.architecture][0]
    return ".".join(f"{family}_{major}_{minor}_{word}" for family, (major, minor) in sorted(floors.items()))


def _floors(binary: str, path: str, platform: Platform) -> Floors:
    what = f"{binary} for {platform}"
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
            executable = identify(head)
            if executable is None or not executable.runs_on(platform):
                raise MismatchError(
                    f"{what} is not an executable of that platform",
                    hint="tell the image's author",
                    code="wheel-not-true",
                )
            if executable.kind == "script":
                _refuse_python(head, what)
            if platform.os == "linux":
                return _linux(file, executable.kind == "script", platform, what)
            return {"macosx": _macos(file, executable.kind == "script", platform, what)}
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        raise DiskError(f"cannot read {path}: {reason}", hint="type the same command again") from error


def _refuse_python(head: bytes, what: str) -> None:
    if _PYTHON.match(head.split(b"\n", 1)[0]):
        raise MismatchError(
            f"{what} is a Python script, and installers change its first line, so it would not be the verified file",
            hint="put it into the package with a console script, or ship a thin wheel",
            code="wheel-not-true",
        )


def _linux(file: BinaryIO, is_script: bool, platform: Platform, what: str) -> Floors:
    _, glibc, musl = _LINUX[platform.architecture]
    anywhere = {"manylinux": glibc, "musllinux": musl}
    if is_script:
        return anywhere
    linkage = elf_linkage(file, what)
    loader = linkage.interpreter
    if loader is None:
        if linkage.needed:
            raise _refused(what, "needs libraries and has no loader")
        return anywhere
    if _MUSL_LOADER.fullmatch(loader):
        _only(linkage.needed, _MUSL_LIBRARIES, what)
        return {"musllinux": max(_MUSL, musl)}
    soft_float = platform.architecture == "arm" and "armhf" not in loader  # armv7l's tags mean hard float
    if not _GLIBC_LOADER.fullmatch(loader) or soft_float:
        raise _refused(what, f"has the loader {loader[:100]!r}, which is neither glibc's nor musl's")
    _only(linkage.needed, _GLIBC_LIBRARIES, what)
    return {"manylinux": max([glibc, *(_glibc(version, what) for version in linkage.versions)])}


def _only(needed: Iterable[str], promised: re.Pattern[str], what: str) -> None:
    for library in sorted(needed):
        if not promised.fullmatch(library):
            raise _refused(what, f"needs {library[:100]!r}, which not every system has")


def _glibc(version: str, what: str) -> tuple[int, int]:
    match = _GLIBC_VERSION.fullmatch(version)
    if match is not None:
        return int(match[1]), int(match[2])
    if version.startswith("GCC_"):
        return 0, 0
    if version in _VERSIONED:
        return _VERSIONED[version]
    raise _refused(what, f"needs the symbol version {version[:60]!r}, which no tag promises")


def _macos(file: BinaryIO, is_script: bool, platform: Platform, what: str) -> tuple[int, int]:
    _, default, lowest = _DARWIN[platform.architecture]
    stated = None if is_script else oldest_macos(file, platform.architecture, what)
    major, minor = max(stated or default, lowest)
    # From macOS 11 on installers look only for the tags of major versions: what needs 12.3 runs on 13.
    return (major + 1, 0) if major > 10 and minor else (major, minor)


def _refused(what: str, why: str) -> D8Error:
    return MismatchError(f"{what} {why}", hint=_OTHER_MODE, code="wheel-not-true")

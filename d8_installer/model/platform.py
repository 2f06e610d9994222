"""The platform ``<os>-<arch>`` in Go's spelling, and the platform of a host.

Some hosts are ambiguous. They are decided as follows, and ``--platform`` overrides it:

* A 32-bit Python on a 64-bit Linux kernel is the 32-bit platform, because only the user space is certain to run.
* An x86-64 Python under Rosetta on an ARM Mac is ``darwin-arm64``, as the version string of the kernel says.
* A 32-bit Python on a 64-bit Windows is the 64-bit platform, because Windows runs all word sizes up to its own. An x64
  Python that is emulated on ARM stays ``windows-amd64``, which that system runs and most images have.
"""

from __future__ import annotations

from functools import lru_cache

from d8_installer.errors import DocumentError, UsageError
from d8_installer.model.value import Struct

_WORD_LENGTH = 32
_WORD = "abcdefghijklmnopqrstuvwxyz0123456789"

_OS = {
    "linux": "linux",
    "darwin": "darwin",
    "win32": "windows",
    "cygwin": "windows",
    "aix": "aix",
    "sunos5": "solaris",
}
_BSDS = ("freebsd", "netbsd", "openbsd", "dragonfly")

_ARCHITECTURES = {
    "x86_64": "amd64", "amd64": "amd64", "x64": "amd64",
    "i386": "386", "i486": "386", "i586": "386", "i686": "386", "x86": "386", "i86pc": "amd64",
    "aarch64": "arm64", "arm64": "arm64", "aarch64_be": "arm64be",
    "armv5tel": "arm", "armv6l": "arm", "armv7l": "arm", "armv8l": "arm", "arm": "arm",
    "ppc64le": "ppc64le", "ppc64": "ppc64", "s390x": "s390x", "riscv64": "riscv64", "loongarch64": "loong64",
    "mips": "mips", "mipsel": "mipsle", "mips64": "mips64", "mips64el": "mips64le",
}  # fmt: skip

_SYSTEMS = {"macos": "darwin", "macosx": "darwin", "osx": "darwin", "mac": "darwin", "win": "windows"}
_SYSTEMS |= _OS | {name: name for name in _OS.values()}
"""Spellings of operating systems, and Go's name of each."""

_32_BIT_TWIN = {"amd64": "386", "arm64": "arm"}


class HostFacts(Struct, frozen=True):
    """What Python knows about its host: ``sys.platform``, ``platform.machine()``, pointer bits, kernel version."""

    sys_platform: str
    machine: str
    pointer_bits: int
    kernel_version: str = ""


@lru_cache(8)
def _words(text: str) -> tuple[str, str] | None:
    """Return the two words of ``<os>-<arch>``, or None. A lock has the same few platforms thousands of times."""
    os, _, architecture = text.partition("-")
    return (os, architecture) if _is_word(os) and _is_word(architecture) else None


def _is_word(text: str) -> bool:
    return 0 < len(text) <= _WORD_LENGTH and not text.strip(_WORD)


class Platform(Struct, frozen=True, order=True):
    """An operating system and an architecture as Go's GOOS and GOARCH name them; no variant (rpp.md §2.4)."""

    os: str
    architecture: str

    @classmethod
    def parse(cls, text: object) -> Platform:
        """Read ``<os>-<arch>``, two lower-case words; anything else is a DocumentError."""
        words = _words(text) if isinstance(text, str) else None
        if words is None:
            raise DocumentError(
                f"{str(text)[:100]!r} is not a platform", hint=_platform_hint(str(text)), code="bad-name"
            )
        return cls(*words)

    @classmethod
    def of_host(cls, facts: HostFacts) -> Platform:
        """Return the platform of a host; an unknown system or machine is a UsageError that asks for ``--platform``."""
        system = _OS.get(facts.sys_platform) or next((b for b in _BSDS if facts.sys_platform.startswith(b)), None)
        architecture = _ARCHITECTURES.get(facts.machine.lower())
        if system is None or architecture is None:
            raise UsageError(
                f"this host ({facts.sys_platform}, {facts.machine or 'unknown machine'}) has no known platform name",
                hint="name the platform, such as --platform linux-amd64",
                code="unknown-platform",
            )
        if system == "darwin" and "ARM64" in facts.kernel_version.upper():
            architecture = "arm64"
        if system == "linux" and facts.pointer_bits == 32:
            architecture = _32_BIT_TWIN.get(architecture, architecture)
        return cls(system, architecture)

    @property
    def executable_suffix(self) -> str:
        """The end of an executable's file name: ``.exe`` on Windows, empty elsewhere."""
        return ".exe" if self.os == "windows" else ""

    def __str__(self) -> str:
        return f"{self.os}-{self.architecture}"


def typed_platform(text: str, *, known: bool = False) -> Platform:
    """Return the platform that a person typed; a bad one is a UsageError, and so is an unknown one if *known*.

    Docker's spelling ``linux/arm64`` counts, also with a variant such as ``/v8``, which no build is distinguished by.
    """
    value = _docker_spelling(text) or text
    try:
        return known_platform(value) if known else wanted_platform(value)
    except DocumentError as error:
        raise UsageError(error.problem, hint=error.hint, code="unknown-platform") from error


def _docker_spelling(text: str) -> str | None:
    """Return the platform of ``<os>/<arch>[/<variant>]``, or None for anything else."""
    words = text.split("/")
    if len(words) not in (2, 3) or not all(map(_is_word, words)):
        return None
    return f"{words[0]}-{words[1]}" if len(words) == 2 or words[2][0] == "v" else None


def wanted_platform(value: object) -> Platform:
    """Read a platform that a person asks for.

    Another spelling of a platform that Go knows (``linux-x64``) is a DocumentError: no image has a child of that name.
    """
    platform = Platform.parse(value)
    if not _is_known(platform) and _go_spelling(str(platform)) is not None:
        raise DocumentError(
            f"{str(platform)!r} is not Go's name of a platform", hint=_platform_hint(str(platform)), code="bad-name"
        )
    return platform


def known_platform(value: object) -> Platform:
    """Read a platform that a document demands; a platform that Go does not know is a DocumentError."""
    platform = Platform.parse(value)
    if not _is_known(platform):
        raise DocumentError(
            f"{str(platform)!r} is not a platform that Go knows", hint=_platform_hint(str(platform)), code="bad-name"
        )
    return platform


def _platform_hint(text: str) -> str:
    spelling = _go_spelling(text)
    return f"write {spelling}" if spelling else "write OS-ARCH as Go does, such as linux-amd64"


def _go_spelling(text: str) -> str | None:
    """Return Go's spelling of a platform in another spelling (``linux/amd64``, ``macos-x86_64``), or None."""
    import re

    words = re.split(r"[^a-z0-9]+", re.sub(r"x86[_-]64", "amd64", text[:100].lower()))
    systems = {_SYSTEMS[word] for word in words if word in _SYSTEMS} | {word for word in words if word in _BSDS}
    known = {**_ARCHITECTURES, **{name: name for name in _ARCHITECTURES.values()}}
    architectures = {known[word] for word in words if word in known}
    if len(systems) != 1 or len(architectures) != 1:
        return None
    return f"{systems.pop()}-{architectures.pop()}"


def _is_known(platform: Platform) -> bool:
    return platform.os in {*_OS.values(), *_BSDS} and platform.architecture in _ARCHITECTURES.values()


def systems() -> tuple[str, ...]:
    """Return Go's names of operating systems."""
    return tuple(sorted({*_OS.values(), *_BSDS}))


def architectures() -> tuple[str, ...]:
    """Return Go's names of architectures."""
    return tuple(sorted({*_ARCHITECTURES.values()}))


def spellings() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return every spelling of an operating system that is understood, and every one of an architecture."""
    return tuple(sorted({*_SYSTEMS, *_BSDS})), tuple(sorted({*_ARCHITECTURES, *_ARCHITECTURES.values()}))

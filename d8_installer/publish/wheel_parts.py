"""The parts of a plugin's wheel besides its package: launchers, console scripts, or the binaries themselves.

This module chooses them for a manifest and a platform, and refuses names that no plugin may ship.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, NotFoundError
from d8_installer.model.platform import Platform
from d8_installer.model.value import Struct
from d8_installer.plugin.launcher import launcher
from d8_installer.publish.wheel_metadata import LAUNCH
from d8_installer.publish.wheel_tags import WINDOWS, platform_tag
from d8_installer.store.generations import file_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from d8_installer.model.manifest import Manifest
    from d8_installer.model.requirement import Request
    from d8_installer.publish.wheel_file import StoredFile

ANY = "any"
# Names that uv refuses for a script, and programs that a plugin must never replace.
_RESERVED = re.compile(r"(?:python|pypy|graalpy).*|pip[0-9.]*|uvx?|uvw|pipx|d8-installer", re.ASCII)


class Declared(Struct, frozen=True):
    """A manifest in a wheel's package: its path there, the file name for errors, and its value."""

    path: str
    file: str
    manifest: Manifest

    @property
    def binaries(self) -> tuple[tuple[str, Request], ...]:
        """Each binary's name with its request."""
        return tuple((binary, request) for request in self.manifest.requests for binary, _ in request.binaries)


class Parts(Struct, frozen=True, kw_only=True):
    """The additions to one wheel: the platform part of its tag, scripts by file name, and console scripts.

    ``thin``: the wheel names its manifest and requires d8-installer; otherwise it is complete by itself.
    """

    tag: str
    scripts: tuple[tuple[str, bytes | StoredFile], ...]
    console: tuple[str, ...] = ()
    thin: bool = True

    def console_entries(self) -> dict[str, str]:
        """Return the function of each console script, by name."""
        return dict.fromkeys(self.console, LAUNCH)


def check_names(declared: Declared, taken: Iterable[str]) -> None:
    """Raise a DocumentError unless every binary may be a script of the wheel; *taken* are its other scripts."""
    others = {_plain(name): name for name in taken}
    seen: set[str] = set()
    if not declared.binaries:
        raise DocumentError(
            "asks for no image, so there would be no launcher, and pipx and uv refuse a package without a script",
            file=declared.file,
            hint="add an [[images]] entry",
            about_file=True,
            code="bad-wheel",
        )
    for number, request in enumerate(declared.manifest.requests):
        for binary, _ in request.binaries:
            problem, hint = _trap(binary, others, seen)
            if problem:
                key = f"images[{number}].binaries.{binary}"
                raise DocumentError(problem, file=declared.file, key=key, hint=hint, code="bad-wheel")
            seen.add(binary)


def _trap(binary: str, others: Mapping[str, str], seen: Iterable[str]) -> tuple[str, str]:
    """Return the problem of a name and the hint, or two empty texts."""
    if _RESERVED.fullmatch(binary):
        return "is a name that no plugin may take: it runs Python itself, or a package manager", "choose another name"
    if binary.endswith(".exe"):
        return "ends with .exe, which is added on Windows only", f"write {binary.removesuffix('.exe')}"
    if binary in seen:
        return "is the name of two binaries in this wheel", "give one of them another name"
    if binary in others:
        problem = (
            f"is already a script of the wheel ({others[binary]}), and package managers differ in which one they keep"
        )
        return problem, "give one of the two another name"
    return "", ""


def _plain(script: str) -> str:
    """Return a script's name as it is compared by file systems that ignore case."""
    return script.lower().removesuffix(".exe")


def flavours(declared: Declared) -> tuple[Platform | None, ...]:
    """Return the wheels of a thin set: None for the ``any`` wheel, and the Windows platforms with binaries."""
    windows = [Platform("windows", architecture) for architecture in ("amd64", "arm64")]
    found = [platform for platform in windows if _thin_binaries(declared, platform)]
    return (None, *found) if _thin_binaries(declared, None) else tuple(found)


def thin_parts(declared: Declared, windows: Platform | None) -> Parts:
    """Return launchers for the ``any`` wheel, or console scripts for the wheel of a Windows platform.

    Raises NotFoundError if no binary may run there: pipx and uv remove a package without a script.
    """
    found = _thin_binaries(declared, windows)
    if not found:
        where = "any system but Windows" if windows is None else windows
        raise NotFoundError(
            f"{declared.file} declares no binary for {where}, so a thin wheel would have no launcher",
            hint="see `platforms` in it, or name another --platform",
            code="no-build-for-platform",
        )
    if windows is not None:
        return Parts(tag=WINDOWS[windows.architecture], scripts=(), console=tuple(binary for binary, _ in found))
    return Parts(tag=ANY, scripts=tuple((binary, launcher(binary, request.hash).encode()) for binary, request in found))


def _thin_binaries(declared: Declared, windows: Platform | None) -> Sequence[tuple[str, Request]]:
    def may_run(request: Request) -> bool:
        if request.platforms is None:
            return True
        return windows in request.platforms if windows else any(p.os != "windows" for p in request.platforms)

    return [(binary, request) for binary, request in declared.binaries if may_run(request)]


def fat_parts(declared: Declared, binaries: Mapping[str, StoredFile], platform: Platform) -> Parts:
    """Return the binaries of *platform*, with the tag that is true for all of them."""
    if not binaries:
        raise NotFoundError(
            f"{declared.file} declares no binary that is available for {platform}",
            hint="see `platforms` in it, or name another --platform",
            code="no-build-for-platform",
        )
    tag = platform_tag(((binary, file.path) for binary, file in binaries.items()), platform)
    named = {file_name(binary, platform.executable_suffix): file for binary, file in binaries.items()}
    return Parts(tag=tag, scripts=tuple(sorted(named.items())), thin=False)

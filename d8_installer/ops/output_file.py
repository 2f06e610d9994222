"""The file that ``-o`` names: it is written whole, in one rename, and replaces nothing of d8-installer's own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, UsageError
from d8_installer.model.windows_names import windows_fault

if TYPE_CHECKING:
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.session import Session

_OPEN_ALREADY = ("/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")


def output_file(session: Session, profile: Profile, typed: str, example: str) -> str:
    """Return the real path of the file that ``-o`` names. Nothing is written here. *example* is a good name.

    A device, a file in the home, or one of the profile's own documents is a UsageError. A directory, or a file in a
    directory that does not exist, is a DiskError.
    """
    such_as = f"name a file, such as -o {example}"
    absolute = os.path.normpath(os.path.join(session.scope.directory, typed))
    if typed in {"", "-"} or typed.endswith(os.sep):
        raise UsageError(f"-o {typed!r} names no file", hint=such_as)
    if os.name == "posix" and absolute.startswith(_OPEN_ALREADY):
        raise UsageError(f"-o {typed} is not a name of a file: the file is written whole, in one rename", hint=such_as)
    refuse_windows_names(absolute, f"-o {typed}", such_as)
    path = os.path.realpath(absolute)
    if os.path.exists(path) and not os.path.isfile(path):
        what = "a directory" if os.path.isdir(path) else "not a regular file"
        raise DiskError(f"cannot write {absolute}: it is {what}", hint=such_as, code="in-the-way")
    home = os.path.realpath(session.scope.home.root)
    if is_inside(path, home):
        raise UsageError(f"-o {typed} is inside the home, where everything is d8-installer's own", hint=such_as)
    if not os.path.isdir(os.path.dirname(path)):
        raise DiskError(
            f"cannot write {absolute}: there is no directory {os.path.dirname(path)}",
            hint="make the directory first, or name a file elsewhere",
        )
    for own in (profile.manifest, profile.lock, session.scope.config_file):
        if os.path.realpath(own) == path or (os.path.exists(path) and _is_same(own, path)):
            raise UsageError(f"-o {typed} would take the place of {own}", hint=such_as)
    return path


def refuse_windows_names(absolute: str, option: str, hint: str) -> None:
    """On Windows, raise UsageError if no file can have a name in this path. `os.path.realpath` fails for devices."""
    if sys.platform == "win32":
        for name in os.path.splitdrive(os.path.normpath(absolute))[1].split(os.sep):
            if fault := windows_fault(name):
                raise UsageError(f"{option}: {name!r} {fault}", hint=hint)


def is_inside(path: str, directory: str) -> bool:
    """Whether a real path is *directory* or leads into it."""
    try:
        return os.path.commonpath([directory, path]) == directory
    except ValueError:  # on Windows: they are on two drives
        return False


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False

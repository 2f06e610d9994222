"""Where a bundle may be written: looked at before anything is fetched. Writes nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, UsageError

if TYPE_CHECKING:
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.session import Session

_OPEN_ALREADY = ("/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")
_SUCH_AS = "name a file, such as -o tools.bundle"


def output_file(session: Session, profile: Profile, typed: str) -> str:
    """Return the file that ``-o`` names, by its real path.

    A name of no file, of something that is open already, of the home or of the profile's own documents is a UsageError;
    what is there and is not a file, or has no directory, a DiskError.
    """
    absolute = os.path.normpath(os.path.join(session.directory, typed))
    path = os.path.realpath(absolute)
    if typed in {"", "-"} or typed.endswith(os.sep):
        raise UsageError(f"-o {typed!r} names no file", hint=_SUCH_AS)
    if os.name == "posix" and absolute.startswith(_OPEN_ALREADY):
        raise UsageError(f"-o {typed} is not a name of a file: a bundle is written whole, in one rename", hint=_SUCH_AS)
    if os.path.exists(path) and not os.path.isfile(path):
        what = "a directory" if os.path.isdir(path) else "not a regular file"
        raise DiskError(f"cannot write {absolute}: it is {what}", hint=_SUCH_AS)
    home = os.path.realpath(session.home.root)
    if os.path.commonpath([home, path]) == home:
        raise UsageError(f"-o {typed} is inside the home, where everything is d8-installer's own", hint=_SUCH_AS)
    if not os.path.isdir(os.path.dirname(path)):
        raise DiskError(
            f"cannot write {absolute}: there is no directory {os.path.dirname(path)}",
            hint="make the directory first, or name a file elsewhere",
        )
    for own in (profile.manifest, profile.lock, session.config_file):
        if os.path.realpath(own) == path or (os.path.exists(path) and _is_same(own, path)):
            raise UsageError(f"-o {typed} would take the place of {own}", hint=_SUCH_AS)
    return path


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False

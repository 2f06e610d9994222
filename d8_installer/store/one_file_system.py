"""The check that a home is in one directory on one file system, since files are linked and renamed within it.

The home as a whole may be a link, and be on any disk. The no-op ``sync`` imports this module, so it imports little.
"""

from __future__ import annotations

import os
import stat

from d8_installer.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from d8_installer.store.paths import Home, ProfilePaths


def refuse_scattered(home: Home, profile: ProfilePaths | None = None) -> None:
    """Raise a ConfigError if a directory of the home, or of *profile*, is a link or lies on another file system."""
    problem = scattered(home, profile)
    if problem is not None:
        raise ConfigError(
            problem,
            hint=f"put it back into {home.root}; to have a home on another disk, move it as a whole and put a link to "
            "it in its place, or choose one there with --home DIR",
            code="split-home",
        )


def scattered(home: Home, profile: ProfilePaths | None = None) -> str | None:
    """Return which directory is elsewhere, and why that does not work; None if all are in place.

    A dangling link is not reported: its disk may not be mounted.
    """
    try:
        device = os.stat(home.root).st_dev
    except OSError:
        return None
    store = (os.path.dirname(home.stored), home.stored, home.layers, home.contracts)
    of_profile = (profile.root, profile.generations) if profile is not None else ()
    for path in (home.profiles, home.runs, *store, home.incoming, home.arriving, *of_profile):
        try:
            status = os.lstat(path)
        except OSError:
            continue
        if stat.S_ISLNK(status.st_mode) and os.path.exists(path):
            return f"{path} is a link, and a home works only if all of it lies in one directory"
        if stat.S_ISDIR(status.st_mode) and status.st_dev != device:
            return f"{path} is on another file system, and a home works only if all of it lies on one"
    return None

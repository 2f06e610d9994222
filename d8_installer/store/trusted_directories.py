"""The owners whose files are trusted: git's rule for a directory that it finds (git-config(1), safe.directory).

The no-op ``sync`` imports this module, so it imports little.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VARIABLE = "D8_SAFE_DIRECTORIES"
"""The environment variable that lists directories that are trusted whoever owns them; ``*`` stands for all."""


class ForeignOwner:
    """A path, and the id of its owner, who is not trusted."""

    __slots__ = ("path", "uid")

    def __init__(self, path: str, uid: int) -> None:
        self.path = path
        self.uid = uid

    def __str__(self) -> str:
        return f"{self.path} belongs to {user_name(self.uid)}"


def project_owners(environ: Mapping[str, str]) -> frozenset[int]:
    """Return the users whose projects are trusted: this one and root; for root, the user who typed ``sudo``."""
    sudo = environ.get("SUDO_UID", "")
    if sys.platform != "win32" and os.geteuid() == 0 and sudo.isascii() and sudo.isdecimal():
        return frozenset([0, int(sudo[:10])])
    return home_owners()


def home_owners() -> frozenset[int]:
    """Return the users whose homes are trusted: this user and root; the set is empty on Windows."""
    if sys.platform == "win32":
        return frozenset()
    return frozenset([os.geteuid(), 0])


def foreign_owner_of(paths: Iterable[str], owners: frozenset[int]) -> ForeignOwner | None:
    """Return the first of *paths* that does not belong to one of *owners*; None on a system without owners.

    For a link both the link and its target count. A missing path has no owner.
    """
    if os.name != "posix":
        return None
    for path in paths:
        for look in (os.lstat, os.stat):
            try:
                uid = look(path).st_uid
            except OSError:
                continue
            if uid not in owners:
                return ForeignOwner(path, uid)
    return None


def foreign_owner_of_project(project: str, environ: Mapping[str, str]) -> ForeignOwner | None:
    """Return the foreign owner of a project's directory, manifest or lock, unless the environment lists it as safe.

    The settings are not read.
    """
    if os.name != "posix":
        return None
    paths = (project, os.path.join(project, "d8.toml"), os.path.join(project, "d8.lock"))
    found = foreign_owner_of(paths, project_owners(environ))
    return None if found is None or is_listed(project, safe_directories(environ)) else found


def foreign_owner_of_home(paths: Iterable[str], home: str, environ: Mapping[str, str]) -> ForeignOwner | None:
    """Return the foreign owner of the home or of *paths* in it, unless the environment lists the home as safe."""
    if os.name != "posix":
        return None
    found = foreign_owner_of((home, *paths), home_owners())
    return None if found is None or is_listed(home, safe_directories(environ)) else found


def safe_directories(environ: Mapping[str, str]) -> list[str]:
    """Return the entries of D8_SAFE_DIRECTORIES, which has the separator of PATH."""
    return [entry for entry in environ.get(VARIABLE, "").split(os.pathsep) if entry]


def is_listed(directory: str, entries: Iterable[str]) -> bool:
    """Whether *directory* is in *entries*: absolute paths, ``DIR/*`` for everything below DIR, or ``*`` for all."""
    real = os.path.realpath(directory)
    for entry in entries:
        if entry == "*":
            return True
        if not os.path.isabs(entry):
            continue
        if entry.endswith(f"{os.sep}*"):
            if real.startswith(os.path.join(os.path.realpath(entry[:-2]), "")):
                return True
        elif os.path.realpath(entry) == real:
            return True
    return False


def user_name(uid: int) -> str:
    """Return the user's name, or the id of an unknown user, for messages."""
    if sys.platform != "win32":
        import pwd

        try:
            return f"the user {pwd.getpwuid(uid).pw_name}"
        except KeyError:
            pass
    return f"the user with the id {uid}"

"""What killed processes left in a home, and taking it away; a cut switch is carried on. What they mean is elsewhere."""

from __future__ import annotations

import contextlib
import os

from d8_installer.errors import DiskError
from d8_installer.store import fs, removal
from d8_installer.store.partial import PartialLayers, is_hex_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from d8_installer.store.flock import WaitPolicy
    from d8_installer.store.partial import Guard
    from d8_installer.store.paths import Home, ProfilePaths
    from d8_installer.store.switch import Switch

DRAFT = ".new"
"""How the name of a generation ends that is being made."""


def home_guard(home: Home, patience: WaitPolicy) -> Guard:
    """Return the home's lock: making, sweeping and removing directories exclude each other.

    Else a sweep could take a newborn one.
    """

    def guard(*, hurried: bool = False) -> contextlib.AbstractContextManager[None]:
        return fs.exclusive(home.mutex, patience.hurried() if hurried else patience.for_moments())

    return guard


def mutex_of(directory: str) -> str:
    """Return the lock file of a process's own directory under ``incoming``."""
    return os.path.join(directory, "mutex")


def sweep_store(home: Home, patience: WaitPolicy) -> None:
    """Remove what killed processes left: in ``incoming`` that is a directory whose lock nobody holds."""
    guard = home_guard(home, patience)
    with contextlib.suppress(DiskError), guard():
        for path, name in fs.temporary_files(home.layers):
            if is_hex_digest(name.removesuffix(".json")):
                fs.remove(path)
        PartialLayers(home, guard).sweep()
        for name in fs.list_directory(home.incoming):
            if _is_incoming(name):
                _sweep_one(os.path.join(home.incoming, name))


def _is_incoming(name: str) -> bool:
    """Whether it is a name that we give there: ``<process>.<8 hex digits>``, or 16 hex digits for a file."""
    process, dot, rest = name.rpartition(".")
    return _is_hex(rest, 8 if dot else 16) and (not dot or process.isdecimal())


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and not text.strip("0123456789abcdef")


def _sweep_one(path: str) -> None:
    if not os.path.isdir(path):
        fs.remove(path)
        return
    with fs.try_exclusive(mutex_of(path)) as dead:
        if dead:
            fs.remove_tree(path)


def recover(paths: ProfilePaths, switch: Switch) -> None:
    """Finish or remove what a killed process left in a profile; the caller has its mutex and the home's."""
    finish(paths, switch)
    fs.sweep(paths.root, "project", "d8.lock", "stamp.json", "environments")


def finish(paths: ProfilePaths, switch: Switch) -> None:
    """Finish a switch and remove half generations; the caller keeps others from making and activating any."""
    switch.recover(paths)
    with contextlib.suppress(DiskError):
        for name in fs.list_directory(paths.generations):
            if name.endswith(DRAFT):
                fs.remove_tree(os.path.join(paths.generations, name))
            elif name.endswith(removal.GONE) and name.removesuffix(removal.GONE).isdecimal():
                removal.finish(os.path.join(paths.generations, name))


def numbers(paths: ProfilePaths) -> list[int]:
    """Return the numbers of the generations that are there, ascending."""
    names = fs.list_directory(paths.generations)
    return sorted(int(name) for name in set(names) - removal.going(names) if name.isdecimal())


def newest_number(paths: ProfilePaths) -> int:
    """Return the highest number of a generation that is there, or that is being removed; 0 if there is none."""
    names = fs.list_directory(paths.generations)
    return max((int(name) for name in {*names, *removal.going(names)} if name.isdecimal()), default=0)

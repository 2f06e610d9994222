"""The leftovers of killed processes in a home: they are removed, and a cut switch is finished."""

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
"""The suffix of a generation that is being built."""


def home_guard(home: Home, waiting: WaitPolicy) -> Guard:
    """Return a function that holds the home's mutex, so that no sweep removes a directory that was just made."""

    def guard(*, hurried: bool = False) -> contextlib.AbstractContextManager[None]:
        return fs.exclusive(home.mutex, waiting.hurried() if hurried else waiting.for_moments())

    return guard


def mutex_of(directory: str) -> str:
    """Return the lock file in a process's directory under ``incoming``."""
    return os.path.join(directory, "mutex")


def sweep_store(home: Home, waiting: WaitPolicy) -> None:
    """Remove the leftovers of killed processes, such as directories in ``incoming`` with a free lock."""
    guard = home_guard(home, waiting)
    with contextlib.suppress(DiskError), guard():
        for directory in (home.layers, home.contracts):
            for path, name in fs.temporary_files(directory):
                if is_hex_digest(name.removesuffix(".json")):
                    fs.remove_unless_used(path)
        for directory in (home.facts, home.endpoints):
            for path, _ in fs.temporary_files(directory):
                fs.remove_unless_used(path)
        PartialLayers(home, guard).sweep()
        for name in fs.list_directory(home.incoming):
            if _is_incoming(name):
                _sweep_one(os.path.join(home.incoming, name))


def _is_incoming(name: str) -> bool:
    """Whether the name has one of our forms: ``<process>.<8 hex digits>``, or 16 hex digits for a file."""
    process, dot, rest = name.rpartition(".")
    return _is_hex(rest, 8 if dot else 16) and (not dot or process.isdecimal())


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and not text.strip("0123456789abcdef")


def _sweep_one(path: str) -> None:
    if os.path.isdir(path):
        with fs.try_exclusive(mutex_of(path)) as dead:
            pass  # the caller holds the guard, so no other process opens the lock
        if not dead:
            return
    fs.remove_unless_used(path)


def recover(paths: ProfilePaths, switch: Switch) -> None:
    """Finish or remove the leftovers of a killed process in a profile. The caller holds its mutex and the home's."""
    finish(paths, switch)
    fs.sweep(paths.root, "project", "d8.lock", "stamp.json", "layout.json", "environments")


def finish(paths: ProfilePaths, switch: Switch) -> None:
    """Finish a cut switch and remove incomplete generations. The caller holds the home's ``switching`` lock."""
    switch.recover(paths)
    with contextlib.suppress(DiskError):
        for name in fs.list_directory(paths.generations):
            if name.endswith(DRAFT):
                fs.remove_unless_used(os.path.join(paths.generations, name))
            elif name.endswith(removal.GONE) and name.removesuffix(removal.GONE).isdecimal():
                removal.finish(os.path.join(paths.generations, name))


def numbers(paths: ProfilePaths) -> list[int]:
    """Return the numbers of the complete generations, ascending."""
    names = fs.list_directory(paths.generations)
    return sorted(int(name) for name in set(names) - removal.going(names) if name.isdecimal())


def newest_number(paths: ProfilePaths) -> int:
    """Return the highest number of a generation, complete or being removed; 0 if there is none."""
    names = fs.list_directory(paths.generations)
    return max((int(name) for name in {*names, *removal.going(names)} if name.isdecimal()), default=0)

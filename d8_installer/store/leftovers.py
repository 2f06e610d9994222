"""What killed processes left in a home, and taking it away; a cut switch is carried on. What they mean is elsewhere.

Every writing command passes through here, the quick ``rollback`` too: nothing is imported that it can do without.
"""

from __future__ import annotations

import contextlib
import os

from d8_installer.errors import DiskError
from d8_installer.store import fs
from d8_installer.store.arriving import Arriving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from d8_installer.store.layout import Home, ProfilePaths
    from d8_installer.store.switch import Switch

DRAFT = ".new"
"""How the name of a generation ends that is being made."""
GONE = ".gone"
"""How the name of one ends that is being removed."""


def guard(home: Home) -> contextlib.AbstractContextManager[None]:
    """Making, sweeping and removing directories exclude each other, or a sweep could take a newborn one."""
    return fs.exclusive(home.mutex, never_waits)


def never_waits(_holder: str) -> None:
    """Such a lock is held for some milliseconds at most, which is not worth a word to the person."""


def mutex_of(directory: str) -> str:
    """Return the lock file of a process's own directory under ``incoming``."""
    return os.path.join(directory, "mutex")


def sweep_store(home: Home) -> None:
    """Remove what killed processes left: in ``incoming`` that is a directory whose lock nobody holds."""
    with contextlib.suppress(DiskError), guard(home):
        fs.sweep(home.layers)
        Arriving(home, lambda: guard(home)).sweep()
        for name in fs.list_directory(home.incoming):
            _sweep_one(os.path.join(home.incoming, name))


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
    fs.sweep(paths.root)


def finish(paths: ProfilePaths, switch: Switch) -> None:
    """Finish a switch and remove half generations; the caller keeps others from making and activating any."""
    switch.recover(paths)
    with contextlib.suppress(DiskError):
        for name in fs.list_directory(paths.generations):
            if name.endswith((DRAFT, GONE)):
                fs.remove_tree(os.path.join(paths.generations, name))


def numbers(paths: ProfilePaths) -> list[int]:
    """Return the numbers of the generations that are there, ascending."""
    return sorted(int(name) for name in fs.list_directory(paths.generations) if name.isdecimal())

"""What is wrong with the files of a home that lead to no stored file: locks, ``tags.json``, ``project``; and all modes.

A flipped bit is noticed where the file says twice what it says, by a mark or in another file. ``stamp.json`` is only a
memory: a sync that doubts it looks at everything.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, DocumentError
from d8_installer.model.lock import changed_entries
from d8_installer.ops.upkeep.inspect_generations import FIX, Wrong, raise_the_systems, sync_of
from d8_installer.store import documents, home_state, status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.generation import Generation
    from d8_installer.model.lock import Lock
    from d8_installer.ops.upkeep.inspect_generations import Leads
    from d8_installer.ops.upkeep.profiles_on_disk import Line
    from d8_installer.pipeline.session import Session

OTHERS = 0o002
"""The permission bit that lets anybody change a file, or what is in a directory."""
GROUP = 0o020


def of_files(line: Line, leads: Leads) -> Iterator[Wrong]:
    """Yield what is wrong in the files of one line."""
    if line.is_nobodys and line.generations.numbers():
        yield Wrong(
            kind="project", path=line.paths.project, problem="does not name the project that this profile is of",
            owner=line.title, way_out="type `d8-installer sync` in that project",
        )  # fmt: skip
    if line.project is None and os.path.lexists(line.paths.lock):
        problem = _of_lock(line, leads.active(line))
        if problem:
            active = leads.active(line)
            way_out = FIX if active is not None else f"remove it, then {sync_of(line)}"
            yield Wrong(kind="lock", path=line.paths.lock, problem=problem, owner=line.title, way_out=way_out)


def _of_lock(line: Line, active: Generation | None) -> str:
    """Return what is wrong with a line's own lock, or nothing."""
    try:
        loaded = documents.load_lock(line.paths.lock)
    except (DocumentError, DiskError) as error:
        raise_the_systems(error)
        return f"cannot be read: {error.message}"
    if loaded is None:
        return ""
    changed = ", ".join(changed_entries(loaded.text))
    if changed:
        return f"is not as it was written: the entry of {changed}"
    differs = "" if active is None or active.lock == loaded.text else ", ".join(_other_pins(loaded.value, active))
    return f"pins other bytes than generation {active.number} for {differs}" if active is not None and differs else ""


def _other_pins(lock: Lock, active: Generation) -> Iterator[str]:
    """Yield the images whose index is the active generation's, and whose builds are not, which the index names."""
    from d8_installer.model.lock import Lock

    before = Lock.parse(active.lock.encode(), f"the lock of generation {active.number}")
    for image in lock.images:
        old = before.find(image.name)
        if old is None or (old.version, old.index) != (image.version, image.index) or image.index is None:
            continue
        known = dict(old.platforms)
        if any(known.get(key, pin) != pin for key, pin in image.platforms):
            yield f"{image.name} {image.version}"


def of_tags(session: Session, leads: Leads) -> Iterator[Wrong]:
    """Yield a memory of tags that is damaged, or missing although something was installed."""
    if not os.path.lexists(session.scope.home.tags) and any(leads.active(line) is not None for line in leads.lines):
        yield Wrong(kind="tags", path=session.scope.home.tags, problem="is missing")
        return
    try:
        home_state.load_tags(session.scope.home)
    except DocumentError:
        yield Wrong(kind="tags", path=session.scope.home.tags, problem="is damaged")


def of_modes(session: Session, leads: Leads) -> Iterator[Wrong]:
    """Yield the files and directories that anybody may change; in the system's home, and in a generation, the group."""
    if os.name != "posix":
        return
    home = session.scope.home
    shared = GROUP if session.scope.is_global else 0
    directories = [home.root, home.profiles, home.runs, os.path.dirname(home.stored), home.stored, home.layers]
    directories += [home.executables(digest.hex) for digest in session.store.executables()]
    for path in (*directories, home.schema, home.tags):
        yield from _of_mode(path, OTHERS | shared)
    for line in leads.lines:
        paths = line.paths
        for path in (paths.root, paths.generations, paths.project, paths.lock):
            yield from _of_mode(path, OTHERS | shared, line)
        for number in line.generations.numbers():
            for where, _, names in os.walk(paths.generation(number)):
                for path in (where, *(os.path.join(where, name) for name in names)):
                    yield from _of_mode(path, OTHERS | GROUP, line)


def _of_mode(path: str, forbidden: int, line: Line | None = None) -> Iterator[Wrong]:
    mode = None if os.path.islink(path) else status.mode(path)
    if mode is not None and mode & forbidden:
        who = "everybody" if mode & OTHERS else "its group"
        yield Wrong(
            kind="mode",
            path=path,
            problem=f"may be changed by {who} (mode {mode:04o})",
            owner=line.title if line else None,
        )

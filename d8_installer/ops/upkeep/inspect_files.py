"""Inspects the files of a home that do not lead to stored files: locks, ``tags.json``, ``project``; and all modes.

Damage is noticed if a fact is recorded twice, by a checksum or in another file. ``stamp.json`` is not
inspected: a sync that does not trust it compares everything.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, DocumentError
from d8_installer.model.lock import changed_entries
from d8_installer.ops.upkeep.defects import REPAIR_HINT, Defect, raise_if_from_system, sync_hint
from d8_installer.store import documents, home_state, status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.generation import Generation
    from d8_installer.model.lock import Lock
    from d8_installer.ops.upkeep.inspect_generations import Inspection
    from d8_installer.ops.upkeep.profiles_on_disk import ProfileOnDisk
    from d8_installer.pipeline.session import Session

OTHERS = 0o002
"""The permission bit that lets everybody change a file, or the entries of a directory."""
GROUP = 0o020
"""The permission bit that lets the file's group do so."""


def profile_file_defects(profile: ProfileOnDisk, inspection: Inspection) -> Iterator[Defect]:
    """Yield the defects of one profile's ``project`` and ``d8.lock``."""
    if profile.lacks_project and profile.generations.numbers():
        yield Defect(
            kind="project",
            path=profile.paths.project,
            problem="does not name the project that this profile is of",
            profile=profile.title,
            remedy="type `d8-installer sync` in that project",
        )
    if profile.project is not None or not os.path.lexists(profile.paths.lock):
        return
    active = inspection.active(profile)
    problem = _lock_problem(profile, active)
    if problem:
        remedy = REPAIR_HINT if active is not None else f"remove it, then {sync_hint(profile)}"
        yield Defect(kind="lock", path=profile.paths.lock, problem=problem, profile=profile.title, remedy=remedy)


def _lock_problem(profile: ProfileOnDisk, active: Generation | None) -> str:
    """Return the problem of a profile's own lock, or ""."""
    try:
        loaded = documents.load_lock(profile.paths.lock)
    except (DocumentError, DiskError) as error:
        raise_if_from_system(error)
        return f"cannot be read: {error.message}"
    if loaded is None:
        return ""
    changed = ", ".join(changed_entries(loaded.text))
    if changed:
        return f"is not as it was written: the entry of {changed}"
    differing = "" if active is None or active.lock == loaded.text else ", ".join(_other_pins(loaded.value, active))
    if active is None or not differing:
        return ""
    return f"pins other bytes than generation {active.number} for {differing}"


def _other_pins(lock: Lock, active: Generation) -> Iterator[str]:
    """Yield the images that have the active generation's index and yet other builds, though the index names those."""
    from d8_installer.model.lock import Lock

    before = Lock.parse(active.lock.encode(), f"the lock of generation {active.number}")
    for image in lock.images:
        old = before.find(image.name)
        if old is None or (old.version, old.index) != (image.version, image.index) or image.index is None:
            continue
        known = dict(old.platforms)
        if any(known.get(key, pin) != pin for key, pin in image.platforms):
            yield f"{image.name} {image.version}"


def tag_memory_defects(session: Session, inspection: Inspection) -> Iterator[Defect]:
    """Yield a defect if ``tags.json`` is damaged, or missing although something was installed."""
    is_missing = not os.path.lexists(session.scope.home.tags)
    if is_missing and any(inspection.active(profile) is not None for profile in inspection.profiles):
        yield Defect(kind="tags", path=session.scope.home.tags, problem="is missing")
        return
    try:
        home_state.load_tags(session.scope.home)
    except DocumentError:
        yield Defect(kind="tags", path=session.scope.home.tags, problem="is damaged")


def mode_defects(session: Session, inspection: Inspection) -> Iterator[Defect]:
    """Yield the files and directories that everybody may change.

    In the system's home, and in generations everywhere, the group must not be able to change them either.
    """
    if os.name != "posix":
        return
    home = session.scope.home
    shared = GROUP if session.scope.is_global else 0
    directories = [home.root, home.profiles, home.runs, os.path.dirname(home.stored), home.stored, home.layers]
    directories.append(home.contracts)
    directories += [home.executables(digest.hex) for digest in session.store.executables()]
    for path in (*directories, home.schema, home.tags):
        yield from _mode_defect(path, OTHERS | shared)
    for profile in inspection.profiles:
        paths = profile.paths
        for path in (paths.root, paths.generations, paths.project, paths.lock):
            yield from _mode_defect(path, OTHERS | shared, profile)
        for number in profile.generations.numbers():
            for where, _, names in os.walk(paths.generation(number)):
                for path in (where, *(os.path.join(where, name) for name in names)):
                    yield from _mode_defect(path, OTHERS | GROUP, profile)


def _mode_defect(path: str, forbidden: int, profile: ProfileOnDisk | None = None) -> Iterator[Defect]:
    mode = None if os.path.islink(path) else status.mode(path)
    if mode is not None and mode & forbidden:
        who = "everybody" if mode & OTHERS else "its group"
        yield Defect(
            kind="mode",
            path=path,
            problem=f"may be changed by {who} (mode {mode:04o})",
            profile=profile.title if profile else None,
        )

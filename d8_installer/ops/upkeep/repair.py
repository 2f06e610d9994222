"""``verify --fix``: repairs what ``verify`` found, each thing in one rename. Only bytes that are lost are fetched.

A lost or damaged executable is fetched as the lock of a generation that needs it says; one that no generation needs is
removed. A defect stays, with its reason, if its bytes cannot be fetched, or if only ``sync`` can repair it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.lock import Lock
from d8_installer.model.plan import Fetch, Plan
from d8_installer.model.value import Struct
from d8_installer.ops.upkeep.contract_files import restore_contract
from d8_installer.ops.upkeep.defects import raise_if_from_system
from d8_installer.ops.upkeep.inspect_files import GROUP, OTHERS
from d8_installer.ops.upkeep.inspect_generations import Inspection
from d8_installer.ops.upkeep.profiles_on_disk import finish_interrupted, profiles_on_disk
from d8_installer.ops.upkeep.verify import HashedFiles, Unrepaired, Verified, find_defects, verify
from d8_installer.pipeline.altered_files import altered_text
from d8_installer.pipeline.tag_memory import tops_of
from d8_installer.store import documents, fs, home_state, stamp, status
from d8_installer.store.generations import file_name
from d8_installer.store.store import EXECUTABLE, Stored

if TYPE_CHECKING:
    from d8_installer.model.generation import Generation, Placed
    from d8_installer.model.source import LayerRequest
    from d8_installer.ops.upkeep.defects import Defect
    from d8_installer.ops.upkeep.profiles_on_disk import ProfileOnDisk
    from d8_installer.pipeline.session import Session

_ORDER = (
    "mode",
    "executable",
    "missing",
    "layer",
    "contract",
    "record",
    "link",
    "lock",
    "tags",
    "project",
    "current",
    "bin",
)
"""The kinds of defects, in the order of their repair."""

_NOT_REPAIRED = D8Error("it could not be repaired")
_NEW = D8Error("it was found during the repair")


def verify_and_repair(session: Session) -> Verified:
    """Verify, repair, and verify again. Defects that are left are ``unrepaired``, each with the reason."""
    session.profiles.refuse_foreign(session.scope.home.root)
    if not os.path.exists(session.scope.home.schema):
        return verify(session, HashedFiles())
    with status.readable_by_all(wanted=session.scope.is_global):
        session.profiles.prepare_home()
        session.store.sweep()
        with session.profiles.switching():
            finish_interrupted(session)
        hashed = HashedFiles()
        before = verify(session, hashed)
        if not before.defects:
            return before
        _warn_of_restored(session, before)
        reasons = _fetch_lost(session, before)
        with session.profiles.switching():
            _repair_all(session, before, reasons)
            hashed.files = hashed.size = 0
            after = set(find_defects(session, hashed))
    left = {defect: reasons.get(defect, _NOT_REPAIRED) for defect in before.defects if defect in after}
    left |= {defect: reasons.get(defect, _NEW) for defect in after if defect not in left}
    return Verified(
        home=before.home,
        files=hashed.files,
        size=hashed.size,
        defects=(*before.defects, *(defect for defect in left if defect not in before.defects)),
        repaired=tuple(defect for defect in before.defects if defect not in after),
        unrepaired=tuple(
            Unrepaired(defect, str(error), defect.remedy or error.hint or defect.hint) for defect, error in left.items()
        ),
    )


# -- lost bytes --------------------------------------------------------------------------------------------------------


class _Need(Struct, frozen=True):
    """A generation that needs a stored executable, and what it needs of it."""

    generation: Generation
    placed: Placed


def _fetch_lost(session: Session, before: Verified) -> dict[Defect, D8Error]:
    """Fetch the executables that are lost or damaged and still needed. Return the defects that stay, and why."""
    inspection, failed = _inspect(session), dict[str, D8Error]()
    lost = [defect for defect in before.defects if defect.kind in {"executable", "missing"}]
    for digest in sorted({defect.digest for defect in lost if defect.digest is not None}):
        need = _newest_need(inspection, digest)
        try:
            if need is not None and _sound_name(session, digest) is None:
                _fetch(session, need)
        except D8Error as error:
            raise_if_from_system(error)
            failed[digest] = D8Error(f"it cannot be fetched again: {error}", hint=error.hint)
    reasons = {defect: failed[defect.digest] for defect in lost if defect.digest in failed}
    return reasons | _restore_contracts(session, inspection, before)


def _restore_contracts(session: Session, inspection: Inspection, before: Verified) -> dict[Defect, D8Error]:
    """Put back the contracts that are lost or damaged. Return the defects that stay, and why."""
    failed: dict[Defect, D8Error] = {}
    for defect in (one for one in before.defects if one.kind == "contract"):
        try:
            restore_contract(session, inspection, defect.digest or "")
        except D8Error as error:
            raise_if_from_system(error)
            failed[defect] = D8Error(f"it cannot be read again: {error}", hint=error.hint)
    return failed


def _warn_of_restored(session: Session, before: Verified) -> None:
    """Warn of each installed program that something else changed and that is restored: that may undo an update."""
    inspection = _inspect(session)
    for defect in before.defects:
        if defect.kind == "executable" and defect.digest is not None:
            need = _newest_need(inspection, defect.digest)
            if need is not None:
                altered = altered_text(need.placed, defect.path, defect.problem)
                session.reporter.warn(f"putting back what was installed: {altered}")


def _fetch(session: Session, need: _Need) -> None:
    """Fetch the layer of one executable. Afterwards each of its names is the sound file."""
    from d8_installer.pipeline.fetch import fetch_all

    placed, platform = need.placed, need.generation.platform
    placement = placed.placement
    step = Fetch(name=placement.name, request=_layer_request(need), members=(placement.member,), again=True)
    fetch_all(session, Plan(platform=platform, steps=(step,), target=(placement,)))
    name = file_name(placement.binary, platform.executable_suffix)
    session.store.replace_names(Stored(placed.digest, placed.size), name)


def _sound_name(session: Session, digest: str) -> str | None:
    """Return one of a stored executable's names under which it has the right bytes, or None."""
    directory = session.scope.home.executables(digest)
    paths = [os.path.join(directory, name) for name in fs.list_directory(directory)]
    files = (path for path in paths if fs.file_size(path) is not None)  # not a link, wherever it leads
    return next((os.path.basename(path) for path in files if stamp.file_checksum(path) == digest), None)


def _layer_request(need: _Need) -> LayerRequest:
    generation, placement = need.generation, need.placed.placement
    image = _lock_of(generation).find(placement.name)
    pin = image.pin_for(generation.platform) if image is not None else None
    if image is None or pin is None or pin.layer != placement.layer:
        raise NotFoundError(f"the lock of generation {generation.number} does not name its layer")
    return image.layer_request(generation.platform if image.index is not None else None)


def _lock_of(generation: Generation) -> Lock:
    return Lock.parse(generation.lock.encode(), f"the lock of generation {generation.number}")


def _inspect(session: Session) -> Inspection:
    """Return the generations of all profiles."""
    inspection = Inspection(session)
    for profile in profiles_on_disk(session):
        for _ in inspection.profile_defects(profile):
            pass
    return inspection


def _needs(inspection: Inspection, digest: str) -> list[_Need]:
    return [
        _Need(read.generation, placed)
        for read in inspection.generations
        for placed in read.generation.placed
        if placed.digest.hex == digest
    ]


def _newest_need(inspection: Inspection, digest: str) -> _Need | None:
    """Return the newest generation that needs the executable."""
    return max(_needs(inspection, digest), key=lambda need: need.generation.time, default=None)


# -- everything else ---------------------------------------------------------------------------------------------------


def _repair_all(session: Session, before: Verified, reasons: dict[Defect, D8Error]) -> None:
    """Repair the defects, and add to *reasons* why one could not be repaired."""
    inspection = _inspect(session)
    by_title = {profile.title: profile for profile in profiles_on_disk(session)}
    for defect in sorted(before.defects, key=lambda defect: _ORDER.index(defect.kind)):
        try:
            _repair(session, inspection, by_title.get(defect.profile or ""), defect)
        except D8Error as error:
            raise_if_from_system(error)
            reasons.setdefault(defect, error)


def _repair(session: Session, inspection: Inspection, profile: ProfileOnDisk | None, defect: Defect) -> None:
    if defect.kind == "mode":
        mode = EXECUTABLE if defect.digest else (status.mode(defect.path) or 0) & ~(GROUP | OTHERS)
        fs.set_mode(defect.path, mode)
    elif defect.kind == "executable":
        _repair_executable(session, inspection, defect)
    elif defect.kind == "layer":
        _repair_layer(session, inspection, defect.digest or "")
    elif defect.kind == "bin":
        _repair_bin(session, inspection, defect)
    elif defect.kind == "tags":
        _repair_tags(session, inspection)
    elif defect.kind == "lock" and profile is not None:
        _repair_lock(inspection, profile)
    elif defect.kind in {"current", "project"}:
        _remove_run(profile)
    elif profile is not None and defect.generation is not None:
        _repair_generation(session, profile, defect.generation, defect)


def _repair_executable(session: Session, inspection: Inspection, defect: Defect) -> None:
    """Remove an executable, or a name of it, that no generation needs. Else give it the bytes of a sound name."""
    digest = defect.digest or ""
    needs = _needs(inspection, digest)
    if not needs:
        session.store.discard_executable(Digest(digest))
        return
    names = {file_name(need.placed.placement.binary, need.generation.platform.executable_suffix) for need in needs}
    sound = _sound_name(session, digest)
    if os.path.basename(defect.path) not in names:
        session.store.discard_name(Digest(digest), os.path.basename(defect.path))
    elif sound is not None:
        placed = needs[0].placed
        session.store.replace_names(Stored(placed.digest, placed.size), sound)


def _repair_layer(session: Session, inspection: Inspection, digest: str) -> None:
    """Write a layer's record again from the generations that need it, or remove it if none does."""
    members = inspection.needed_members().get(digest)
    if members is None:
        session.store.discard_layer(Digest(digest))
    else:
        session.store.write_record(Digest(digest), members)


def _repair_lock(inspection: Inspection, profile: ProfileOnDisk) -> None:
    """Restore a profile's own lock from its active generation, unless a command is at work there."""
    active = inspection.active(profile)
    if active is None:
        raise NotFoundError("no sound generation is active that has a copy of it")
    with fs.try_exclusive(profile.paths.mutex) as free:
        if free:
            documents.save(profile.paths.lock, active.lock)


def _repair_tags(session: Session, inspection: Inspection) -> None:
    """Write ``tags.json`` again from the locks of all generations; the newest counts. Everything else is forgotten."""
    tops: dict[tuple[str, str], Digest] = {}
    for generation in sorted((read.generation for read in inspection.generations), key=lambda one: one.time):
        tops |= tops_of(_lock_of(generation))
    home_state.begin_tags(session.scope.home)
    session.profiles.remember_tags(tops)


def _repair_generation(session: Session, profile: ProfileOnDisk, number: int, defect: Defect) -> None:
    """Build a generation's files again. If its record is damaged, remove it; the active one is not repaired here."""
    generations = profile.generations
    if defect.kind == "record":
        generations.drop(number)
        return
    if defect.kind != "link" or defect.path.startswith(session.scope.home.stored):
        _restore_names(session, profile, number)
        return
    generation = generations.load(number)
    if not all(session.store.holds(Stored(placed.digest, placed.size)) for placed in generation.placed):
        raise NotFoundError("the store no longer has what belongs there")
    generations.rebuild(generation)
    if number == generations.switch.active(profile.paths) and not os.path.islink(profile.paths.current):
        generations.switch.activate(profile.paths, number)


def _restore_names(session: Session, profile: ProfileOnDisk, number: int) -> None:
    """Give stored files the names that a generation uses. Files that are lost were to be fetched before."""
    generation = profile.generations.load(number)
    for placed in generation.placed:
        stored = Stored(placed.digest, placed.size)
        if session.store.holds(stored):
            session.store.path(stored, file_name(placed.placement.binary, generation.platform.executable_suffix))


def _remove_run(profile: ProfileOnDisk | None) -> None:
    """Remove a run, which is resolved again when it is needed. A profile's active generation needs a sync."""
    if profile is None or not profile.is_run:
        raise NotFoundError("only a sync can make it again")
    with fs.removing(profile.paths.root, profile.paths.mutex):
        pass  # unless a command is at work there


def _repair_bin(session: Session, inspection: Inspection, defect: Defect) -> None:
    """Make the PATH entry again, or remove an old program from it. A file of others in it is an error, and stays."""
    for read in inspection.generations:
        if os.path.basename(read.profile.paths.root) in {"user", "system"}:
            switch, paths = read.profile.generations.switch, read.profile.paths
            switch.expose(session.scope.home, paths)
            active = switch.active(paths)
            if active == read.generation.number and not os.path.islink(paths.current):
                switch.activate(paths, active)
    if defect.path != session.scope.home.bin and os.path.lexists(defect.path):
        raise D8Error("d8-installer did not put it there")

"""``verify --fix``: puts right what ``verify`` found, each thing in one rename; only bytes that are lost are fetched.

A lost or damaged executable comes from where the lock in a generation that has it says. What nothing needs is
removed instead. What needs the network says so where there is none; what only ``sync`` can make anew is left to it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.lock import Lock
from d8_installer.model.plan import Fetch, Plan
from d8_installer.ops.upkeep.inspect_files import GROUP, OTHERS
from d8_installer.ops.upkeep.inspect_generations import Leads, Wrong, raise_the_systems
from d8_installer.ops.upkeep.profiles_on_disk import lines, tidy
from d8_installer.ops.upkeep.verify import Hashed, Verified, found, verify
from d8_installer.pipeline.altered_files import altered_text
from d8_installer.pipeline.apply import tops_of
from d8_installer.store import documents, fs, home_state, stamp, status
from d8_installer.store.generations import file_name
from d8_installer.store.store import EXECUTABLE, Stored

if TYPE_CHECKING:
    from d8_installer.model.generation import Generation, Placed
    from d8_installer.model.source import LayerRequest
    from d8_installer.ops.upkeep.profiles_on_disk import Line
    from d8_installer.pipeline.session import Session

_ORDER = ("mode", "executable", "missing", "layer", "record", "link", "lock", "tags", "project", "current", "bin")


_UNMENDED = D8Error("it could not be repaired")
_NEW = D8Error("it was found during the repair")


def verify_and_mend(session: Session) -> Verified:
    """Look, mend what can be mended, and look again: what is still wrong is in ``unmended``, with the reason."""
    session.profiles.refuse_foreign(session.scope.home.root)
    if not os.path.exists(session.scope.home.schema):
        return verify(session, Hashed())
    with status.readable_by_all(wanted=session.scope.is_global):
        session.profiles.prepare_home()
        session.store.sweep()
        with session.profiles.switching():
            tidy(session)
        hashed = Hashed()
        before = verify(session, hashed)
        if not before.wrong:
            return before
        _say_what_is_undone(session, before)
        reasons = _fetched(session, before)
        with session.profiles.switching():
            _mend_all(session, before, reasons)
            hashed.files = hashed.size = 0
            after = set(found(session, hashed))
    unmended = {one: reasons.get(one, _UNMENDED) for one in before.wrong if one in after}
    unmended |= {one: reasons.get(one, _NEW) for one in after}
    mended = tuple(one for one in before.wrong if one not in after)
    wrong = (*before.wrong, *(one for one in unmended if one not in before.wrong))
    rest = tuple((one, str(why), one.way_out or why.hint or one.hint) for one, why in unmended.items())
    return Verified(home=before.home, files=hashed.files, size=hashed.size, wrong=wrong, mended=mended, unmended=rest)


# -- bytes -------------------------------------------------------------------------------------------------------


def _fetched(session: Session, before: Verified) -> dict[Wrong, D8Error]:
    """Fetch what is lost or damaged and some generation needs; return why not, for what could not be had."""
    leads, failed = _read(session), dict[str, D8Error]()
    lost = [one for one in before.wrong if one.kind in {"executable", "missing"}]
    for digest in sorted({one.digest for one in lost if one.digest is not None}):
        wanted = _who_wants(leads, digest)
        try:
            if wanted is not None and _sound_name(session, digest) is None:
                _fetch(session, *wanted)
        except D8Error as error:
            raise_the_systems(error)
            failed[digest] = D8Error(f"it cannot be fetched again: {error}", hint=error.hint)
    return {one: failed[one.digest] for one in lost if one.digest in failed}


def _say_what_is_undone(session: Session, before: Verified) -> None:
    """Name the installed programs that something else changed, and that are put back: that may have been an update."""
    leads = _read(session)
    for one in before.wrong:
        wanted = _who_wants(leads, one.digest) if one.kind == "executable" and one.digest is not None else None
        if wanted is not None:
            session.reporter.warn(f"putting back what was installed: {altered_text(wanted[1], one.path, one.problem)}")


def _fetch(session: Session, generation: Generation, placed: Placed) -> None:
    """Fetch one executable's layer; afterwards each of its names is the sound file."""
    from d8_installer.pipeline.fetch import fetch_all

    placement = placed.placement
    step = Fetch(name=placement.name, request=_request(generation, placed), members=(placement.member,), anew=True)
    fetch_all(session, Plan(platform=generation.platform, steps=(step,), target=(placement,)))
    name = file_name(placement.binary, generation.platform.executable_suffix)
    session.store.replace_names(Stored(placed.digest, placed.size), name)


def _sound_name(session: Session, digest: str) -> str | None:
    """Return one of a stored executable's names under which it has the right bytes, or None."""
    directory = session.scope.home.executables(digest)
    paths = [os.path.join(directory, name) for name in fs.list_directory(directory)]
    files = (path for path in paths if fs.file_size(path) is not None)  # a link is none, whatever it leads to
    return next((os.path.basename(path) for path in files if stamp.file_checksum(path) == digest), None)


def _request(generation: Generation, placed: Placed) -> LayerRequest:
    placement = placed.placement
    lock = Lock.parse(generation.lock.encode(), f"the lock of generation {generation.number}")
    image = lock.find(placement.name)
    pin = image.pin_for(generation.platform) if image is not None else None
    if image is None or pin is None or pin.layer != placement.layer:
        raise NotFoundError(f"the lock of generation {generation.number} does not say where it is from")
    platform = generation.platform if image.index is not None else None
    return image.layer_request(platform)


def _read(session: Session) -> Leads:
    leads = Leads(session)
    for line in lines(session):
        for _ in leads.of_line(line):
            pass
    return leads


def _who_wants(leads: Leads, digest: str) -> tuple[Generation, Placed] | None:
    """Return the newest generation that has the executable."""
    have = [(g, p) for _, g in leads.generations for p in g.placed if p.digest.hex == digest]
    return max(have, key=lambda pair: pair[0].time, default=None)


# -- all else ------------------------------------------------------------------------------------------------


def _mend_all(session: Session, before: Verified, reasons: dict[Wrong, D8Error]) -> None:
    leads = _read(session)
    of_line = {line.title: line for line in lines(session)}
    for one in sorted(before.wrong, key=lambda one: _ORDER.index(one.kind)):
        try:
            _mend(session, leads, of_line.get(one.owner or ""), one)
        except D8Error as error:
            raise_the_systems(error)
            reasons.setdefault(one, error)


def _mend(session: Session, leads: Leads, line: Line | None, one: Wrong) -> None:
    digest = one.digest or ""
    if one.kind == "mode":
        fs.set_mode(one.path, EXECUTABLE if digest else (status.mode(one.path) or 0) & ~(GROUP | OTHERS))
    elif one.kind == "executable":
        _mend_executable(session, leads, one)
    elif one.kind == "layer":
        members = leads.members().get(digest)
        if members is None:
            session.store.discard_layer(Digest(digest))
        else:
            session.store.write_record(Digest(digest), members)
    elif one.kind == "bin":
        _mend_bin(session, leads)
    elif one.kind == "tags":
        _mend_tags(session, leads)
    elif one.kind == "lock" and line is not None:
        _mend_lock(leads, line)
    elif one.kind in {"current", "project"}:
        _mend_current(line)
    elif line is not None and one.number is not None:
        _mend_generation(session, line, one)


def _mend_executable(session: Session, leads: Leads, one: Wrong) -> None:
    """Remove what nothing needs: the whole executable, or a name of it; give another name the bytes of a sound one."""
    digest = one.digest or ""
    wanted = [(g, p) for _, g in leads.generations for p in g.placed if p.digest.hex == digest]
    if not wanted:
        session.store.discard_executable(Digest(digest))
        return
    names = {file_name(p.placement.binary, g.platform.executable_suffix) for g, p in wanted}
    sound = _sound_name(session, digest)
    if os.path.basename(one.path) not in names:
        session.store.discard_name(Digest(digest), os.path.basename(one.path))
    elif sound is not None:
        placed = wanted[0][1]
        session.store.replace_names(Stored(placed.digest, placed.size), sound)


def _mend_lock(leads: Leads, line: Line) -> None:
    """Restore a line's own lock from its active generation, unless a command is at work there."""
    active = leads.active(line)
    if active is None:
        raise NotFoundError("no sound generation is active that has a copy of it")
    with fs.try_exclusive(line.paths.mutex) as free:
        if free:
            documents.save(line.paths.lock, active.lock)


def _mend_tags(session: Session, leads: Leads) -> None:
    """Remember anew what the locks of all generations call by which tag, the newest last; all else is forgotten."""
    tops: dict[tuple[str, str], Digest] = {}
    for _, generation in sorted(leads.generations, key=lambda pair: pair[1].time):
        tops |= tops_of(Lock.parse(generation.lock.encode(), f"the lock of generation {generation.number}"))
    home_state.begin_tags(session.scope.home)
    session.profiles.remember_tags(tops)


def _mend_generation(session: Session, line: Line, one: Wrong) -> None:
    """Lay out again what is wrong of a generation; one that cannot be read (it is not the active one) goes."""
    generations, number = line.generations, one.number or 0
    if one.kind == "record":
        generations.drop(number)
        return
    if one.kind != "link" or one.path.startswith(session.scope.home.stored):
        _name_stored(session, line, number)
        return
    generation = generations.load(number)
    if not all(session.store.holds(Stored(placed.digest, placed.size)) for placed in generation.placed):
        raise NotFoundError("the store no longer has what belongs there")
    generations.rebuild(generation)
    if number == generations.switch.active(line.paths) and not os.path.islink(line.paths.current):
        generations.switch.activate(line.paths, number)


def _name_stored(session: Session, line: Line, number: int) -> None:
    """Give stored files the names that a generation knows them by; what is lost altogether was to be fetched."""
    generation = line.generations.load(number)
    for placed in generation.placed:
        stored = Stored(placed.digest, placed.size)
        if session.store.holds(stored):
            session.store.path(stored, file_name(placed.placement.binary, generation.platform.executable_suffix))


def _mend_current(line: Line | None) -> None:
    """What ``run`` resolved, it can resolve anew; a profile's active generation is made by a sync alone."""
    if line is None or not line.is_run:
        raise NotFoundError("only a sync can make it again")
    with fs.try_exclusive(line.paths.mutex) as free:
        if free:
            fs.remove_tree(line.paths.root)


def _mend_bin(session: Session, leads: Leads) -> None:
    for line, _ in leads.generations:
        if os.path.basename(line.paths.root) in {"user", "system"}:
            line.generations.switch.expose(session.scope.home, line.paths)

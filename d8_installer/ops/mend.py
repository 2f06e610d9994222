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
from d8_installer.model.source import LayerRequest
from d8_installer.ops.leads import Leads, Wrong, raise_the_systems
from d8_installer.ops.lines import lines, tidy
from d8_installer.ops.verify import Hashed, Verified, found, verify
from d8_installer.store import fs, status
from d8_installer.store.blobs import EXECUTABLE, Stored
from d8_installer.store.profile import file_name

if TYPE_CHECKING:
    from d8_installer.model.generation import Generation, Placed
    from d8_installer.ops.lines import Line
    from d8_installer.ops.session import Session

_ORDER = ("mode", "executable", "missing", "layer", "record", "link", "current", "bin")


def verify_and_mend(session: Session) -> Verified:
    """Look, mend what can be mended, and look again: what is still wrong is in ``unmended``, with the reason."""
    session.refuse_foreign(session.home.root)
    if not os.path.exists(session.home.schema):
        return verify(session, Hashed())
    with status.readable_by_all(wanted=session.is_global):
        session.prepare_home()
        session.store.sweep()
        with session.switching():
            tidy(session)
        hashed = Hashed()
        before = verify(session, hashed)
        if not before.wrong:
            return before
        reasons = _fetched(session, before)
        with session.switching():
            _mend_all(session, before, reasons)
            after = set(found(session, hashed))
    unmended = {one: reasons.get(one, "it could not be mended") for one in before.wrong if one in after}
    unmended |= {one: reasons.get(one, "it came up while mending") for one in after}
    mended = tuple(one for one in before.wrong if one not in after)
    wrong = (*before.wrong, *(one for one in unmended if one not in before.wrong))
    return Verified(before.home, before.files, before.size, wrong, mended, tuple(unmended.items()))


# -- bytes -------------------------------------------------------------------------------------------------------


def _fetched(session: Session, before: Verified) -> dict[Wrong, str]:
    """Fetch what is lost or damaged and some generation needs; return why not, for what could not be had."""
    leads, failed = _read(session), dict[str, str]()
    lost = [one for one in before.wrong if one.kind in {"executable", "missing"}]
    for digest in sorted({one.digest for one in lost if one.digest is not None}):
        wanted = _who_wants(leads, digest)
        try:
            if wanted is not None:
                _fetch(session, *wanted)
        except D8Error as error:
            raise_the_systems(error)
            failed[digest] = f"it cannot be fetched again: {error}"
    return {one: failed[one.digest] for one in lost if one.digest in failed}


def _fetch(session: Session, generation: Generation, placed: Placed) -> None:
    """Fetch one executable's layer; afterwards each of its names is the sound file."""
    from d8_installer.ops.fetch import fetch_all

    placement = placed.placement
    step = Fetch(placement.name, _request(generation, placed), (placement.member,), anew=True)
    fetch_all(session, Plan(generation.platform, (step,), (placement,)))
    name = file_name(placement.binary, generation.platform.executable_suffix)
    session.store.rename_all(Stored(placed.digest, placed.size), name)


def _request(generation: Generation, placed: Placed) -> LayerRequest:
    placement = placed.placement
    lock = Lock.parse(generation.lock.encode(), f"the lock of generation {generation.number}")
    image = lock.find(placement.name)
    pin = image.pin_for(generation.platform) if image is not None else None
    if image is None or pin is None or pin.layer != placement.layer:
        raise NotFoundError(f"the lock of generation {generation.number} does not say where it is from")
    platform = generation.platform if image.index is not None else None
    return LayerRequest(image.name.path, image.version, platform, image.index, pin.child, pin.layer, pin.size)


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


def _mend_all(session: Session, before: Verified, reasons: dict[Wrong, str]) -> None:
    leads = _read(session)
    of_line = {line.title: line for line in lines(session)}
    for one in sorted(before.wrong, key=lambda one: _ORDER.index(one.kind)):
        try:
            _mend(session, leads, of_line.get(one.owner or ""), one)
        except D8Error as error:
            raise_the_systems(error)
            reasons.setdefault(one, str(error))


def _mend(session: Session, leads: Leads, line: Line | None, one: Wrong) -> None:
    digest = one.digest or ""
    if one.kind == "mode":
        fs.set_mode(one.path, EXECUTABLE)
    elif one.kind == "executable":
        if _who_wants(leads, digest) is None:
            session.store.discard_executable(digest)
    elif one.kind == "layer":
        members = leads.members().get(digest)
        if members is None:
            session.store.discard_layer(digest)
        else:
            session.store.record(Digest(digest), members)
    elif one.kind == "bin":
        _mend_bin(session, leads)
    elif one.kind == "current":
        _mend_current(line)
    elif line is not None and one.number is not None:
        _mend_generation(session, line, one)


def _mend_generation(session: Session, line: Line, one: Wrong) -> None:
    """Lay out again what is wrong of a generation; one that cannot be read (it is not the active one) goes."""
    generations, number = line.generations, one.number or 0
    if one.kind == "record":
        generations.drop(number)
        return
    if one.kind != "link" or one.path.startswith(session.home.stored):
        _name_stored(session, line, number)
        return
    generation = generations.load(number)
    if not all(session.store.holds(Stored(placed.digest, placed.size)) for placed in generation.placed):
        raise NotFoundError("the store lost what belongs there")
    generations.lay_out_again(generation)
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
        raise NotFoundError("only a sync can make it anew")
    with fs.try_exclusive(line.paths.mutex) as free:
        if free:
            fs.remove_tree(line.paths.root)


def _mend_bin(session: Session, leads: Leads) -> None:
    for line, _ in leads.generations:
        if os.path.basename(line.paths.root) in {"user", "system"}:
            line.generations.switch.expose(session.home, line.paths)

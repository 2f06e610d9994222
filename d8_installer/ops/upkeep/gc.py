"""``gc``: takes away old generations, and then what no generation reaches. Decides first; ``--dry-run`` ends there.

The roots are all generations of all profiles whose project still exists, and of all runs. It holds the home's lock
from the first look to the last removal, so that no generation is made meanwhile; an install that counted upon what
is removed here looks again once it has that lock, and fetches.
"""

from __future__ import annotations

import contextlib
import os
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DiskError, UsageError
from d8_installer.model.value import Struct, field
from d8_installer.ops.upkeep.profiles_on_disk import Line, lines, tidy
from d8_installer.pipeline.plugin_runs import is_abandoned
from d8_installer.store import fs, one_file_system, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from d8_installer.model.digest import Digest
    from d8_installer.pipeline.session import Session
    from d8_installer.store.paths import Home

_AGE = re.compile(r"([0-9]{1,6})([smhdw])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class GcOptions(Struct, frozen=True, kw_only=True):
    """``keep``: the newest generations that stay (None: the setting ``retention``); ``older_than``: and none older.

    ``missing``: also the profiles of projects whose disk may only not be mounted.
    """

    keep: int | None = None
    older_than: timedelta | None = None
    missing: bool = False
    dry_run: bool = False


class Removed(Struct, frozen=True):
    """One thing that goes: its kind, what it is called, and its bytes."""

    kind: str
    name: str
    size: int

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        return {"kind": self.kind, "name": self.name, "bytes": self.size}


class Collected(Struct, frozen=True, kw_only=True):
    """What went (with ``dry_run``: would go), and what stays although it looks like garbage, with the reason."""

    home: str
    removed: tuple[Removed, ...]
    spared: tuple[str, ...]
    dry_run: bool

    @property
    def size(self) -> int:
        """The bytes of all that went."""
        return sum(removed.size for removed in self.removed)

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        removed = [one.as_json() for one in self.removed]
        facts = {"home": self.home, "dry_run": self.dry_run, "bytes": self.size}
        return {**facts, "removed": removed, "spared": list(self.spared)}


class _Garbage(Struct, kw_only=True):
    """What was decided: lines that go whole, single generations, and the digests that something still reaches."""

    whole: list[Line] = field(default_factory=list)
    generations: list[tuple[Line, int]] = field(default_factory=list)
    executables: set[str] = field(default_factory=set)
    layers: set[str] = field(default_factory=set)
    spared: list[str] = field(default_factory=list)


def parse_age(text: str) -> timedelta:
    """Read ``30d``, ``12h``, ``2w``; anything else is a UsageError."""
    match = _AGE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text[:40]!r} is not an age", hint="such as 30d, 12h or 2w")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def collect_garbage(session: Session, options: GcOptions) -> Collected:
    """Remove what nothing needs; the active generation of a profile is never touched."""
    home = session.scope.home
    if not os.path.exists(home.schema):
        return Collected(home=home.root, removed=(), spared=(), dry_run=options.dry_run)
    if options.dry_run:
        return _result(session, _decide(session, options), dry_run=True)
    session.profiles.refuse_foreign(home.root)
    with status.readable_by_all(wanted=session.scope.is_global):
        session.profiles.prepare_home()
        session.store.sweep()
        with session.profiles.switching():
            tidy(session)
            garbage = _decide(session, options)
            result = _result(session, garbage, dry_run=False)
            _remove(session, garbage)
    return result


# -- deciding ------------------------------------------------------------------------------------------------


def _decide(session: Session, options: GcOptions) -> _Garbage:
    one_file_system.refuse_scattered(session.scope.home)
    _refuse_absent(session.scope.home)
    garbage = _Garbage()
    for line in lines(session):
        if _goes_whole(line, options, garbage):
            garbage.whole.append(line)
            continue
        going = set() if line.is_run else _too_old(session, line, options, garbage)
        garbage.generations += [(line, number) for number in sorted(going)]
        for number in line.generations.numbers():
            if number not in going:
                _reach(line, number, garbage)
    return garbage


def _refuse_absent(home: Home) -> None:
    """Refuse where ``bin`` leads to a profile that is not there: then the disk that all profiles are on may be away."""
    known = fs.list_directory(home.profiles)
    if os.path.islink(home.bin) and not {"user", "system"}.intersection(known):
        raise DiskError(
            f"{home.bin} leads to a profile, and there is none in {home.profiles}",
            hint=f"mount the disk that it is on; if it is gone for good, remove {home.bin}",
        )


def _goes_whole(line: Line, options: GcOptions, garbage: _Garbage) -> bool:
    if line.is_run and is_abandoned(line.paths):
        return True
    if line.is_nobodys or line.is_run:
        empty = not line.generations.numbers()
        if not empty and line.is_nobodys:
            garbage.spared.append(f"{line.title}: it has generations")
        return empty
    if line.project is None:
        return False
    gone = line.is_gone
    if gone is None and not options.missing:
        garbage.spared.append(f"{line.title}: it is not there, and its disk may only not be mounted (--missing)")
    return gone is True or (gone is None and options.missing)


def _too_old(session: Session, line: Line, options: GcOptions, garbage: _Garbage) -> set[int]:
    generations = line.generations
    try:
        active = generations.switch.active(generations.paths)
    except DiskError as error:
        garbage.spared.append(f"{line.title}: {error}")
        return set()
    numbers = generations.numbers()
    keep = session.scope.config.retention if options.keep is None else options.keep
    going = set(numbers[:-keep])
    if options.older_than is not None:
        limit = _before(session.scope.clock(), options.older_than)
        going |= {number for number in numbers if _is_older(line, number, limit)}
    return going - {active}


def _before(now: datetime, age: timedelta) -> datetime:
    """Return the time that was *age* ago; nothing is older than what no calendar has."""
    try:
        return now - age
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _is_older(line: Line, number: int, limit: datetime) -> bool:
    try:
        made = datetime.strptime(line.generations.load(number).time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (D8Error, ValueError):
        return False  # nobody knows how old it is
    return made < limit


def _reach(line: Line, number: int, garbage: _Garbage) -> None:
    """Note what a generation needs: by its record, and by its links, which are there when the record is damaged."""
    try:
        placed = line.generations.load(number).placed
    except D8Error as error:
        garbage.spared.append(f"generation {number} of {line.title}: {error}")
        placed = ()
    garbage.executables |= {one.digest.hex for one in placed}
    garbage.layers |= {one.placement.layer.hex for one in placed}
    garbage.executables |= set(_linked(line.paths.generation(number)))


def _linked(directory: str) -> Iterator[str]:
    for where, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(where, name)
            if os.path.islink(path):
                yield os.path.basename(os.path.dirname(os.path.realpath(path)))


def _result(session: Session, garbage: _Garbage, *, dry_run: bool) -> Collected:
    home, store = session.scope.home, session.store
    removed = [
        Removed("run" if line.is_run else "profile", line.title, status.tree_size(line.paths.root))
        for line in garbage.whole
    ]
    removed += [
        Removed("generation", f"{number} of {line.title}", status.tree_size(line.paths.generation(number)))
        for line, number in garbage.generations
    ]
    removed += [
        Removed("layer", str(digest), status.tree_size(home.layer(digest.hex)))
        for digest in _unreached(store.layers(), garbage.layers)
    ]
    removed += [
        Removed("executable", str(digest), status.tree_size(home.executables(digest.hex)))
        for digest in _unreached(store.executables(), garbage.executables)
    ]
    return Collected(home=home.root, removed=tuple(removed), spared=tuple(garbage.spared), dry_run=dry_run)


def _unreached(found: Iterable[Digest], reached: set[str]) -> list[Digest]:
    return [digest for digest in found if digest.hex not in reached]


# -- removing ------------------------------------------------------------------------------------------------


def _remove(session: Session, garbage: _Garbage) -> None:
    """Take the names away before what they lead to: killed anywhere, nothing that is left lacks anything.

    What cannot be removed keeps nothing else from going; the first such DiskError is raised at the end.
    """
    store = session.store
    removals: list[Callable[[], None]] = [partial(_remove_whole, line) for line in garbage.whole]
    removals += [partial(line.generations.drop, number) for line, number in garbage.generations]
    failed = _all_but_failed(removals)
    if not failed:  # else what a generation that is still there leads to would go
        removals = [partial(store.discard_layer, one) for one in _unreached(store.layers(), garbage.layers)]
        unreached = _unreached(store.executables(), garbage.executables)
        failed = _all_but_failed([*removals, *(partial(store.discard_executable, one) for one in unreached)])
    if failed:
        raise failed[0]


def _all_but_failed(removals: Iterable[Callable[[], None]]) -> list[DiskError]:
    """Call each of *removals*; return what the disk refused."""
    failed = []
    for remove in removals:
        try:
            remove()
        except DiskError as error:
            failed.append(error)
    return failed


def _remove_whole(line: Line) -> None:
    """Remove a profile, unless somebody works in it: then the project is there again, or a run is being resolved.

    The file that names the project goes last, or a killed gc would leave what nobody can tell the owner of.
    """
    with fs.try_exclusive(line.paths.mutex) as free:
        if not free:
            return
        line.generations.switch.deactivate(line.paths)
        for number in reversed(line.generations.numbers()):
            line.generations.drop(number)
        fs.remove_tree(line.paths.generations)
        with contextlib.suppress(DiskError):  # somebody begins there anew
            fs.remove_tree(line.paths.root)

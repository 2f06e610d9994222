"""``gc``: removes old generations, and then what no generation needs. Decides first; ``--dry-run`` ends there.

The roots are the generations of all runs, and of all profiles except those of removed projects. The home's lock is
held from the first look to the last removal, so that no generation is made meanwhile. An install that relied on
something removed here looks again once it has that lock, and fetches it.
"""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DiskError, UsageError
from d8_installer.model.value import Struct, field, replace
from d8_installer.model.wrapper import HEAD_BYTES, wrapped_digest
from d8_installer.ops.upkeep.contract_files import images_with_contracts
from d8_installer.ops.upkeep.profiles_on_disk import ProfileOnDisk, finish_interrupted, profiles_on_disk
from d8_installer.pipeline.plugin_runs import is_abandoned
from d8_installer.store import contracts, fs, one_file_system, status
from d8_installer.store.os_errors import file_in_use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from d8_installer.model.digest import Digest
    from d8_installer.pipeline.session import Session
    from d8_installer.store.os_errors import FileInUseError
    from d8_installer.store.paths import Home

_MAX_DIGITS = 6
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class GcOptions(Struct, frozen=True, kw_only=True):
    """What stays: the newest ``keep`` generations (None: the setting ``retention``) that are not ``older_than`` an age.

    With ``missing``, a project's profile is removed even if the project may be missing because a disk is not mounted.
    """

    keep: int | None = None
    older_than: timedelta | None = None
    missing: bool = False
    dry_run: bool = False


class Removed(Struct, frozen=True):
    """One thing that is removed: its kind, its name, and its bytes."""

    kind: str
    name: str
    size: int

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        return {"kind": self.kind, "name": self.name, "bytes": self.size}


class Collected(Struct, frozen=True, kw_only=True):
    """What was removed (with ``dry_run``: would be), and what looks like garbage but is kept, with the reason."""

    home: str
    removed: tuple[Removed, ...]
    kept: tuple[str, ...]
    dry_run: bool

    @property
    def size(self) -> int:
        """Return the bytes of everything that was removed."""
        return sum(removed.size for removed in self.removed)

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        removed = [one.as_json() for one in self.removed]
        facts = {"changed": bool(self.removed), "home": self.home, "dry_run": self.dry_run, "bytes": self.size}
        return {**facts, "removed": removed, "spared": list(self.kept)}


class _OldGeneration(Struct, frozen=True):
    profile: ProfileOnDisk
    number: int

    def remove(self) -> None:
        self.profile.generations.drop(self.number)


class _Decision(Struct, kw_only=True):
    """The profiles and generations to remove, the digests (hex) that are still needed, and what is kept and why."""

    profiles: list[ProfileOnDisk] = field(default_factory=list)
    generations: list[_OldGeneration] = field(default_factory=list)
    needed_executables: set[str] = field(default_factory=set)
    needed_layers: set[str] = field(default_factory=set)
    needed_contracts: set[str] = field(default_factory=set)
    kept: list[str] = field(default_factory=list)


def parse_age(text: str) -> timedelta:
    """Read ``30d``, ``12h`` or ``2w``. Anything else is a UsageError."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not (number.isascii() and number.isdecimal()) or len(number) > _MAX_DIGITS:
        raise UsageError(f"{text[:40]!r} is not an age", hint="such as 30d, 12h or 2w")
    return timedelta(seconds=int(number) * _UNITS[unit])


def collect_garbage(session: Session, options: GcOptions) -> Collected:
    """Remove what is not needed. The active generation of a profile always stays."""
    home = session.scope.home
    if not os.path.exists(home.schema):
        return Collected(home=home.root, removed=(), kept=(), dry_run=options.dry_run)
    if options.dry_run:
        return _result(session, _decide(session, options), dry_run=True)
    session.profiles.refuse_foreign(home.root)
    with status.readable_by_all(wanted=session.scope.is_global):
        session.profiles.prepare_home()
        session.store.sweep()
        with session.profiles.switching():
            finish_interrupted(session)
            decision = _decide(session, options)
            result = _result(session, decision, dry_run=False)
            used = _remove(session, decision)
    return _without(result, used)


# -- deciding ----------------------------------------------------------------------------------------------------------


def _decide(session: Session, options: GcOptions) -> _Decision:
    one_file_system.refuse_scattered(session.scope.home)
    _refuse_absent_profiles(session.scope.home)
    decision = _Decision()
    for profile in profiles_on_disk(session):
        if _is_garbage(profile, options, decision):
            decision.profiles.append(profile)
            continue
        old = set() if profile.is_run else _old_generations(session, profile, options, decision)
        decision.generations += [_OldGeneration(profile, number) for number in sorted(old)]
        for number in profile.generations.numbers():
            if number not in old:
                _add_needs(profile, number, decision)
    return decision


def _refuse_absent_profiles(home: Home) -> None:
    """Refuse if ``bin`` leads to a profile that is not there: the disk with all profiles may not be mounted."""
    known = fs.list_directory(home.profiles)
    if os.path.islink(home.bin) and not {"user", "system"}.intersection(known):
        raise DiskError(
            f"{home.bin} leads to a profile, and there is none in {home.profiles}",
            hint=f"mount the disk that it is on; if it is gone for good, remove {home.bin}",
            code="link-leads-nowhere",
        )


def _is_garbage(profile: ProfileOnDisk, options: GcOptions, decision: _Decision) -> bool:
    """Whether the whole profile or run goes."""
    if profile.is_run and is_abandoned(profile.paths):
        return True
    if profile.lacks_project or profile.is_run:
        is_empty = not profile.generations.numbers()
        if not is_empty and profile.lacks_project:
            decision.kept.append(f"{profile.title}: it has generations")
        return is_empty
    if profile.project is None:
        return False
    gone = profile.is_gone
    if gone is None and not options.missing:
        decision.kept.append(
            f"{profile.title}: it is not there, but perhaps its disk is only not mounted (--missing removes it)"
        )
    return gone is True or (gone is None and options.missing)


def _old_generations(session: Session, profile: ProfileOnDisk, options: GcOptions, decision: _Decision) -> set[int]:
    """Return the numbers of the generations to remove. The active one is not among them."""
    generations = profile.generations
    try:
        active = generations.switch.active(generations.paths)
    except DiskError as error:
        decision.kept.append(f"{profile.title}: {error}")
        return set()
    numbers = generations.numbers()
    keep = session.scope.config.retention if options.keep is None else options.keep
    old = set(numbers[:-keep])
    if options.older_than is not None:
        limit = _before(session.scope.clock(), options.older_than)
        old |= {number for number in numbers if _is_older(profile, number, limit)}
    return old - {active}


def _before(now: datetime, age: timedelta) -> datetime:
    """Return the time that was *age* ago, or the earliest one if the calendar does not reach that far."""
    try:
        return now - age
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _is_older(profile: ProfileOnDisk, number: int, limit: datetime) -> bool:
    try:
        time = profile.generations.load(number).time
        made = datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (D8Error, ValueError):
        return False  # its age is not known
    return made < limit


def _add_needs(profile: ProfileOnDisk, number: int, decision: _Decision) -> None:
    """Add what a generation needs, by its record and by its links: those are there even if the record is damaged."""
    try:
        generation = profile.generations.load(number)
        placed = generation.placed
    except D8Error as error:
        decision.kept.append(f"generation {number} of {profile.title}: {error}")
        placed = ()
    else:
        with contextlib.suppress(D8Error):  # a lock that is damaged; its contracts are read again when they are needed
            decision.needed_contracts |= {image.top.hex for image in images_with_contracts(generation)}
    decision.needed_executables |= {one.digest.hex for one in placed}
    decision.needed_layers |= {one.placement.layer.hex for one in placed}
    decision.needed_executables |= set(_linked(profile.paths.generation(number)))


def _linked(directory: str) -> Iterator[str]:
    """Yield the digests (hex) of the stored files that the links and wrappers below *directory* lead to."""
    for where, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(where, name)
            if os.path.islink(path):
                yield os.path.basename(os.path.dirname(os.path.realpath(path)))
            elif digest := wrapped_digest(fs.read_head(path, HEAD_BYTES)):
                yield digest


def _result(session: Session, decision: _Decision, *, dry_run: bool) -> Collected:
    steps = [step for steps in _steps(session, decision) for step in steps]
    sizes = status.freed_bytes([step.path] for step in steps)
    removed = tuple(Removed(step.kind, step.name, size) for step, size in zip(steps, sizes, strict=True))
    return Collected(home=session.scope.home.root, removed=removed, kept=tuple(decision.kept), dry_run=dry_run)


def _without(result: Collected, in_use: Mapping[_Step, FileInUseError]) -> Collected:
    """Return what was removed, without what is in use: that is kept, with the reason."""
    names = {(step.kind, step.name) for step in in_use}
    removed = tuple(one for one in result.removed if (one.kind, one.name) not in names)
    kept = (f"{error.filename}: {error.strerror}; the next gc removes it" for error in in_use.values())
    return replace(result, removed=removed, kept=(*result.kept, *kept))


class _Step(Struct, frozen=True, kw_only=True):
    """One thing to remove: what it is, where it is, and how it is removed."""

    kind: str
    name: str
    path: str
    remove: Callable[[], None]


def _steps(session: Session, decision: _Decision) -> tuple[list[_Step], list[_Step]]:
    """Return the profiles and generations to remove, and the files that nothing leads to then."""
    home, store = session.scope.home, session.store
    first = [
        _Step(
            kind="run" if profile.is_run else "profile",
            name=profile.title,
            path=profile.paths.root,
            remove=partial(_remove_profile, profile),
        )
        for profile in decision.profiles
    ]
    first += [
        _Step(
            kind="generation",
            name=f"{old.number} of {old.profile.title}",
            path=old.profile.paths.generation(old.number),
            remove=old.remove,
        )
        for old in decision.generations
    ]
    layers = _unneeded(store.layers(), decision.needed_layers)
    found = _unneeded(contracts.stored(home), decision.needed_contracts)
    executables = _unneeded(store.executables(), decision.needed_executables)
    return first, [
        *(_file("layer", one, home.layer(one.hex), partial(store.discard_layer, one)) for one in layers),
        *(_file("contract", one, home.contract(one.hex), partial(contracts.discard, home, one)) for one in found),
        *(
            _file("executable", one, home.executables(one.hex), partial(store.discard_executable, one))
            for one in executables
        ),
    ]


def _file(kind: str, digest: Digest, path: str, remove: Callable[[], None]) -> _Step:
    return _Step(kind=kind, name=str(digest), path=path, remove=remove)


def _unneeded(found: Iterable[Digest], needed: set[str]) -> list[Digest]:
    return [digest for digest in found if digest.hex not in needed]


# -- removing ----------------------------------------------------------------------------------------------------------


def _remove(session: Session, decision: _Decision) -> dict[_Step, FileInUseError]:
    """Remove generations before the files that they lead to, so that nothing lacks a file if the command is killed.

    If one thing cannot be removed, the others still are. Return what stays because it is in use; the first DiskError
    for another reason is raised at the end.
    """
    used: dict[_Step, FileInUseError] = {}
    failed: list[DiskError] = []
    for steps in _steps(session, decision):
        for step in steps if not failed else ():  # else files of a generation that is still there would go
            try:
                step.remove()
            except DiskError as error:
                if (file := file_in_use(error)) is not None:
                    used[step] = file
                else:
                    failed.append(error)
    if failed:
        raise failed[0]
    return used


def _remove_profile(profile: ProfileOnDisk) -> None:
    """Remove a profile unless a command works in it: its project may be back, or the run is being resolved."""
    used: list[DiskError] | None = None
    try:
        with fs.removing(profile.paths.root, profile.paths.mutex) as free:
            if not free:
                return
            used = _empty_profile(profile)
    except DiskError:
        if used is None:  # else another command makes new files there
            raise
    if used:
        raise used[0]


def _empty_profile(profile: ProfileOnDisk) -> list[DiskError]:
    """Remove a profile's generations, and return the refusals for files in use, which the next gc looks at.

    The file that names the project stays, so that the profile of a killed gc still has a project.
    """
    generations, paths = profile.generations, profile.paths
    removals = [partial(generations.drop, number) for number in reversed(generations.numbers())]
    used = []
    for remove in (
        partial(generations.switch.deactivate, paths),
        *removals,
        partial(fs.remove_tree, paths.generations),
    ):
        try:
            remove()
        except DiskError as error:
            if file_in_use(error) is None:
                raise
            used.append(error)
    return used

"""The way back to an earlier generation, by what is known of each: its record, or for quickness its summary.

There is one road: the quick way differs only in what it reads, and gives up before anything is changed.
"""

from __future__ import annotations

import os

from d8_installer.errors import D8Error, DiskError, NotFoundError
from d8_installer.model.summary import Summary
from d8_installer.pipeline.activation import activate
from d8_installer.store import documents, fs, recovery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.profile_access import Place
    from d8_installer.store.paths import ProfilePaths

    class Records(Protocol):
        """What is known of the generations of a profile."""

        def active(self, number: int) -> Summary | None:
            """Return what is known of the active generation, None where that is damaged."""

        def target(self, number: int) -> Summary:
            """Return what is known of the generation to switch to."""

        def lay_out(self, target: Summary) -> None:
            """Put the files of a generation in their places again, some of which are lost."""


_RECORD_LIMIT = 256 << 20
_CONFIG_LIMIT = 1 << 20
_NOTHING: tuple[str | None, str] = (None, "")
_HISTORY = "see `d8-installer history`"


class Difference:
    """What a binary was before and is after: versions, None where it is not there; the same version, other bytes."""

    __slots__ = ("after", "before", "binary")

    def __init__(self, binary: str, before: str | None, after: str | None) -> None:
        self.binary = binary
        self.before = before
        self.after = after

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        return {"binary": self.binary, "before": self.before, "after": self.after}


class RolledBack:
    """What a rollback did; ``lock_restored``: the profile's lock says the same now.

    ``before`` is None where nobody knows which generation was active, and ``differences`` where what it had is unknown.
    """

    __slots__ = ("after", "before", "differences", "lock_restored", "profile")

    def __init__(
        self,
        profile: Profile,
        change: tuple[int | None, int],
        made: tuple[Difference, ...] | None,
        *,
        lock_restored: bool,
    ) -> None:
        self.profile = profile
        self.before, self.after = change
        self.differences = made
        self.lock_restored = lock_restored

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        changes = None if self.differences is None else [difference.as_json() for difference in self.differences]
        facts = {"profile": self.profile.as_json(), "before": self.before, "generation": self.after}
        return {**facts, "changes": changes, "lock_restored": self.lock_restored}


def differences(before: Summary | None, after: Summary) -> tuple[Difference, ...]:
    """Return the binaries in ``bin`` whose bytes or versions differ; of a tag that was moved the bytes alone do."""
    old, new = before.in_bin if before is not None else {}, after.in_bin
    changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    return tuple(Difference(name, old.get(name, _NOTHING)[0], new.get(name, _NOTHING)[0]) for name in changed)


def switch_back(place: Place, number: int | None, records: Records, warn: Callable[[str], None]) -> RolledBack:
    """Make generation *number* (None: the one before the active one) the active one; it gets no new number.

    A user's lock is restored from it. A project's ``d8.lock`` is the project's: the next sync returns to it (DESIGN,
    Commands). Raises NotFoundError where there is no such generation, DiskError where the store lacks what it needs.
    The caller holds the place for writing; nothing is changed before *records* has answered for the last time. What
    the disk refuses after the switch is told to *warn*.
    """
    profile = place.profile
    active = place.switch.active(place.paths)
    before = None if active is None else records.active(active)
    restored = profile.kind != "project"
    with place.switching():
        target = records.target(_target(place, active, number))
        _refuse_unrunnable(place, target)
        if not _is_laid_out(place, target):
            records.lay_out(target)
        if restored:
            documents.save(profile.lock, target.lock)
        if profile.is_exposed:
            place.switch.expose(place.home, place.paths)
        activate(place.switch, place.paths, target.number, warn)
    made = None if before is None else differences(before, target)
    return RolledBack(profile, (active, target.number), made, lock_restored=restored)


def _target(place: Place, active: int | None, number: int | None) -> int:
    known = recovery.numbers(place.paths)
    if active is None and not known:
        raise NotFoundError(f"{place.profile} has no generation yet", hint=_way_back(place))
    if number is not None:
        if number not in known:
            raise NotFoundError(f"there is no generation {number}", hint=_HISTORY)
        return number
    if active is None:
        raise NotFoundError(
            f"it is not known which generation was active before: {place.paths.current} is missing",
            hint="choose one that `d8-installer history` shows: `d8-installer rollback N`",
        )
    before = [known_one for known_one in known if known_one < active]
    if not before:
        raise NotFoundError(f"{place.profile} has no generation before {active}", hint=_way_back(place))
    return before[-1]


def _way_back(place: Place) -> str:
    """Return what to type where the profile has nothing to go back to: a project's user may have meant their own."""
    user = place.home.profile("user")
    if place.profile.kind == "project" and len(recovery.numbers(user)) > 1:
        return "the user's profile has earlier generations: type `d8-installer --user rollback`"
    return _HISTORY


def _refuse_unrunnable(place: Place, target: Summary) -> None:
    """Leave the active generation alone if the other one's files are not all there."""
    for one in target.binaries:
        path = place.home.executable(one.digest, one.file)
        if not os.path.isfile(path):
            raise DiskError(
                f"generation {target.number} needs {path}, which is gone",
                hint="roll back to another one: see `d8-installer history`",
            )


def _is_laid_out(place: Place, target: Summary) -> bool:
    """Whether every file of the generation is where it should be, and what it should be."""
    top = place.paths.generation(target.number)
    directories = {name for one in target.binaries for name in one.directories}
    above = {name.partition("/")[0] for name in directories} | directories
    if os.path.islink(top) or any(os.path.islink(os.path.join(top, name)) for name in above):
        return False
    return all(
        place.switch.is_placed(place.home.executable(one.digest, one.file), os.path.join(top, name, one.file))
        for one in target.binaries
        for name in one.directories
    )


# -- the quick way -------------------------------------------------------------------------------------------


class _DoubtError(Exception):
    """A summary does not say all that the record would, or the generation needs more than a switch."""


class _Summaries:
    """What the generations' summaries say, as far as they count."""

    def __init__(self, paths: ProfilePaths) -> None:
        self._paths = paths

    def active(self, number: int) -> Summary:
        return self.target(number)

    def target(self, number: int) -> Summary:
        found = _summary(self._paths, number)
        if found is None or found.number != number:
            raise _DoubtError
        return found

    @staticmethod
    def lay_out(_target: Summary) -> None:
        raise _DoubtError


def quickly(place: Place, number: int | None, warn: Callable[[str], None]) -> RolledBack | None:
    """Roll back by the generations' summaries; None, and nothing changed, where one of them does not count."""
    try:
        with place.writing():
            return switch_back(place, number, _Summaries(place.paths), warn)
    except _DoubtError:
        return None


def _summary(paths: ProfilePaths, number: int) -> Summary | None:
    try:
        raw = fs.read(paths.summary(number), limit=_RECORD_LIMIT)
        record = fs.read(paths.record(number), limit=_RECORD_LIMIT) if raw is not None else None
    except D8Error:
        return None
    return None if raw is None or record is None else Summary.parse(raw, record)


_TEXTS = frozenset(["endpoint", "ca_file", "client_cert", "client_key", "token_file"])


def enables_no_plugin(config_file: str) -> bool:
    """Whether the settings are so plain that no TOML needs to be read to see that they enable no plugin.

    That is where there are none, or only the scalars below, each on a line as ``config set`` writes it.
    """
    try:
        text = (fs.read(config_file, limit=_CONFIG_LIMIT) or b"").decode()
    except (D8Error, ValueError):
        return False
    lines = [line for line in text.split("\n") if line]
    keys = [line.partition(" = ")[0] for line in lines if not line.startswith("#")]
    return len(set(keys)) == len(keys) and all(map(_is_plain, lines))


def _is_plain(line: str) -> bool:
    if not line.isprintable():
        return False
    if line.startswith("#"):
        return True
    key, _, value = line.partition(" = ")
    if key == "retention":
        return value.isascii() and value.isdecimal() and not value.startswith("0") and int(value[:9]) <= 10_000
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return key in _TEXTS and quoted and '"' not in value[1:-1] and "\\" not in value

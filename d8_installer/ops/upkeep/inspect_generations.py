"""Inspects what refers to stored files: generation records and files, ``current``, ``bin``, layer records.

The generations are kept once read: a repair needs to know which of them needs what. The other files of a home, and the
modes of all files, are in ``inspect_files``.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DiskError, DocumentError
from d8_installer.model.digest import Digest
from d8_installer.model.value import Struct
from d8_installer.ops.upkeep.defects import Defect, raise_if_from_system, sync_hint
from d8_installer.pipeline.consistency import agrees
from d8_installer.store import fs, stamp
from d8_installer.store.generations import file_name
from d8_installer.store.paths import OLD_SUMMARY
from d8_installer.store.store import Stored, record_checksum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.generation import Generation, Placed
    from d8_installer.ops.upkeep.defects import DefectKind
    from d8_installer.ops.upkeep.profiles_on_disk import ProfileOnDisk
    from d8_installer.pipeline.session import Session

_LIMIT = 1 << 20


class ReadGeneration(Struct, frozen=True):
    """A generation with a sound record, and its profile."""

    profile: ProfileOnDisk
    generation: Generation

    def defect(self, kind: DefectKind, path: str, problem: str, placed: Placed | None = None) -> Defect:
        """Return a defect of this generation, of the stored file *placed* if it concerns one."""
        return Defect(
            kind=kind,
            path=path,
            problem=problem,
            digest=None if placed is None else placed.digest.hex,
            profile=self.profile.title,
            generation=self.generation.number,
        )


class Inspection:
    """The profiles and generations of a home as they were read, and the defects of what refers to the store."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.profiles: list[ProfileOnDisk] = []
        self.generations: list[ReadGeneration] = []

    def profile_defects(self, profile: ProfileOnDisk) -> Iterator[Defect]:
        """Yield the defects of one profile's generations, and keep those that are sound."""
        self.profiles.append(profile)
        numbers = profile.generations.numbers()
        active = None
        try:
            active = profile.generations.switch.active(profile.paths)
        except DiskError as error:
            raise_if_from_system(error)
            problem = error.message.removeprefix(f"{profile.paths.current} ")
            yield _current_defect(profile, problem, f"{error.hint}, then {sync_hint(profile)}")
        else:
            if active is None and _was_active(profile, numbers):
                yield _current_defect(profile, "is missing: no generation is active", sync_hint(profile))
            elif active is not None and active not in numbers:
                yield _current_defect(profile, f"leads to generation {active}, which is gone", sync_hint(profile))
        for number in numbers:
            yield from self._number_defects(profile, number, active=number == active)

    def active(self, profile: ProfileOnDisk) -> Generation | None:
        """Return the active generation of a profile that was inspected, or None if there is none or it is damaged."""
        try:
            number = profile.generations.switch.active(profile.paths)
        except DiskError as error:
            raise_if_from_system(error)
            return None
        root = profile.paths.root
        return next(
            (
                read.generation
                for read in self.generations
                if read.profile.paths.root == root and read.generation.number == number
            ),
            None,
        )

    def _number_defects(self, profile: ProfileOnDisk, number: int, *, active: bool) -> Iterator[Defect]:
        try:
            if os.path.islink(profile.paths.generation(number)):
                raise DocumentError("leads elsewhere", code="damaged-state")
            generation = profile.generations.load(number)
            problem = "" if generation.number == number else "is another generation's"
            if not problem and not profile.generations.has_checksum(number) and not agrees(generation):
                problem = "differs from the lock in it"
        except D8Error as error:
            raise_if_from_system(error)
            problem = "is damaged or missing"
        if not problem:
            read = ReadGeneration(profile, generation)
            self.generations.append(read)
            yield from self._generation_defects(read)
            return
        yield Defect(
            kind="current" if active else "record",
            path=profile.paths.record(number),
            problem=problem,
            profile=profile.title,
            generation=number,
            remedy=f"{sync_hint(profile)}, which makes a new generation" if active else None,
        )

    def _generation_defects(self, read: ReadGeneration) -> Iterator[Defect]:
        home = self._session.scope.home
        suffix = read.generation.platform.executable_suffix
        reported = set[str]()
        for placed in read.generation.placed:
            stored = home.executable(placed.digest.hex, file_name(placed.placement.binary, suffix))
            is_lost = not fs.list_directory(home.executables(placed.digest.hex))
            if is_lost or fs.file_size(stored) is None:
                reported.add(stored)
                if is_lost or not os.path.lexists(stored):  # anything else there is reported with the stored files
                    yield read.defect("missing" if is_lost else "link", stored, "is gone from the store", placed)
        wrappers = {path for _, path, _ in read.profile.generations.altered_wrappers(read.generation)}
        for placed, path in _changed_files(read):
            if home.executable(placed.digest.hex, os.path.basename(path)) not in reported:
                problem = "was changed" if path in wrappers else "does not lead to its stored file"
                yield read.defect("link", path, problem, placed)
        yield from _foreign_files(read)

    def layer_defects(self) -> Iterator[Defect]:
        """Yield the layer records that are damaged, disagree with a generation, or are missing although needed."""
        store, home = self._session.store, self._session.scope.home
        needed = self.needed_members()
        for digest in sorted({layer.hex for layer in store.layers()} | needed.keys()):
            recorded = _read_record(home.layer(digest))
            if recorded is None:
                yield Defect(kind="layer", path=home.layer(digest), problem="is damaged or missing", digest=digest)
            elif any(recorded.get(member) != stored for member, stored in needed.get(digest, {}).items()):
                problem = "says something else than the generations"
                yield Defect(kind="layer", path=home.layer(digest), problem=problem, digest=digest)

    def needed_members(self) -> dict[str, dict[str, Stored]]:
        """Return the members that the generations need, by layer digest (hex) and member."""
        layers: dict[str, dict[str, Stored]] = {}
        for read in self.generations:
            for placed in read.generation.placed:
                members = layers.setdefault(placed.placement.layer.hex, {})
                members[placed.placement.member] = Stored(placed.digest, placed.size)
        return layers

    def bin_defects(self) -> Iterator[Defect]:
        """Yield the defects of ``bin``, the entry of PATH: it leads elsewhere, or has files of others."""
        home = self._session.scope.home
        exposed = [
            read.profile for read in self.generations if os.path.basename(read.profile.paths.root) in {"user", "system"}
        ]
        if not exposed:
            return
        if not os.path.islink(exposed[0].paths.current):
            yield from self._foreign_in_bin(exposed[0])
            return
        wanted = {os.path.relpath(profile.paths.bin, home.root) for profile in exposed}
        if not os.path.lexists(home.bin):
            yield Defect(kind="bin", path=home.bin, problem="is missing: it leads to the active binaries")
        elif not os.path.islink(home.bin) or os.readlink(home.bin) not in wanted:
            remedy = f"move it away, then {sync_hint(exposed[0])}"
            yield Defect(kind="bin", path=home.bin, problem="does not lead to the active binaries", remedy=remedy)

    def _foreign_in_bin(self, profile: ProfileOnDisk) -> Iterator[Defect]:
        """Yield the files in ``bin`` that are not of the active generation, where ``bin`` is a directory."""
        active = self.active(profile)
        if active is None:
            return
        ours = {os.path.normcase(path) for _, path in profile.generations.files(profile.paths.current, active)}
        directory = self._session.scope.home.bin
        for path in (os.path.join(directory, name) for name in fs.list_directory(directory)):
            if os.path.normcase(path) not in ours:
                yield Defect(kind="bin", path=path, problem="is not of this generation", remedy="move it away")


def _changed_files(read: ReadGeneration) -> Iterator[tuple[Placed, str]]:
    """Yield the files that are not as they were placed. Where files are copies and not links, their bytes count."""
    generations = read.profile.generations
    missing = {path for _, path in generations.missing_files(read.generation)}
    for directory in generations.directories(read.generation.number):
        wrappers = {path for _, path in generations.wrappers(directory, read.generation)}
        for placed, path in generations.files(directory, read.generation):
            is_copy = not os.path.islink(path) and path not in wrappers
            if path in missing or (is_copy and stamp.file_checksum(path) != placed.digest.hex):
                yield placed, path


def _foreign_files(read: ReadGeneration) -> Iterator[Defect]:
    """Yield what d8-installer did not put into a generation, such as a file in ``bin``, or a link for a directory."""
    profile, number = read.profile, read.generation.number
    directory = profile.paths.generation(number)
    ours = {path for _, path in profile.generations.files(directory, read.generation)}
    ours |= {profile.paths.record(number), os.path.join(directory, OLD_SUMMARY)}
    for where, directories, names in os.walk(directory):
        for path in (os.path.join(where, name) for name in (*directories, *names)):
            if path not in ours and (os.path.islink(path) or not os.path.isdir(path)):
                yield read.defect("link", path, "is not of this generation")


def _current_defect(profile: ProfileOnDisk, problem: str, remedy: str) -> Defect:
    return Defect(kind="current", path=profile.paths.current, problem=problem, profile=profile.title, remedy=remedy)


def _was_active(profile: ProfileOnDisk, numbers: list[int]) -> bool:
    """Whether a generation was ever active here. A command killed during the first install leaves one that was not."""
    return (len(numbers) > 1 or os.path.lexists(profile.paths.stamp)) and bool(numbers) and profile.is_gone is False


def _read_record(path: str) -> dict[str, Stored] | None:
    """Return the members that a layer's record names, or None if it is damaged."""
    try:
        record = json.loads(fs.read(path, limit=_LIMIT) or b"")
        if record.get("mark") not in (None, record_checksum(record)):
            return None
        entries = record["members"]
        return {name: Stored(Digest.parse(one["digest"]), int(one["size"])) for name, one in entries.items()}
    except DiskError as error:
        raise_if_from_system(error)
        return None
    except (DocumentError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None

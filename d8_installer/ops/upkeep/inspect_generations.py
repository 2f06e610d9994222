"""What leads to stored files: generation records, the files of generations, ``current``, ``bin``, layer records.

One look at a home; what it saw of the generations is kept, for mending needs to know who wants what. The files that
are only read, and the modes of all, are in ``state_files``.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Literal

from d8_installer.errors import D8Error, DiskError, DocumentError
from d8_installer.model.digest import Digest
from d8_installer.model.value import Struct
from d8_installer.pipeline.consistency import agrees
from d8_installer.store import fs, stamp
from d8_installer.store.generations import file_name
from d8_installer.store.paths import OLD_SUMMARY
from d8_installer.store.store import Stored, record_checksum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.generation import Generation, Placed
    from d8_installer.ops.upkeep.profiles_on_disk import Line
    from d8_installer.pipeline.session import Session

Kind = Literal["executable", "mode", "missing", "layer", "record", "link", "current", "bin", "lock", "tags", "project"]

_LIMIT = 1 << 20
FIX = "type `d8-installer verify --fix`"


class Wrong(Struct, frozen=True, kw_only=True):
    """One thing that differs: its kind, where it is, what is the matter; ``digest`` (hex) of the stored file or layer.

    ``owner`` and ``number`` say of which generation it is, where it is one's. ``way_out`` is what to type where
    ``verify --fix`` does not help.
    """

    kind: Kind
    path: str
    problem: str
    digest: str | None = None
    owner: str | None = None
    number: int | None = None
    way_out: str | None = None

    @property
    def text(self) -> str:
        """The whole clause."""
        of = f" (generation {self.number} of {self.owner})" if self.number is not None else ""
        return f"{self.path}{of} {self.problem}"

    @property
    def hint(self) -> str:
        """What to type."""
        return self.way_out or FIX

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        return {
            "kind": self.kind, "path": self.path, "problem": self.problem, "digest": self.digest,
            "profile": self.owner, "generation": self.number,
        }  # fmt: skip


class Leads:
    """The generations of a home as they were read, and what is wrong with what leads to the store."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.generations: list[tuple[Line, Generation]] = []
        self.lines: list[Line] = []

    def of_line(self, line: Line) -> Iterator[Wrong]:
        """Yield what is wrong in one profile, and remember its generations."""
        self.lines.append(line)
        store, number = line.generations, None
        numbers = store.numbers()
        try:
            number = store.switch.active(line.paths)
        except DiskError as error:
            raise_the_systems(error)
            problem = error.message.removeprefix(f"{line.paths.current} ")
            yield _astray(line, problem, f"{error.hint}, then {sync_of(line)}")
        else:
            if number is None and _had_current(line, numbers):
                yield _astray(line, "is missing: no generation is active", sync_of(line))
            elif number is not None and number not in numbers:
                yield _astray(line, f"leads to generation {number}, which is gone", sync_of(line))
        for one in numbers:
            yield from self._of_number(line, one, active=one == number)

    def _of_number(self, line: Line, number: int, *, active: bool) -> Iterator[Wrong]:
        try:
            if os.path.islink(line.paths.generation(number)):
                raise DocumentError("leads elsewhere")
            generation = line.generations.load(number)
            problem = "" if generation.number == number else "is another generation's"
            if not problem and not line.generations.has_checksum(number) and not agrees(generation):
                problem = "says something else than the lock in it"
        except D8Error as error:
            raise_the_systems(error)
            problem = "is damaged or missing"
        if problem:
            way_out = f"{sync_of(line)}, which makes a new generation" if active else None
            kind: Kind = "current" if active else "record"
            yield Wrong(
                kind=kind,
                path=line.paths.record(number),
                problem=problem,
                digest=None,
                owner=line.title,
                number=number,
                way_out=way_out,
            )
            return
        self.generations.append((line, generation))
        yield from self._of_generation(line, generation)

    def active(self, line: Line) -> Generation | None:
        """Return the active generation of a line that was looked at, if it is sound."""
        try:
            number = line.generations.switch.active(line.paths)
        except DiskError as error:
            raise_the_systems(error)
            return None
        mine = (g for one, g in self.generations if one.paths.root == line.paths.root and g.number == number)
        return next(mine, None)

    def _of_generation(self, line: Line, generation: Generation) -> Iterator[Wrong]:
        home, owner, number = self._session.scope.home, line.title, generation.number
        suffix = generation.platform.executable_suffix
        gone = set[str]()
        for placed in generation.placed:
            stored = home.executable(placed.digest.hex, file_name(placed.placement.binary, suffix))
            if not fs.list_directory(home.executables(placed.digest.hex)):
                gone.add(stored)
                yield Wrong(
                    kind="missing",
                    path=stored,
                    problem="is gone from the store",
                    digest=placed.digest.hex,
                    owner=owner,
                    number=number,
                )
            elif fs.file_size(stored) is None and os.path.lexists(stored):
                gone.add(stored)  # reported with the stored files
            elif fs.file_size(stored) is None:
                gone.add(stored)
                yield Wrong(
                    kind="link",
                    path=stored,
                    problem="is gone from the store",
                    digest=placed.digest.hex,
                    owner=owner,
                    number=number,
                )
        for placed, path in self._astray(line, generation):
            if home.executable(placed.digest.hex, os.path.basename(path)) not in gone:
                yield Wrong(
                    kind="link",
                    path=path,
                    problem="does not lead to its stored file",
                    digest=placed.digest.hex,
                    owner=owner,
                    number=number,
                )
        yield from self._strangers(line, generation)

    @staticmethod
    def _astray(line: Line, generation: Generation) -> Iterator[tuple[Placed, str]]:
        """Yield the files that are not as they were placed; where they are no links, their bytes count."""
        lost = {path for _, path in line.generations.missing_files(generation)}
        for directory in line.generations.directories(generation.number):
            for placed, path in line.generations.files(directory, generation):
                if path in lost or (not os.path.islink(path) and stamp.file_checksum(path) != placed.digest.hex):
                    yield placed, path

    @staticmethod
    def _strangers(line: Line, generation: Generation) -> Iterator[Wrong]:
        """Yield what nobody put into a generation: files (one in ``bin`` would be a command), links for directories."""
        number, directory = generation.number, line.paths.generation(generation.number)
        ours = {path for _, path in line.generations.files(directory, generation)}
        ours |= {line.paths.record(number), os.path.join(directory, OLD_SUMMARY)}
        for where, directories, names in os.walk(directory):
            paths = [os.path.join(where, name) for name in (*directories, *names)]
            for path in paths:
                if path not in ours and (os.path.islink(path) or not os.path.isdir(path)):
                    yield Wrong(
                        kind="link",
                        path=path,
                        problem="is not of this generation",
                        digest=None,
                        owner=line.title,
                        number=number,
                    )

    def of_layers(self) -> Iterator[Wrong]:
        """Yield the records of layers that are damaged, say something false, or are missing although one is needed."""
        store, home = self._session.store, self._session.scope.home
        needed = self.members()
        for digest in sorted({layer.hex for layer in store.layers()} | needed.keys()):
            said = _read_record(home.layer(digest))
            if said is None:
                yield Wrong(kind="layer", path=home.layer(digest), problem="is damaged or missing", digest=digest)
            elif any(said.get(member) != stored for member, stored in needed.get(digest, {}).items()):
                yield Wrong(
                    kind="layer",
                    path=home.layer(digest),
                    problem="says something else than the generations",
                    digest=digest,
                )

    def members(self) -> dict[str, dict[str, Stored]]:
        """Return what the generations say of layers: digest (hex) to member to what it is."""
        layers: dict[str, dict[str, Stored]] = {}
        for _, generation in self.generations:
            for placed in generation.placed:
                of_layer = layers.setdefault(placed.placement.layer.hex, {})
                of_layer[placed.placement.member] = Stored(placed.digest, placed.size)
        return layers

    def of_bin(self) -> Iterator[Wrong]:
        """Yield what is wrong with the PATH entry, where the system has one that is a link."""
        home = self._session.scope.home
        exposed = [line for line, _ in self.generations if os.path.basename(line.paths.root) in {"user", "system"}]
        if not exposed or not os.path.islink(exposed[0].paths.current):
            return
        wanted = {os.path.relpath(line.paths.bin, home.root) for line in exposed}
        if not os.path.lexists(home.bin):
            yield Wrong(kind="bin", path=home.bin, problem="is missing: it leads to the active binaries")
        elif not os.path.islink(home.bin) or os.readlink(home.bin) not in wanted:
            way_out = f"move it away, then {sync_of(exposed[0])}"
            yield Wrong(kind="bin", path=home.bin, problem="does not lead to the active binaries", way_out=way_out)


def sync_of(line: Line) -> str:
    """Return what to type to sync just that profile."""
    if os.path.basename(line.paths.root) == "system":
        return "type `d8-installer --global sync`"
    return "type `d8-installer sync`" + (f" in {line.project}" if line.project is not None else "")


def _astray(line: Line, problem: str, way_out: str) -> Wrong:
    return Wrong(kind="current", path=line.paths.current, problem=problem, owner=line.title, way_out=way_out)


def _had_current(line: Line, numbers: list[int]) -> bool:
    """Whether a generation was ever active here, and should be: a first one may be made and its maker be killed."""
    return (len(numbers) > 1 or os.path.lexists(line.paths.stamp)) and bool(numbers) and line.is_gone is False


def _read_record(path: str) -> dict[str, Stored] | None:
    try:
        record = json.loads(fs.read(path, limit=_LIMIT) or b"")
        if record.get("mark") not in (None, record_checksum(record)):
            return None
        entries = record["members"]
        return {name: Stored(Digest.parse(one["digest"]), int(one["size"])) for name, one in entries.items()}
    except DiskError as error:
        raise_the_systems(error)
        return None
    except (DocumentError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def raise_the_systems(error: D8Error) -> None:
    """Raise what the operating system refused: that says nothing of the home, and a second look may find it sound."""
    if isinstance(error, DiskError) and isinstance(error.__cause__, OSError):
        raise error

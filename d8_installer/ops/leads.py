"""What leads to stored files: generation records, the files of generations, ``current``, ``bin``, layer records.

One look at a home; what it saw of the generations is kept, for mending needs to know who wants what.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from d8_installer.errors import D8Error, DiskError, DocumentError
from d8_installer.model.digest import Digest
from d8_installer.store import fs, stamp
from d8_installer.store.blobs import Stored
from d8_installer.store.profile import file_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.generation import Generation, Placed
    from d8_installer.ops.lines import Line
    from d8_installer.ops.session import Session

Kind = Literal["executable", "mode", "missing", "layer", "record", "link", "current", "bin"]

_LIMIT = 1 << 20
FIX = "type `d8-installer verify --fix`"
SYNC = "type `d8-installer sync`, which makes a new generation"


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that differs: its kind, where it is, what is the matter; ``digest`` (hex) of the stored file or layer.

    ``owner`` and ``number`` say of which generation it is, where it is one's.
    """

    kind: Kind
    path: str
    problem: str
    digest: str | None = None
    owner: str | None = None
    number: int | None = None

    @property
    def text(self) -> str:
        """The whole clause."""
        of = f" (generation {self.number} of {self.owner})" if self.number is not None else ""
        return f"{self.path}{of} {self.problem}"

    @property
    def hint(self) -> str:
        """What to type."""
        return SYNC if self.kind == "current" else FIX

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

    def of_line(self, line: Line) -> Iterator[Wrong]:
        """Yield what is wrong in one profile, and remember its generations."""
        store = line.generations
        try:
            active = store.switch.active(line.paths)
        except DiskError as error:
            raise_the_systems(error)
            yield Wrong("current", line.paths.current, str(error), owner=line.title)
            active = None
        numbers = store.numbers()
        if active is not None and active not in numbers:
            problem = f"leads to generation {active}, which is gone"
            yield Wrong("current", line.paths.current, problem, owner=line.title)
        for number in numbers:
            try:
                generation = store.load(number)
                problem = "" if generation.number == number else "is another generation's"
            except D8Error as error:
                raise_the_systems(error)
                problem = "is damaged or missing"
            if problem:
                kind: Kind = "current" if number == active else "record"
                yield Wrong(kind, line.paths.record(number), problem, None, line.title, number)
                continue
            self.generations.append((line, generation))
            yield from self._of_generation(line, generation, active=number == active)

    def _of_generation(self, line: Line, generation: Generation, *, active: bool) -> Iterator[Wrong]:
        home, owner, number = self._session.home, line.title, generation.number
        suffix = generation.platform.executable_suffix
        for placed in generation.placed:
            stored = home.executable(placed.digest.hex, file_name(placed.placement.binary, suffix))
            if not fs.list_directory(home.executables(placed.digest.hex)):
                yield Wrong("missing", stored, "is gone from the store", placed.digest.hex, owner, number)
            elif fs.file_size(stored) is None:
                yield Wrong("link", stored, "is gone from the store", placed.digest.hex, owner, number)
        wanted = dict[str, "Placed"]()
        for placed, path in line.generations.files(line.paths.generation(number), generation):
            wanted[path] = placed
            if not self._leads_there(path, placed, suffix):
                yield Wrong("link", path, "does not lead to its stored file", placed.digest.hex, owner, number)
        yield from self._strangers(line, number, wanted)
        if not line.generations.is_summed_up(generation):
            problem = "does not say what the generation's record says"
            yield Wrong("link", line.paths.summary(number), problem, None, owner, number)
        if active and not os.path.islink(line.paths.current):
            yield from self._of_copy(line, generation)

    def _leads_there(self, path: str, placed: Placed, suffix: str) -> bool:
        stored = self._session.home.executable(placed.digest.hex, file_name(placed.placement.binary, suffix))
        if os.path.islink(path):
            return os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path))) == os.path.normpath(stored)
        return stamp.file_mark(path) == placed.digest.hex

    @staticmethod
    def _strangers(line: Line, number: int, wanted: dict[str, Placed]) -> Iterator[Wrong]:
        """Yield the files in a generation that nobody put there: one in ``bin`` would be a command."""
        ours = {*wanted, line.paths.record(number), line.paths.summary(number)}
        for where, _, names in os.walk(line.paths.generation(number)):
            for name in names:
                path = os.path.join(where, name)
                if path not in ours:
                    yield Wrong("link", path, "is not of this generation", None, line.title, number)

    def _of_copy(self, line: Line, generation: Generation) -> Iterator[Wrong]:
        """Yield what is wrong in ``current`` where that is a directory of files and no link."""
        for placed, path in line.generations.files(line.paths.current, generation):
            if stamp.file_mark(path) != placed.digest.hex:
                problem = "has not the bytes of the active generation"
                yield Wrong("link", path, problem, placed.digest.hex, line.title, generation.number)

    def of_layers(self) -> Iterator[Wrong]:
        """Yield the records of layers that are damaged, say something false, or are missing although one is needed."""
        store, home = self._session.store, self._session.home
        needed = self.members()
        for digest in sorted(set(store.layers()) | needed.keys()):
            said = _read_record(home.layer(digest))
            if said is None:
                yield Wrong("layer", home.layer(digest), "is damaged or missing", digest)
            elif any(said.get(member) != stored for member, stored in needed.get(digest, {}).items()):
                yield Wrong("layer", home.layer(digest), "says something else than the generations", digest)

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
        home = self._session.home
        exposed = [line for line, _ in self.generations if os.path.basename(line.paths.root) in {"user", "system"}]
        if not exposed or not os.path.islink(exposed[0].paths.current):
            return
        wanted = {os.path.relpath(line.paths.bin, home.root) for line in exposed}
        try:
            target = fs.read_link(home.bin)
        except DiskError as error:
            raise_the_systems(error)
            target = ""
        if target not in wanted:
            yield Wrong("bin", home.bin, "does not lead to the active binaries")


def _read_record(path: str) -> dict[str, Stored] | None:
    try:
        entries = json.loads(fs.read(path, limit=_LIMIT) or b"")["members"]
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

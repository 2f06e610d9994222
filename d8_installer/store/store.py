"""The store: executables named by their digest, the records of layers, and the directories for unverified bytes.

How it works. Everything below is under one home (``paths.Home``):

- ``incoming/<process>.<random>/``: files without a trustworthy name, one directory for each command. A lock file in
  the directory is held while the command runs, so ``sweep`` can tell a killed process's leftovers from live files.
- ``arriving/<layer>``: the first bytes of layers whose transfer was cut (``partial``). They are hashed again.
- ``store/sha256/<digest>/<name>``: one executable. The directory's name is the file's digest, and every name in the
  directory is the same file. Files and directories are 0555, so that a program cannot replace itself.
- ``store/layers/<layer>.json``: the members of a layer that the store holds, and the provenances proven for it
  (index → child → layer). A record is a cache: a damaged or lost one costs a download, never correctness. For this
  reason it is written without fsync, and carries a checksum.

The order of ``admit`` is the crash protocol. The caller has verified the layer's digest. The file gets its mode and is
made durable, then it is renamed into its digest's directory, then the directory is made durable, then the record is
written. A process killed between two steps leaves unnamed bytes (which ``sweep`` removes) or a complete executable
that no record mentions (which the next fetch of the layer replaces, and ``gc`` removes).

Generations link to executables; the store itself does not know which are in use. Only ``ops.upkeep.gc`` and ``repair``
discard files, while they hold the home's ``switching`` lock, so that no generation is made meanwhile. All changes hold
the home's mutex, for moments only: nothing is downloaded or hashed under it.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, DocumentError, TryAgainError
from d8_installer.model.checksum import checksum_of
from d8_installer.model.digest import Digest
from d8_installer.model.value import Struct
from d8_installer.store import fs, recovery, status
from d8_installer.store.flock import WaitPolicy, say_nothing
from d8_installer.store.partial import PartialLayers, is_hex_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import BinaryIO

    from d8_installer.model.source import Provenance
    from d8_installer.store.paths import Home

_RECORD_LIMIT = 1 << 20
EXECUTABLE = 0o555
"""The mode of every stored executable."""
SEALED = 0o555
"""The mode of an executable's directory: a program that replaces its own file would falsify the directory's name."""
_MOST_PROVENANCES = 64
"""The number of provenances remembered for one layer; the oldest are dropped first."""


class Stored(Struct, frozen=True):
    """One stored executable: its digest and its size in bytes."""

    digest: Digest
    size: int


class HeldLayer(Struct, frozen=True):
    """The parts of a layer that the store holds: executables by member, and the provenances proven for the layer."""

    members: Mapping[str, Stored]
    provenance: Sequence[Provenance]


class NewFile(Struct, frozen=True):
    """A verified file that is to be admitted: its temporary path, what it is, and its first name in the store."""

    temporary: str
    stored: Stored
    name: str


class Incoming:
    """This process's own directory for unverified bytes. Its lock shows other processes that this one is alive."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def create(self, member: str) -> BinaryIO:
        """Create a new file; *member* only makes its name recognizable, and is never used as a path."""
        readable = "".join(char if char.isalnum() else "_" for char in member[:32])
        return fs.create(os.path.join(self._directory, f"{readable}.{os.urandom(8).hex()}"))


class Store:
    """The immutable files of one home. A file gets a name here only after its bytes are verified."""

    def __init__(self, home: Home, waiting: WaitPolicy | None = None) -> None:
        self._home = home
        self._waiting = waiting or WaitPolicy(say_nothing)
        self._guard = recovery.home_guard(home, self._waiting)
        self.partial_layers = PartialLayers(home, self._guard)

    # -- reading -------------------------------------------------------------------------------------------------

    def members(self, layer: Digest) -> Mapping[str, Stored]:
        """Return the executables of *layer* that the store holds, by member."""
        return self.held(layer).members

    def held(self, layer: Digest) -> HeldLayer:
        """Return what the store holds of *layer*; a missing or damaged executable does not count as held."""
        record = self._read(layer)
        return HeldLayer({name: one for name, one in record.members.items() if self.holds(one)}, record.provenance)

    def _read(self, layer: Digest) -> HeldLayer:
        raw = fs.read(self._home.layer(layer.hex), limit=_RECORD_LIMIT)
        if raw is None:
            return HeldLayer({}, ())
        try:
            record = json.loads(raw)
            if record.get("mark") not in (None, record_checksum(record)):
                raise ValueError("the checksum does not match")
            entries, chains = record["members"].items(), record.get("chains", [])
            members = {name: Stored(Digest.parse(entry["digest"]), int(entry["size"])) for name, entry in entries}
            return HeldLayer(members, tuple(tuple(map(str, chain)) for chain in chains))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, DocumentError):
            return HeldLayer({}, ())  # the layer is fetched again

    def holds(self, stored: Stored) -> bool:
        """Whether the executable is in the store, under any name."""
        return self._any_path(stored) is not None

    def _any_path(self, stored: Stored) -> str | None:
        directory = self._home.executables(stored.digest.hex)
        for name in fs.list_directory(directory):
            if fs.file_size(os.path.join(directory, name)) == stored.size:
                return os.path.join(directory, name)
        return None

    def expected_path(self, stored: Stored, file_name: str) -> str:
        """Return the path of the executable under *file_name*, whether or not the file exists."""
        return self._home.executable(stored.digest.hex, file_name)

    def executables(self) -> list[Digest]:
        """Return the digests of all executables; foreign names in their directory are ignored."""
        return [Digest(name) for name in fs.list_directory(self._home.stored) if is_hex_digest(name)]

    def layers(self) -> list[Digest]:
        """Return the digests of all layers that have a record."""
        names = [name.removesuffix(".json") for name in fs.list_directory(self._home.layers) if name.endswith(".json")]
        return [Digest(name) for name in names if is_hex_digest(name)]

    # -- adding --------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """Give a directory for unverified bytes while the context lasts, and remove it with all files at the end."""
        directory = os.path.join(self._home.incoming, f"{os.getpid()}.{os.urandom(4).hex()}")
        with contextlib.ExitStack() as alive:
            try:
                with self._guard():
                    fs.make_directories(directory)
                    alive.enter_context(fs.exclusive(recovery.mutex_of(directory), say_nothing))
                yield Incoming(directory)
            finally:
                # Files that cannot be removed now are removed by the sweep of a later command.
                with contextlib.suppress(DiskError, TryAgainError), self._guard(hurried=True):
                    alive.close()  # Windows removes no open file; the guard keeps a sweep away
                    fs.remove_tree(directory)

    def admit(self, layer: Digest, files: Mapping[str, NewFile], provenance: Provenance | None = None) -> None:
        """Take verified executables into the store, and record them as members of *layer*.

        *files* are by member. *provenance* was proven to lead to the layer.
        """
        for file in files.values():
            fs.sync_file(file.temporary)
            fs.set_mode(file.temporary, EXECUTABLE)
        with self._guard():
            for file in files.values():
                with self._unsealed(file.stored.digest) as directory:
                    self._put(file.temporary, os.path.join(directory, file.name))
                    fs.sync_directory(directory)
            new = {member: file.stored for member, file in files.items()}
            self._write(layer, {**self.members(layer), **new}, provenance)

    def write_record(self, layer: Digest, members: Mapping[str, Stored]) -> None:
        """Replace a layer's record by one with these members, which are known from elsewhere."""
        with self._guard():
            self._write(layer, members)

    def add_provenance(self, layer: Digest, provenance: Provenance) -> None:
        """Remember a provenance that was proven for a layer in the store."""
        with self._guard():
            if members := self.members(layer):  # it is empty if another process has collected the layer meanwhile
                self._write(layer, members, provenance)

    def _write(self, layer: Digest, members: Mapping[str, Stored], provenance: Provenance | None = None) -> None:
        known = [one for one in self._read(layer).provenance if one != provenance]
        provenances = [*known, provenance][-_MOST_PROVENANCES:] if provenance is not None else known
        fs.replace_file(self._home.layer(layer.hex), _record(members, provenances), durable=False)

    # -- names ---------------------------------------------------------------------------------------------------

    def path(self, stored: Stored, file_name: str) -> str:
        """Return the stored executable's path under *file_name*, and add that name if it is missing or damaged."""
        path = self._home.executable(stored.digest.hex, file_name)
        if fs.file_size(path) != stored.size:
            other = self._any_path(stored)
            if other is None:
                raise DiskError(f"{path} is gone", hint="run `d8-installer sync` again", code="program-gone")
            temporary = os.path.join(self._home.incoming, os.urandom(8).hex())
            with self._guard(), self._unsealed(stored.digest):
                fs.make_directories(self._home.incoming)
                fs.link_or_copy(other, temporary)
                self._put(temporary, path)
        elif status.has_other_mode(os.path.dirname(path), SEALED):
            with self._guard(), self._unsealed(stored.digest):
                pass
        return path

    def replace_names(self, stored: Stored, sound: str) -> None:
        """Make every name of an executable a name of the file *sound* in the same directory, each by one rename."""
        with self._guard(), self._unsealed(stored.digest) as directory:
            for name in fs.list_directory(directory):
                path = os.path.join(directory, name)
                if name != sound and not os.path.samestat(os.lstat(path), os.lstat(os.path.join(directory, sound))):
                    temporary = os.path.join(self._home.incoming, os.urandom(8).hex())
                    fs.make_directories(self._home.incoming)
                    fs.link_or_copy(os.path.join(directory, sound), temporary)
                    self._put(temporary, path)

    def _put(self, temporary: str, path: str) -> None:
        """Give a file its name. A program that runs cannot be replaced on Windows: it is moved to ``incoming`` first.

        There a sweep removes it once it has ended.
        """
        if not fs.rename_unless_used(temporary, path):
            fs.rename(path, os.path.join(self._home.incoming, os.urandom(8).hex()))
            fs.rename(temporary, path)

    @contextlib.contextmanager
    def _unsealed(self, digest: Digest) -> Iterator[str]:
        """Make an executable's directory, or make it writable, while the context lasts."""
        directory = self._home.executables(digest.hex)
        fs.make_directories(directory)
        fs.set_mode(directory, 0o755)
        try:
            yield directory
        except BaseException:
            with contextlib.suppress(DiskError):
                fs.set_mode(directory, SEALED)
            raise
        fs.set_mode(directory, SEALED)

    # -- removing ------------------------------------------------------------------------------------------------

    def discard_executable(self, digest: Digest) -> None:
        """Remove an executable with all its names. The caller holds the lock that keeps generations from being made."""
        with self._guard():
            fs.remove_tree(self._home.executables(digest.hex))

    def discard_name(self, digest: Digest, name: str) -> None:
        """Remove one name of an executable, or a directory that is in its place."""
        path = os.path.join(self._home.executables(digest.hex), name)
        with self._guard(), self._unsealed(digest):
            if os.path.isdir(path) and not os.path.islink(path):
                fs.remove_tree(path)
            else:
                fs.remove(path)

    def discard_layer(self, layer: Digest) -> None:
        """Remove a layer's record."""
        with self._guard():
            fs.remove(self._home.layer(layer.hex))

    def sweep(self) -> None:
        """Remove the files that killed processes left."""
        recovery.sweep_store(self._home, self._waiting)


def _record(members: Mapping[str, Stored], provenances: Sequence[Provenance]) -> bytes:
    entries = {name: {"digest": str(held.digest), "size": held.size} for name, held in sorted(members.items())}
    record = {"members": entries, "chains": provenances}
    return json.dumps({**record, "mark": record_checksum(record)}, indent=1).encode()


def record_checksum(record: Mapping[str, object]) -> str:
    """Return the checksum of a layer's record, which the record holds under ``mark``."""
    return checksum_of([record["members"], record.get("chains", [])])

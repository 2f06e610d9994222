"""The store: executables named by their digest, the records of layers, and the place where bytes wait for proof."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from binascii import crc32
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, DocumentError, TryAgainError
from d8_installer.model.digest import Digest
from d8_installer.model.value import Struct
from d8_installer.store import fs, recovery, status
from d8_installer.store.flock import Patience
from d8_installer.store.partial import Arriving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import BinaryIO

    from d8_installer.model.source import Provenance
    from d8_installer.store.paths import Home

_RECORD_LIMIT = 1 << 20
EXECUTABLE = 0o555
"""The mode of every stored executable."""
SEALED = 0o555
"""The mode of its directory: a program that replaces its own file would make the store tell a lie."""


_MOST_CHAINS = 64
"""So many chains are remembered of one layer; the oldest go first."""


class Stored(Struct, frozen=True):
    """One member of a layer that the store holds: the digest and the bytes of the executable."""

    digest: Digest
    size: int


class HeldLayer(Struct, frozen=True):
    """What the store has of one layer: its executables by member, and how the layer was seen to be reached."""

    members: Mapping[str, Stored]
    provenance: Sequence[Provenance] = ()


class Incoming:
    """This process's own directory for unverified bytes; its lock says that we still live."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def create(self, member: str) -> BinaryIO:
        """Create a fresh file; *member* only makes it recognisable, and never becomes a path."""
        readable = "".join(char if char.isalnum() else "_" for char in member[:32])
        return fs.create(os.path.join(self._directory, f"{readable}.{secrets.token_hex(8)}"))


class Store:
    """Immutable files of one home. Nothing gets a name here before its bytes are proven."""

    def __init__(self, home: Home, patience: Patience | None = None) -> None:
        self._home = home
        self._patience = patience or Patience(recovery.silent)
        self._guard = recovery.guarding(home, self._patience)
        self.arriving = Arriving(home, self._guard)

    def members(self, layer: Digest) -> Mapping[str, Stored]:
        """Return what is held of *layer*, by member; a record whose executable is gone or damaged does not count."""
        return self.held(layer).members

    def held(self, layer: Digest) -> HeldLayer:
        """Return what ``members`` says, and how the layer was seen to be reached."""
        known = self._read(layer)
        members = {name: stored for name, stored in known.members.items() if self._any_name(stored) is not None}
        return HeldLayer(members, known.provenance)

    def _read(self, layer: Digest) -> HeldLayer:
        raw = fs.read(self._home.layer(layer.hex), limit=_RECORD_LIMIT)
        try:
            record = json.loads(raw) if raw is not None else {"members": {}}
            if record.get("mark") not in (None, mark_of(record)):
                raise ValueError("it is not as it was written")
            entries, chains = record["members"].items(), record.get("chains", [])
            members = {name: Stored(Digest.parse(entry["digest"]), int(entry["size"])) for name, entry in entries}
            return HeldLayer(members, tuple(tuple(map(str, chain)) for chain in chains))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, DocumentError):
            return HeldLayer({})  # a damaged record is worth no more than none: the layer is fetched again

    def _any_name(self, stored: Stored) -> str | None:
        directory = self._home.executables(stored.digest.hex)
        for name in fs.list_directory(directory):
            if fs.file_size(os.path.join(directory, name)) == stored.size:
                return os.path.join(directory, name)
        return None

    def holds(self, stored: Stored) -> bool:
        """Whether the executable is there, under whatever name."""
        return self._any_name(stored) is not None

    def place_of(self, stored: Stored, file_name: str) -> str:
        """Return where the executable is to be under *file_name*, whether it is or not."""
        return self._home.executable(stored.digest.hex, file_name)

    def path(self, stored: Stored, file_name: str) -> str:
        """Return the stored executable's path under *file_name*, giving it that name if it has only others."""
        path = self._home.executable(stored.digest.hex, file_name)
        if fs.file_size(path) != stored.size:
            other = self._any_name(stored)
            if other is None:
                raise DiskError(f"{path} is gone", hint="run `d8-installer sync` again")
            temporary = os.path.join(self._home.incoming, secrets.token_hex(8))
            with self._guard(), self._unsealed(stored.digest.hex):
                fs.make_directories(self._home.incoming)
                fs.same_file(other, temporary)
                fs.rename(temporary, path)
        elif status.mode(os.path.dirname(path)) != SEALED:
            with self._guard(), self._unsealed(stored.digest.hex):
                pass
        return path

    @contextlib.contextmanager
    def _unsealed(self, digest: str) -> Iterator[str]:
        """Give an executable's directory, made if it is not there, to change while the context lasts."""
        directory = self._home.executables(digest)
        fs.make_directories(directory)
        fs.set_mode(directory, 0o755)
        try:
            yield directory
        except BaseException:
            with contextlib.suppress(DiskError):
                fs.set_mode(directory, SEALED)
            raise
        fs.set_mode(directory, SEALED)

    def admit(
        self,
        layer: Digest,
        proven: Mapping[str, tuple[str, Stored]],
        names: Mapping[str, str],
        chain: Provenance | None = None,
    ) -> None:
        """Take executables whose layer is proven into the store: mode, fsync, rename, then the layer's record.

        *proven* maps a member to its temporary file and what it is; *names* a member to its first file name; *chain*
        was seen to lead to the layer.
        """
        for temporary, _ in proven.values():
            fs.set_mode(temporary, EXECUTABLE)
            fs.sync_file(temporary)
        with self._guard():
            for member, (temporary, stored) in proven.items():
                with self._unsealed(stored.digest.hex) as directory:
                    fs.rename(temporary, os.path.join(directory, names[member]))
                    fs.sync_directory(directory)
            entries = {**self.members(layer), **{member: stored for member, (_, stored) in proven.items()}}
            self._write(layer, entries, chain)

    def record(self, layer: Digest, members: Mapping[str, Stored]) -> None:
        """Write a layer's record anew, from what is known of its members elsewhere."""
        with self._guard():
            self._write(layer, members)

    def reached(self, layer: Digest, chain: Provenance) -> None:
        """Remember that *chain* was seen to lead to a layer that the store has."""
        with self._guard():
            if members := self.members(layer):  # else somebody collected it meanwhile
                self._write(layer, members, chain)

    def _write(self, layer: Digest, members: Mapping[str, Stored], chain: Provenance | None = None) -> None:
        known = [one for one in self._read(layer).provenance if one != chain]
        chains = [*known, chain][-_MOST_CHAINS:] if chain is not None else known
        fs.replace_file(self._home.layer(layer.hex), _record(members, chains), durable=False)

    # -- what there is, and taking it away -------------------------------------------------------------------

    def executables(self) -> list[str]:
        """Return the digests (hex) of all executables; other names in their directory are not ours."""
        return [name for name in fs.list_directory(self._home.stored) if _is_hex(name)]

    def layers(self) -> list[str]:
        """Return the digests (hex) of all layers that have a record."""
        names = [name.removesuffix(".json") for name in fs.list_directory(self._home.layers) if name.endswith(".json")]
        return [name for name in names if _is_hex(name)]

    def discard_executable(self, digest: str) -> None:
        """Remove an executable, under all its names. Only for who excludes that a generation is made meanwhile."""
        with self._guard():
            fs.remove_tree(self._home.executables(digest))

    def discard_name(self, digest: str, name: str) -> None:
        """Remove one name of an executable, or whatever else lies there."""
        path = os.path.join(self._home.executables(digest), name)
        with self._guard(), self._unsealed(digest):
            if os.path.isdir(path) and not os.path.islink(path):
                fs.remove_tree(path)
            else:
                fs.remove(path)

    def discard_layer(self, digest: str) -> None:
        """Remove a layer's record."""
        with self._guard():
            fs.remove(self._home.layer(digest))

    def rename_all(self, stored: Stored, sound: str) -> None:
        """Make every name of an executable one of the file *sound* (a name beside them), each in one rename."""
        with self._guard(), self._unsealed(stored.digest.hex) as directory:
            for name in fs.list_directory(directory):
                path = os.path.join(directory, name)
                if name != sound and not os.path.samestat(os.lstat(path), os.lstat(os.path.join(directory, sound))):
                    temporary = os.path.join(self._home.incoming, secrets.token_hex(8))
                    fs.make_directories(self._home.incoming)
                    fs.same_file(os.path.join(directory, sound), temporary)
                    fs.rename(temporary, path)

    @contextlib.contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """Give a directory for unverified bytes while the context lasts; whatever remains in it goes at the end."""
        directory = os.path.join(self._home.incoming, f"{os.getpid()}.{secrets.token_hex(4)}")
        with contextlib.ExitStack() as alive:
            try:
                with self._guard():
                    fs.make_directories(directory)
                    alive.enter_context(fs.exclusive(recovery.mutex_of(directory), recovery.silent))
                yield Incoming(directory)
            finally:
                # What is not removed here is by the next command's sweep.
                with contextlib.suppress(DiskError, TryAgainError), self._guard(hurried=True):
                    fs.remove_tree(directory)

    def sweep(self) -> None:
        """Remove what killed processes left."""
        recovery.sweep_store(self._home, self._patience)


def _record(members: Mapping[str, Stored], chains: Sequence[Provenance]) -> bytes:
    entries = {name: {"digest": str(held.digest), "size": held.size} for name, held in sorted(members.items())}
    record = {"members": entries, "chains": chains}
    return json.dumps({**record, "mark": mark_of(record)}, indent=1).encode()


def mark_of(record: Mapping[str, object]) -> str:
    """Return what tells that a layer's record was damaged, which only the generations could gainsay else."""
    said = [record["members"], record.get("chains", [])]
    return f"{crc32(json.dumps(said, sort_keys=True).encode()):08x}"


def _is_hex(name: str) -> bool:
    return len(name) == 64 and not name.strip("0123456789abcdef")

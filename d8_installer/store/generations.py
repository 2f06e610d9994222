"""A profile's generations on disk: build one, load one, inspect one, keep the newest few."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, DocumentError
from d8_installer.model.checksum import has_checksum
from d8_installer.model.generation import Generation
from d8_installer.model.value import Struct
from d8_installer.store import fs, recovery, removal, status
from d8_installer.store.paths import OLD_SUMMARY, name_of_request
from d8_installer.store.store import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.generation import Placed, Placement
    from d8_installer.store.paths import ProfilePaths
    from d8_installer.store.store import Store
    from d8_installer.store.switch import Switch

_RECORD_LIMIT = 256 << 20
_BIN = "bin"
_READ_ONLY = 0o555
_PROGRAM = 0o555
_SYNC = "run `d8-installer sync`, which makes a new generation"


class ProfileStore(Struct, frozen=True):
    """The generations of one profile. Only the holder of the profile's mutex may build and switch."""

    paths: ProfilePaths
    switch: Switch
    store: Store

    def active(self) -> Generation | None:
        """Return the active generation, or None; a damaged record is a DocumentError."""
        number = self.switch.active(self.paths)
        return None if number is None else self.load(number)

    def load(self, number: int) -> Generation:
        """Return generation *number*; a missing or damaged record is a DocumentError."""
        file = self.paths.record(number)
        raw = fs.read(file, limit=_RECORD_LIMIT)
        if raw is None:
            raise DocumentError("is missing", file=file, hint=_SYNC, about_file=True, code="damaged-state")
        return Generation.parse(raw, file)

    def has_checksum(self, number: int) -> bool:
        """Whether the record of generation *number* has a checksum, which ``load`` compares; old records have none."""
        raw = fs.read(self.paths.record(number), limit=_RECORD_LIMIT)
        return raw is not None and has_checksum(raw)

    def next_number(self) -> int:
        """Return the number for a new generation: one more than any that exists or is being removed."""
        return max(recovery.newest_number(self.paths), self.switch.active(self.paths) or 0) + 1

    def recover(self) -> None:
        """Finish or remove the leftovers of a killed process. The caller holds the profile's mutex and the home's."""
        recovery.recover(self.paths, self.switch)

    def finish(self) -> None:
        """Finish a cut switch and remove incomplete generations. The caller holds the home's ``switching`` lock."""
        recovery.finish(self.paths, self.switch)

    def build(self, generation: Generation) -> None:
        """Build the generation under a temporary name; it is complete and durable before it gets its own."""
        draft = f"{self.paths.generation(generation.number)}{recovery.DRAFT}"
        fs.remove_tree(draft)
        try:
            self._build(generation, draft)
        except BaseException:
            with contextlib.suppress(DiskError):
                fs.remove_tree(draft)
            raise

    def _build(self, generation: Generation, draft: str) -> None:
        final = self.paths.generation(generation.number)
        fs.make_directories(os.path.join(draft, "bin"))
        for placed, path in self.files(draft, generation):
            fs.make_directories(os.path.dirname(path))
            self._place(placed, path)
        fs.replace_file(os.path.join(draft, "generation.json"), generation.render().encode(), mode=0o444)
        for directory, _, _ in list(os.walk(draft, topdown=False)):
            if directory != draft:
                fs.set_mode(directory, _READ_ONLY)
        fs.sync_directory(os.path.join(draft, "bin"))
        fs.rename(draft, final)
        fs.set_mode(final, _READ_ONLY)
        fs.sync_directory(self.paths.generations)

    def _place(self, placed: Placed, path: str) -> None:
        stored = self.store.path(Stored(placed.digest, placed.size), os.path.basename(path))
        wrapper = self._wrapper(placed, path)
        if wrapper is None:
            self.switch.place(stored, path)
        else:
            fs.replace_file(path, wrapper, mode=_PROGRAM)

    def rebuild(self, generation: Generation) -> None:
        """Put every file of an existing generation in its place again, each by one rename, and remove foreign files."""
        draft = f"{self.paths.generation(generation.number)}{recovery.DRAFT}"
        fs.remove_tree(draft)
        try:
            self._rebuild(generation, draft)
        finally:
            with contextlib.suppress(DiskError):
                fs.remove_tree(draft)

    def _rebuild(self, generation: Generation, draft: str) -> None:
        final = self.paths.generation(generation.number)
        fs.set_mode(final, 0o755)
        for place in sorted(self._directories(final, generation), key=len):
            if os.path.islink(place):  # its target is unknown, and must not be changed
                fs.remove(place)
        wanted = {self.paths.record(generation.number), os.path.join(final, OLD_SUMMARY)}
        for placed, path in self.files(draft, generation):
            target = os.path.join(final, os.path.relpath(path, draft))
            wanted.add(target)
            for directory in (os.path.dirname(path), os.path.dirname(target)):
                fs.make_directories(directory)
                fs.set_mode(directory, 0o755)
            self._place(placed, path)
            fs.rename(path, target)
        for where, _, names in list(os.walk(final, topdown=False)):
            for name in names:
                if os.path.join(where, name) not in wanted:
                    fs.set_mode(where, 0o755)
                    fs.remove(os.path.join(where, name))
            fs.set_mode(where, _READ_ONLY)

    def keep(self, newest: int) -> None:
        """Remove all but the *newest* generations, and never the active one."""
        active = self.switch.active(self.paths)
        for number in self.numbers()[:-newest]:
            if number != active:
                self.drop(number)

    def drop(self, number: int) -> None:
        """Remove one generation. A killed process leaves no half of it (``removal``)."""
        removal.drop(self.paths.generation(number))

    def numbers(self) -> list[int]:
        """Return the numbers of the complete generations, ascending."""
        return recovery.numbers(self.paths)

    def missing_files(self, generation: Generation) -> Iterator[tuple[Placed, str]]:
        """Yield the files of a generation that are missing or replaced; in ``current`` too, if that is a directory.

        If one of the directories is a link now, all files in it count as missing.
        """
        for directory in self.directories(generation.number):
            linked = {path for path in self._directories(directory, generation) if os.path.islink(path)}
            for placed, path in self.files(directory, generation):
                if not linked.isdisjoint(_above(path, directory)) or not self.is_placed(placed, path):
                    yield placed, path

    def altered_executables(self, generation: Generation) -> Iterator[tuple[Placed, str, str]]:
        """Yield the stored executables of a generation that were replaced or changed, and how they differ.

        Their bytes are not read.
        """
        suffix = generation.platform.executable_suffix
        for placed in generation.placed:
            name = file_name(placed.placement.binary, suffix)
            path = self.store.expected_path(Stored(placed.digest, placed.size), name)
            problem = status.altered(path, placed.size)
            if problem is not None:
                yield placed, path, problem

    def is_placed(self, placed: Placed, path: str) -> bool:
        """Whether the file at *path* is as it was placed, and the stored executable exists."""
        stored = self._stored(placed, path)
        wrapper = self._wrapper(placed, path)
        if wrapper is None:
            return self.switch.is_placed(stored, path)
        return os.path.isfile(stored) and status.altered_text(path, wrapper) is None

    def altered_wrappers(self, generation: Generation) -> Iterator[tuple[Placed, str, str]]:
        """Yield the wrappers of a generation that are there and were changed, and how they differ."""
        for placed, path in self.wrappers(self.paths.generation(generation.number), generation):
            wrapper = self._wrapper(placed, path)
            if wrapper is not None and os.path.lexists(path):
                problem = status.altered_text(path, wrapper)
                if problem is not None:
                    yield placed, path, problem

    def wrappers(self, directory: str, generation: Generation) -> Iterator[tuple[Placed, str]]:
        """Yield those of the ``files`` that are wrappers."""
        if self.switch.has_wrappers:
            for placed, path in self.files(directory, generation):
                if placed.wrapper is not None:
                    yield placed, path

    def _stored(self, placed: Placed, path: str) -> str:
        return self.store.expected_path(Stored(placed.digest, placed.size), os.path.basename(path))

    def _wrapper(self, placed: Placed, path: str) -> bytes | None:
        """Return the text of the wrapper that is to be at *path*, or None for a link."""
        if placed.wrapper is None or not self.switch.has_wrappers:
            return None
        here = os.path.dirname(path)
        text = placed.wrapper.text(
            placed.placement.binary,
            placed.digest,
            stored=os.path.relpath(self._stored(placed, path), here),
            bin_directory="." if os.path.basename(here) == "bin" else "../../bin",
        )
        return text.encode("utf-8", "surrogateescape")

    def directories(self, number: int) -> list[str]:
        """Return the directories with a generation's files: its own, and ``current`` if that is a directory."""
        own = [self.paths.generation(number)]
        with contextlib.suppress(DiskError):  # a foreign file is in the way
            if not os.path.islink(self.paths.current) and number == self.switch.active(self.paths):
                return [*own, self.paths.current]
        return own

    def files(self, directory: str, generation: Generation) -> Iterator[tuple[Placed, str]]:
        """Yield each binary's path in ``bin``, and its path in ``req/<request>`` for launchers.

        *directory* is one of ``directories``, or a draft.
        """
        suffix = generation.platform.executable_suffix
        for placed in generation.placed:
            name = file_name(placed.placement.binary, suffix)
            for place in places_of(placed.placement):
                yield placed, os.path.join(self._directory(directory, place), name)

    def _directory(self, directory: str, place: str) -> str:
        if place == _BIN and directory == self.paths.current:
            return self.switch.bin(self.paths)
        return os.path.join(directory, *place.split("/"))

    def _directories(self, directory: str, generation: Generation) -> set[str]:
        """Return a generation's directories, including *directory*."""
        return {above for _, path in self.files(directory, generation) for above in _above(path, directory)}


def _above(path: str, directory: str) -> Iterator[str]:
    """Yield the directories of *path*, up to *directory*; only its own one if it is elsewhere."""
    if not path.startswith(os.path.join(directory, "")):
        yield os.path.dirname(path)
        return
    while path != directory:
        path = os.path.dirname(path)
        yield path


def places_of(placement: Placement) -> list[str]:
    """Return the directories, relative to its generation, that a binary is in."""
    requests = (f"req/{name_of_request(request.hex)}" for request in placement.requests)
    return [*([_BIN] if placement.in_bin else []), *requests]


def file_name(binary: str, suffix: str) -> str:
    """Return the binary's file name on a platform whose executables end with *suffix*."""
    return binary if binary.endswith(suffix) else binary + suffix

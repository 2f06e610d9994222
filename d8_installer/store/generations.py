"""A profile's generations on disk: build one beside the others, switch to it, keep the newest few."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, DocumentError
from d8_installer.model.generation import Generation, has_checksum
from d8_installer.model.value import Struct
from d8_installer.store import fs, recovery, removal, status
from d8_installer.store.paths import OLD_SUMMARY
from d8_installer.store.store import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.generation import Placed, Placement
    from d8_installer.store.paths import ProfilePaths
    from d8_installer.store.store import Store
    from d8_installer.store.switch import Switch

_RECORD_LIMIT = 256 << 20
_READ_ONLY = 0o555
_ANEW = "run `d8-installer sync`, which makes a new generation"


class ProfileStore(Struct, frozen=True):
    """The generations of one profile; only the holder of the profile's mutex may build and switch."""

    paths: ProfilePaths
    switch: Switch
    store: Store

    def active(self) -> Generation | None:
        """Return the active generation, or None where there is none; a damaged record is a DocumentError."""
        number = self.switch.active(self.paths)
        return None if number is None else self.load(number)

    def load(self, number: int) -> Generation:
        """Return generation *number*; one that is not there, or is damaged, is a DocumentError."""
        file = self.paths.record(number)
        raw = fs.read(file, limit=_RECORD_LIMIT)
        if raw is None:
            raise DocumentError("is missing", file=file, hint=_ANEW, about_file=True)
        return Generation.parse(raw, file)

    def has_checksum(self, number: int) -> bool:
        """Return whether the record of generation *number*, once loaded, is known to be as it was written."""
        raw = fs.read(self.paths.record(number), limit=_RECORD_LIMIT)
        return raw is not None and has_checksum(raw)

    def next_number(self) -> int:
        """Return the number that a new generation gets: one more than any that is there or is being removed."""
        return max(recovery.newest_number(self.paths), self.switch.active(self.paths) or 0) + 1

    def recover(self) -> None:
        """Finish or remove what a killed process left in this profile; the caller has its mutex and the home's."""
        recovery.recover(self.paths, self.switch)

    def finish(self) -> None:
        """Finish a switch and remove half generations; the caller keeps others from making and activating any."""
        recovery.finish(self.paths, self.switch)

    def build(self, generation: Generation) -> None:
        """Lay the generation out beside the others; it is complete and durable before it has its name."""
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
            self.switch.place(self.store.path(Stored(placed.digest, placed.size), os.path.basename(path)), path)
        fs.replace_file(os.path.join(draft, "generation.json"), generation.render().encode(), mode=0o444)
        for directory, _, _ in list(os.walk(draft, topdown=False)):
            if directory != draft:
                fs.set_mode(directory, _READ_ONLY)
        fs.sync_directory(os.path.join(draft, "bin"))
        fs.rename(draft, final)
        fs.set_mode(final, _READ_ONLY)
        fs.sync_directory(self.paths.generations)

    def rebuild(self, generation: Generation) -> None:
        """Put every file of a generation that is there in its place anew, each in one rename, and take others out."""
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
        for place in sorted(_directories(final, generation), key=len):
            if os.path.islink(place):  # it leads nobody knows where, and nothing is changed there
                fs.remove(place)
        wanted = {self.paths.record(generation.number), os.path.join(final, OLD_SUMMARY)}
        for placed, path in self.files(draft, generation):
            target = os.path.join(final, os.path.relpath(path, draft))
            wanted.add(target)
            for directory in (os.path.dirname(path), os.path.dirname(target)):
                fs.make_directories(directory)
                fs.set_mode(directory, 0o755)
            self.switch.place(self.store.path(Stored(placed.digest, placed.size), os.path.basename(path)), path)
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
        """Remove one generation, so that none is ever there by half."""
        removal.drop(self.paths.generation(number))

    def numbers(self) -> list[int]:
        """Return the numbers of the generations that are there, ascending."""
        return recovery.numbers(self.paths)

    def missing_files(self, generation: Generation) -> Iterator[tuple[Placed, str]]:
        """Yield the files of a generation, and of ``current`` where that holds files, that are not as they were placed.

        A directory of theirs that is a link now leads nobody knows where: all in it count as lost.
        """
        for directory in self.directories(generation.number):
            astray = {place for place in _directories(directory, generation) if os.path.islink(place)}
            for placed, path in self.files(directory, generation):
                stored = self.store.expected_path(Stored(placed.digest, placed.size), os.path.basename(path))
                if not astray.isdisjoint(_above(path, directory)) or not self.switch.is_placed(stored, path):
                    yield placed, path

    def altered_executables(self, generation: Generation) -> Iterator[tuple[Placed, str, str]]:
        """Yield the stored executables of a generation that are not the files that were put there, and how they differ.

        Their bytes are not read.
        """
        suffix = generation.platform.executable_suffix
        for placed in generation.placed:
            name = file_name(placed.placement.binary, suffix)
            path = self.store.expected_path(Stored(placed.digest, placed.size), name)
            problem = status.altered(path, placed.size)
            if problem is not None:
                yield placed, path, problem

    def directories(self, number: int) -> list[str]:
        """Return where a generation's files are: in its directory, and in ``current`` if that is a directory itself."""
        own = [self.paths.generation(number)]
        with contextlib.suppress(DiskError):  # what is in the way there is not ours
            if not os.path.islink(self.paths.current) and number == self.switch.active(self.paths):
                return [*own, self.paths.current]
        return own

    @staticmethod
    def files(directory: str, generation: Generation) -> Iterator[tuple[Placed, str]]:
        """Yield each binary's place in ``bin``, and one in ``req/<request hash>`` for launchers."""
        suffix = generation.platform.executable_suffix
        for placed in generation.placed:
            name = file_name(placed.placement.binary, suffix)
            for place in places_of(placed.placement):
                yield placed, os.path.join(directory, *place.split("/"), name)


def _directories(directory: str, generation: Generation) -> set[str]:
    """Return a generation's directories, itself included."""
    return {above for _, path in ProfileStore.files(directory, generation) for above in _above(path, directory)}


def _above(path: str, directory: str) -> Iterator[str]:
    """Yield the directories of *path*, up to *directory*."""
    while path != directory:
        path = os.path.dirname(path)
        yield path


def places_of(placement: Placement) -> list[str]:
    """Return where a binary is within its generation."""
    return [*(["bin"] if placement.in_bin else []), *(f"req/{request.hex}" for request in placement.requests)]


def file_name(binary: str, suffix: str) -> str:
    """Return the binary's file name on a platform whose executables end with *suffix*."""
    return binary if binary.endswith(suffix) else binary + suffix

"""A profile's generations on disk: build one beside the others, switch to it, keep the newest few."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, DocumentError
from d8_installer.model.generation import Generation
from d8_installer.model.summary import Summary, SummedUp
from d8_installer.store import fs, leftovers
from d8_installer.store.blobs import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.generation import Placed
    from d8_installer.store.blobs import Store
    from d8_installer.store.layout import ProfilePaths
    from d8_installer.store.switch import Switch

_RECORD_LIMIT = 256 << 20
_READ_ONLY = 0o555


@dataclass(frozen=True, slots=True)
class ProfileStore:
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
            raise DocumentError("is missing", file=file, hint="run `d8-installer sync`, which makes a new generation")
        return Generation.parse(raw, file)

    def is_summed_up(self, generation: Generation) -> bool:
        """Whether the generation's summary says what its record says; one without any is as good."""
        summary, record = self.paths.summary(generation.number), self.paths.record(generation.number)
        size = fs.file_size(summary)
        if size is None:
            return not os.path.lexists(summary)
        if size > _RECORD_LIMIT:
            return False
        raw, of = fs.read(summary, limit=_RECORD_LIMIT), fs.read(record, limit=_RECORD_LIMIT)
        return raw is not None and of is not None and raw == summary_of(generation).render(of)

    def next_number(self) -> int:
        """Return the number that a new generation gets: one more than any that is there."""
        return max([0, *self.numbers(), self.switch.active(self.paths) or 0]) + 1

    def recover(self) -> None:
        """Finish or remove what a killed process left in this profile; the caller has its mutex and the home's."""
        leftovers.recover(self.paths, self.switch)

    def finish(self) -> None:
        """Finish a switch and remove half generations; the caller keeps others from making and activating any."""
        leftovers.finish(self.paths, self.switch)

    def build(self, generation: Generation) -> None:
        """Lay the generation out beside the others; it is complete and durable before it has its name."""
        draft = f"{self.paths.generation(generation.number)}{leftovers.DRAFT}"
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
        record = generation.render().encode()
        fs.replace_file(os.path.join(draft, "generation.json"), record, mode=0o444)
        _write_summary(draft, generation, record)
        for directory, _, _ in list(os.walk(draft, topdown=False)):
            if directory != draft:
                fs.set_mode(directory, _READ_ONLY)
        fs.sync_directory(os.path.join(draft, "bin"))
        fs.rename(draft, final)
        fs.set_mode(final, _READ_ONLY)
        fs.sync_directory(self.paths.generations)

    def lay_out_again(self, generation: Generation) -> None:
        """Put every file of a generation that is there in its place anew, each in one rename, and take others out."""
        draft = f"{self.paths.generation(generation.number)}{leftovers.DRAFT}"
        fs.remove_tree(draft)
        try:
            self._lay_out_again(generation, draft)
        finally:
            with contextlib.suppress(DiskError):
                fs.remove_tree(draft)

    def _lay_out_again(self, generation: Generation, draft: str) -> None:
        final = self.paths.generation(generation.number)
        fs.set_mode(final, 0o755)
        wanted = {self.paths.record(generation.number), self.paths.summary(generation.number)}
        _write_summary(draft, generation, fs.read(self.paths.record(generation.number), limit=_RECORD_LIMIT) or b"")
        fs.rename(os.path.join(draft, "summary"), self.paths.summary(generation.number))
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
        """Remove one generation: by a rename, so that none is ever there by half."""
        gone = f"{self.paths.generation(number)}{leftovers.GONE}"
        fs.remove_tree(gone)
        fs.rename(self.paths.generation(number), gone)
        fs.remove_tree(gone)

    def numbers(self) -> list[int]:
        """Return the numbers of the generations that are there, ascending."""
        return leftovers.numbers(self.paths)

    @staticmethod
    def files(directory: str, generation: Generation) -> Iterator[tuple[Placed, str]]:
        """Yield each binary's place in ``bin``, and one in ``req/<request hash>`` for launchers."""
        suffix = generation.platform.executable_suffix
        for placed in generation.placed:
            name = file_name(placed.placement.binary, suffix)
            if placed.placement.in_bin:
                yield placed, os.path.join(directory, "bin", name)
            for request in placed.placement.requests:
                yield placed, os.path.join(directory, "req", request.hex, name)


def summary_of(generation: Generation) -> Summary:
    """Return what a rollback needs of a generation."""
    suffix = generation.platform.executable_suffix
    binaries = [
        SummedUp(p.binary, p.version, placed.digest.hex, file_name(p.binary, suffix), in_bin=p.in_bin)
        for placed in generation.placed
        for p in (placed.placement,)
    ]
    return Summary(generation.number, binaries, generation.lock)


def _write_summary(directory: str, generation: Generation, record: bytes) -> None:
    # Not durable: one that a power cut damages does not count, and then the record is read.
    fs.replace_file(
        os.path.join(directory, "summary"), summary_of(generation).render(record), mode=0o444, durable=False
    )


def file_name(binary: str, suffix: str) -> str:
    """Return the binary's file name on a platform whose executables end with *suffix*."""
    return binary if binary.endswith(suffix) else binary + suffix
